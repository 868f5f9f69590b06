"""reStructuredText as docstrings use it, turned into LaTeX: headings, formulas, lists, examples, references."""

from __future__ import annotations

import re
from collections.abc import Iterator

_UNDERLINE = re.compile(r"([=\-~^*\"'`#])\1{2,}\s*$")
_DIRECTIVE = re.compile(r"\.\. ([\w-]+)\s*::\s*(.*)")
_BULLET = re.compile(r"(?:[*\-+•]|\d{1,2}[.)]|\(\d{1,2}\)) +(?=\S)")
_NUMBERED = "(0123456789"
_FIELD = re.compile(r"([A-Za-z_*][\w*, .]{0,40}?) ?: (?=\S)")
_TARGET = re.compile(r"\.\. (?:_[^:]+:|\[\w+\])\s*(.*)")
_HEADING = re.compile(
    "(?:Args|Arguments|Attributes|Examples?|Explanation|Inputs|Keyword Arguments|Notes?|Outputs|Parameters|Raises"
    "|References|Returns?|Shape|See Also|Warning|Yields):"
)

_INLINE = re.compile(
    r"""
    :math:`(?P<math>[^`]+)`
  | ``(?P<code>[^`\n]+(?:\n[^`\n]+)?)``
  | :[\w:+-]+:`(?P<role>[^`]+)`
  | \[(?P<cite>\d{1,2}|[A-Z]\w{2,15})\]_
  | `(?P<link>[^`<]+)<[^`>]*>`__?
  | `(?P<plain>[^`]+)`_{0,2}
  | (?<![\w$])\$(?P<dollar>[^$\n]{1,200}(?:\n[^$\n]{1,200})?)\$
  | \*\*(?P<bold>[^*\n]+)\*\*
  | (?<![\w*])\*(?P<italic>[^*\s][^*\n]*?)\*(?![\w*])
    """,
    re.VERBOSE,
)
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\^{}",
    "~": r"\~{}",
}
_SPECIAL_CHARACTER = re.compile(r"[\\{}$&#%_^~]")
# A formula between single backticks, where a package writes them so, has a sign in it; a name has none.
_MATHEMATICAL = re.compile(r"[\\^=<>+*/|]|_\{|^[A-Za-z](?:_\w)?$")


def latex(text: str, *, formulas_in_backticks: bool = False) -> str:
    """The LaTeX of a docstring. Any text is taken; whether what comes out balances is for the caller to see."""
    lines = [line.rstrip().expandtabs() for line in text.split("\n")]
    return "\n\n".join(_blocks(lines, formulas_in_backticks)) + "\n"


def _blocks(lines: list[str], math: bool) -> Iterator[str]:
    i = 0
    while i < len(lines):
        line = lines[i]
        following = lines[i + 1] if i + 1 < len(lines) else ""
        body = line.lstrip()
        indent = len(line) - len(body)
        if not body:
            i += 1
        elif _UNDERLINE.fullmatch(following.strip()) and not _UNDERLINE.fullmatch(body):
            yield f"\\subsection*{{{inline(body, math)}}}"
            i += 2
        elif _UNDERLINE.fullmatch(body):
            i += 1
        elif match := _DIRECTIVE.match(body):
            inside, i = _indented(lines, i + 1, indent)
            if block := _directive(match[1], match[2], inside, math):
                yield block
        elif body.startswith(">>>"):
            stop = i
            while stop < len(lines) and lines[stop].strip():
                stop += 1
            yield _verbatim(lines[i:stop])
            i = stop
        elif _HEADING.fullmatch(body):
            yield f"\\subsection*{{{body.rstrip(':')}}}"
            i += 1
        elif _BULLET.match(body):
            block, i = _list(lines, i, indent, math)
            yield block
        elif match := _TARGET.match(body):
            inside, i = _indented(lines, i + 1, indent)
            if words := " ".join([match[1], *inside]).strip():
                yield f"\\noindent\n{inline(words, math)}"
        elif indent and _FIELD.match(body) and len(body) < 200:
            block, i = _description(lines, i, indent, math)
            yield block
        else:
            stop = i + 1
            while stop < len(lines) and _goes_on(lines, stop, indent):
                stop += 1
            paragraph = "\n".join(part.strip() for part in lines[i:stop])
            literal = paragraph.endswith("::")
            yield inline(paragraph.removesuffix("::") + (":" if literal else ""), math)
            i = stop
            if literal:
                inside, i = _indented(lines, i, indent)
                if any(inside):
                    yield _verbatim(inside)


def _goes_on(lines: list[str], i: int, indent: int) -> bool:
    """Whether line i belongs to the paragraph above it."""
    body = lines[i].strip()
    below = lines[i + 1].strip() if i + 1 < len(lines) else ""
    own = len(lines[i]) - len(lines[i].lstrip())
    new = body.startswith((">>>", ".. ")) or _BULLET.match(body) or _UNDERLINE.fullmatch(below)
    return bool(body) and own >= indent and not new


