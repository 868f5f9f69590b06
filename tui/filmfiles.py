"""A film as files to take away: plain text, an HTML page that plays it, an SVG that does."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tui.film import Frame, changed, counted
from tui.literal import literal, xml
from tui.widgets.ink import Span, wrap

Marked = tuple[Frame, list[Span]]
"""A frame, and its text with what is new in it."""


def export(name: str, film: Sequence[Frame]) -> dict[str, str]:
    """The film as files, by their names: two seconds for 20 frames of 3,000 characters."""
    told = marked(film)
    return {
        "film.txt": as_text(name, film),
        "film.html": as_html(name, told),
        "film.svg": as_svg(name, told),
    }


def marked(film: Sequence[Frame]) -> list[Marked]:
    """Each frame with what is new since the one before; nothing is in the first."""
    befores = ["", *(frame.text for frame in film)]
    return [
        (frame, changed(before, frame.text) if before else [(frame.text, "")])
        for before, frame in zip(befores, film, strict=False)
    ]


def title(frame: Frame) -> str:
    loss = f"  {frame.bits_per_char:.3f} bits/char" if frame.bits_per_char is not None else ""
    return f"step {frame.step:,}{loss}  temperature {frame.temperature:g}"


def as_text(name: str, film: Sequence[Frame]) -> str:
    """The film as plain text, one frame under the other."""
    out = [f"{name}: {counted(film)}\n"]
    for frame in film:
        out.append(f"\n── {title(frame)}" + (f"  {frame.caption}" if frame.caption else "") + "\n")
        out.append(frame.prime + frame.text + "\n")
    return literal("".join(out))


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>@NAME@</title>
<meta name="viewport" content="width=device-width">
<style>
 body { background:#0f141a; color:#d8dee6; font:16px/1.45 ui-monospace,Menlo,Consolas,monospace; margin:2rem auto;
        max-width:60rem; padding:0 1rem }
 pre { white-space:pre-wrap; overflow-wrap:anywhere; min-height:24em; background:#161d26; padding:1rem;
       border-radius:6px }
 .new { color:#f0e442; text-decoration:underline; text-underline-offset:3px; text-decoration-thickness:1px }
 .prime { color:#8a97a5; font-style:italic } .caption { color:#e69f00; min-height:1.5em }
 input { width:100%; accent-color:#56b4e9 } button { font:inherit; background:#1f2833; color:inherit; border:0;
       border-radius:4px; padding:.3em .9em }
</style></head><body>
<h1>@NAME@</h1><p id="title"></p><p class="caption" id="caption"></p><pre id="text"></pre>
<p><input id="at" type="range" min="0" value="0" aria-label="checkpoint"></p>
<p><button id="play">play</button></p>
<script type="application/json" id="film">@FILM@</script>
<script>
 const film = JSON.parse(document.getElementById('film').textContent), get = id => document.getElementById(id);
 let timer = 0;
 const piece = (text, name) => { const s = document.createElement('span'); s.textContent = text; s.className = name;
   return s };
 function show(i) { const f = film[i]; get('title').textContent = f.title; get('caption').textContent = f.caption;
   get('text').replaceChildren(piece(f.prime, 'prime'), ...f.spans.map(([t, k]) => piece(t, k))); get('at').value = i }
 function stop() { clearInterval(timer); timer = 0; get('play').textContent = 'play' }
 get('at').max = film.length - 1;
 get('at').oninput = e => { stop(); show(+e.target.value) };
 get('play').onclick = () => { if (timer) return stop();
   if (+get('at').value === film.length - 1) show(0);
   get('play').textContent = 'stop';
   timer = setInterval(() => { const n = +get('at').value + 1; n < film.length ? show(n) : stop() }, 1500) };
 show(0);
</script></body></html>
"""


def as_html(name: str, film: Sequence[Marked]) -> str:
    """The film as one page that needs nothing else: a slider, a play button, what is new underlined."""
    body = [
        {
            "title": title(frame),
            "caption": literal(frame.caption),
            "prime": literal(frame.prime),
            "spans": [[literal(text), kind] for text, kind in spans],
        }
        for frame, spans in film
    ]
    # Escaping < keeps a sample that holds </script> inside its JSON.
    data = json.dumps(body, ensure_ascii=True).replace("<", "\\u003c")
    return _PAGE.replace("@NAME@", xml(name)).replace("@FILM@", data)


SECONDS = 1.5
COLUMNS = 76
LINES = 18


def as_svg(name: str, film: Sequence[Marked]) -> str:
    """The film as an animated SVG (CSS only): the first 18 lines of each frame for 1.5 seconds, over and over."""
    total = SECONDS * len(film)
    share = 100 / max(1, len(film))
    height = 24 * (LINES + 3)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {COLUMNS * 9 + 40} {height}" '
        'font-family="ui-monospace,Menlo,Consolas,monospace" font-size="15">',
        f"<title>{xml(name)}</title>",
        f"<style>g{{opacity:0;animation:f {total:g}s step-end infinite}}"
        f"@keyframes f{{0%{{opacity:1}}{share:.4f}%{{opacity:0}}}}"
        "text{fill:#d8dee6;white-space:pre}.n{fill:#f0e442}.p{fill:#8a97a5}.t{fill:#56b4e9}.c{fill:#e69f00}</style>",
        '<rect width="100%" height="100%" fill="#0f141a"/>',
    ]
    for i, (frame, spans) in enumerate(film):
        out.append(f'<g style="animation-delay:{i * SECONDS - total:g}s">')
        out.append(f'<text x="20" y="26" class="t">{xml(title(frame))}</text>')
        out.append(f'<text x="20" y="48" class="c">{xml(frame.caption[:COLUMNS])}</text>')
        for row, line in enumerate(wrap([(frame.prime, "prime"), *spans], COLUMNS)[:LINES]):
            parts = "".join(
                f'<tspan class="{kind[0]}">{xml(text)}</tspan>'
                if kind
                else f"<tspan>{xml(text)}</tspan>"
                for text, kind in line
            )
            out.append(f'<text x="20" y="{76 + row * 24}" xml:space="preserve">{parts}</text>')
        out.append("</g>")
    return "\n".join([*out, "</svg>", ""])