def _indented(lines: list[str], i: int, indent: int) -> tuple[list[str], int]:
    """The lines from i that stand deeper than `indent`, without what they have in common, and where they end."""
    stop = i
    while stop < len(lines) and (
        not lines[stop].strip() or len(lines[stop]) - len(lines[stop].lstrip()) > indent
    ):
        stop += 1
    inside = lines[i:stop]
    depths = [len(line) - len(line.lstrip()) for line in inside if line.strip()]
    common = min(depths, default=0)
    inside = [line[common:] for line in inside]
    while inside and not inside[-1].strip():
        inside.pop()
    while inside and not inside[0].strip():
        inside.pop(0)
    return inside, stop


def _directive(name: str, argument: str, inside: list[str], math: bool) -> str:
    if name == "math":
        formulas = "\n".join([argument, *(x for x in inside if not x.startswith(":"))]).strip()
        return "\n\n".join(_displayed(f) for f in re.split(r"\n\s*\n", formulas) if f.strip())
    if name in ("code-block", "code", "sourcecode", "testcode", "parsed-literal"):
        return _verbatim([line for line in inside if not line.startswith(":")]) if inside else ""
    if name in ("note", "warning", "seealso", "attention", "important", "tip", "admonition"):
        said = "\n\n".join(_blocks([argument, *inside] if argument else inside, math))
        return f"\\begin{{remark}}\n{said}\n\\end{{remark}}" if said else ""
    return ""


def _displayed(formula: str) -> str:
    formula = formula.strip().rstrip("\\").rstrip()
    if formula.startswith(r"\begin{align") or formula.startswith(r"\begin{equation"):
        return formula
    several = "\\\\" in formula or re.search(r"(?<!\\)&", formula)
    if several and r"\begin" not in formula:
        formula = f"\\begin{{aligned}}\n{formula}\n\\end{{aligned}}"
    return f"\\[\n{formula}\n\\]"


def _verbatim(lines: list[str]) -> str:
    body = "\n".join(
        line.removeprefix("    ") if line.startswith("    ") else line for line in lines
    )
    return f"\\begin{{verbatim}}\n{body}\n\\end{{verbatim}}"


def _list(lines: list[str], i: int, indent: int, math: bool) -> tuple[str, int]:
    """The list that begins at line i, and the line behind it."""
    numbered = lines[i].lstrip()[0] in _NUMBERED
    items: list[str] = []
    while i < len(lines):
        body = lines[i].lstrip()
        if not body:
            if i + 1 < len(lines) and _BULLET.match(lines[i + 1].lstrip()):
                i += 1
                continue
            break
        depth = len(lines[i]) - len(body)
        if (match := _BULLET.match(body)) and (body[0] in _NUMBERED) == numbered:
            items.append(body[match.end() :])
        elif items and depth > indent and not body.startswith((">>>", ".. ")):
            items[-1] += "\n" + body
        else:
            break
        i += 1
    kind = "enumerate" if numbered else "itemize"
    inside = "\n".join(f"\\item {inline(item, math)}" for item in items)
    return f"\\begin{{{kind}}}\n{inside}\n\\end{{{kind}}}", i


def _description(lines: list[str], i: int, indent: int, math: bool) -> tuple[str, int]:
    """Parameters as `name : what it is`, each perhaps with deeper lines below."""
    items: list[tuple[str, str]] = []
    while i < len(lines) and lines[i].strip():
        body = lines[i].lstrip()
        depth = len(lines[i]) - len(body)
        match = _FIELD.match(body)
        if depth == indent and match:
            items.append((match[1], body[match.end() :]))
        elif items and depth > indent and not body.startswith((">>>", ".. ")):
            items[-1] = (items[-1][0], items[-1][1] + "\n" + body)
        else:
            break
        i += 1
    if not items:
        return inline(lines[i].strip(), math), i + 1
    inside = "\n".join(f"\\item[{inline(name, math)}] {inline(what, math)}" for name, what in items)
    return f"\\begin{{description}}\n{inside}\n\\end{{description}}", i


def inline(text: str, math: bool) -> str:
    """A paragraph's text: its formulas, code and emphasis in LaTeX's way, all else escaped."""
    parts: list[str] = []
    end = 0
    for match in _INLINE.finditer(text):
        parts.append(escaped(text[end : match.start()]))
        kind, inside = match.lastgroup, match[match.lastgroup or 0].strip()
        if kind in ("math", "dollar") or (
            kind == "plain" and math and _MATHEMATICAL.search(inside)
        ):
            parts.append(f"${inside.strip('$').strip()}$")
        elif kind in ("code", "role", "plain"):
            shown = inside.split("<")[0].strip() if kind == "role" and "<" in inside else inside
            parts.append(f"\\texttt{{{escaped(shown.lstrip('~'))}}}")
        elif kind == "cite":
            parts.append(f"[{inside}]")
        elif kind == "link":
            parts.append(escaped(inside))
        else:
            command = "textbf" if kind == "bold" else "emph"
            parts.append(f"\\{command}{{{escaped(inside)}}}")
        end = match.end()
    parts.append(escaped(text[end:]))
    return "".join(parts)


def escaped(text: str) -> str:
    """The text with LaTeX's special characters escaped."""
    return _SPECIAL_CHARACTER.sub(lambda match: _SPECIAL[match.group()], text)
