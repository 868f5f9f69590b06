"""Folk tunes in ABC notation: header fields from X: to K:, then the tune's bars."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING

from checkpoints.errors import ConfigError
from corpora.genres.base import (
    VALID,
    Figure,
    Genre,
    Problem,
    Rewriter,
    Span,
    Validator,
    Verdict,
    judged,
    openings,
    share,
    starts_at_lines,
)
from corpora.genres.prose import without_overlap

if TYPE_CHECKING:
    from corpora.abc.judging import Report
    from corpora.abc.nearest import TuneIndex

HEAD = re.compile(r"^X: ?\d*[^\n]*$", re.MULTILINE)
FIELD = re.compile(r"^([A-Za-z+]):([^\n]*)$", re.MULTILINE)
_COMMENT = re.compile(r"%[^\n]*")
_CHORD = re.compile(r"\"[^\"\n]*\"|![^!\n]{1,20}!|\[[A-Za-z]:[^\]\n]{0,100}\]")
_BAR = re.compile(r"[:\[\]]{0,3}\|[|:\]]{0,4}(?:\[?\d)?|::")
_LENGTH = re.compile(r"(?<=[A-Ga-gzx,'\]])\d*/*\d+|(?<=[A-Ga-gzx,'\]])/+|\(\d(?::\d*){0,2}")
_NOTE = re.compile(r"(?:[_^]{1,2}|=)?[A-Ga-gzxZ][,']*")

_HEADER = ("no number (X:) at its head", "no title (T:)", "no key (K:)")

LEAST_FULL = 0.75
"""Share of bars with the metre's length below which a tune is faulty; of 1,600 printed ones 3 have less."""

LONGEST = 20_000
"""Characters of one tune that are read; the longest of 4,231 printed ones has 2,298."""


class AbcTunes(Genre):
    name = "abc_tunes"
    title = "folk tunes in ABC"
    sign = "header fields from X: to K:"
    documents = True
    music = True
    figures = {  # noqa: RUF012
        "valid": VALID,
        "headers_whole": Figure(
            "tunes with a number, a title and a key", once="its tunes have whole headers"
        ),
        "parsed_whole": Figure(
            "tunes of which nothing had to be repaired", once="its tunes parse whole"
        ),
        "bars_full": Figure("bars that fill the metre", once="its bars add up"),
        "repeats_balanced": Figure(
            "tunes whose repeats and endings balance", better="human", once="its repeats close"
        ),
        "parts_usual": Figure(
            "parts of 8 or 16 bars", better="human", once="its parts have 8 bars"
        ),
        "parts_return": Figure("tunes with a part that comes back", better="human"),
        "ends_on_tonic": Figure(
            "tunes that end on the tonic", better="human", once="its tunes come home"
        ),
        "in_key": Figure("notes of the key", better="human", once="it stays in its keys"),
        "playable": Figure("tunes that a fiddle, flute, whistle or pipes can play", better="human"),
        "nearest": Figure("contour in common with the nearest tune learnt from", better="human"),
        "pitch_bits": Figure("bits a pitch", unit="bits", better="human"),
        "interval_bits": Figure("bits a step", unit="bits", better="human"),
    }

    def score(self, text: str) -> float:
        letters = [m[0] for m in FIELD.findall(text)]
        tunes = max(letters.count("X"), letters.count("K"))
        whole = min(letters.count("X"), letters.count("K"))
        # A tune has some 150 to 1,500 characters; one tune quoted in a long text makes no tune book.
        return whole / tunes if whole and len(text) < 5000 * whole else 0.0

    def document_starts(self, pieces: Iterable[str]) -> Iterator[int]:
        return starts_at_lines(pieces, HEAD)

    def primes(self, text: str) -> list[str]:
        starts = [m.start() for m in HEAD.finditer(text)]
        return openings(text, starts, _to_title, "X:1\nT:")

    def header(self, fields: Mapping[str, str], *, titles: bool = True) -> str:
        """X T R M L K, the order in which the catalogue's tunes have them, up to the last that is asked for.

        A title must stand before the others, so the rhythm's name is one. The model writes what is left: the unit and
        the key where only a metre is given, the notes where a key is.
        """
        rhythm, meter, key = (fields.get(name, "").strip() for name in ("rhythm", "meter", "key"))
        lines = ["X:1", f"T:{rhythm.title() or 'Tune'}"] if titles else ["X:1"]
        if rhythm:
            lines.append(f"R:{_rhythm(rhythm)}")
        if meter:
            lines.append(f"M:{_meter(meter)}")
        if key:
            lines += [f"L:{_unit(meter, key)}", f"K:{_key(key)}"]
        return "\n".join(lines) + "\n"

    def rewriter(self, *, transpose: str, titles: bool, chords: bool) -> Rewriter:
        from corpora.abc.augmenting import Rewriting

        return Rewriting(transpose=transpose, titles=titles, chords=chords)

    def validator(self, training: Iterable[str]) -> Validator:
        from corpora.abc.judging import USUAL

        pieces = list(training)
        # Who learned tunes without titles is not to blame for writing none.
        untitled = any("X:" in p for p in pieces) and not any("\nT:" in p for p in pieces)
        asked = {"T", "K"} - {"T" if untitled else ""}

        @cache
        def learnt() -> TuneIndex:
            from corpora.abc.nearest import TuneIndex

            return TuneIndex(tune for _, tune in _tunes("".join(pieces)))

        def judge(text: str) -> Verdict:
            judged_tunes = []
            read = []
            near: list[float] = []
            for start, tune in _tunes(text):
                unfinished = start + len(tune) == len(text) and not text.endswith("\n\n")
                problems, report = _read(tune, asked, unfinished=unfinished)
                placed = [Problem(start + at, what) for at, what in problems]
                judged_tunes.append((start, start + len(tune), placed))
                read.append((not any(what in _HEADER for _, what in problems), unfinished, report))
                if report.notes and (found := learnt().nearest(tune)):
                    near.append(1 - found.distance)
            reports = [report for _, _, report in read if report.notes]
            ended = [report for _, unfinished, report in read if report.notes and not unfinished]
            parts = [bars in USUAL for report in ended for bars in report.parts]
            return judged(
                judged_tunes,
                {
                    "headers_whole": share(headed for headed, _, _ in read),
                    "parsed_whole": share(report.whole for report in reports),
                    "bars_full": _mean(report.bars_full for report in reports),
                    "repeats_balanced": share(report.balanced for report in ended),
                    "parts_usual": share(parts),
                    "parts_return": share(len(r.form) > len(set(r.form)) for r in ended),
                    "ends_on_tonic": share(report.ends_on_tonic for report in ended),
                    "in_key": _mean(report.in_key for report in reports),
                    "playable": share(bool(report.playable) for report in reports),
                    "nearest": _mean(near),
                    "pitch_bits": _mean(report.pitch_entropy for report in reports),
                    "interval_bits": _mean(report.interval_entropy for report in reports),
                },
            )

        return judge

    def colour(self, text: str) -> list[Span]:
        spans = [Span(m.start(), m.end(), "comment") for m in _COMMENT.finditer(text)]
        for field in FIELD.finditer(text):
            spans.append(Span(field.start(), field.start(2), "keyword"))
            spans.append(
                Span(field.start(2), field.end(), "title" if field[1] == "T" else "string")
            )
        spans += [Span(m.start(), m.end(), "name") for m in _CHORD.finditer(text)]
        spans += [Span(m.start(), m.end(), "bar") for m in _BAR.finditer(text)]
        spans += [Span(m.start(), m.end(), "number") for m in _LENGTH.finditer(text)]
        spans += [Span(m.start(), m.end(), "note") for m in _NOTE.finditer(text)]
        return without_overlap(spans)


def _to_title(following: str) -> int:
    """The number line and "T:", so that the model names its tune."""
    match = re.match(r"X:[^\n]*\n(?:T: ?)?", following)
    return match.end() if match else 0


def _rhythm(text: str) -> str:
    """A rhythm's name: a few words on one line, in which nothing is notation."""
    if not re.fullmatch(r"[^\W\d_][\w' -]{0,39}", text):
        raise ConfigError(
            f"the rhythm {text!r} is none", hint="use a word such as jig, reel, hornpipe or waltz"
        )
    return text


def _meter(text: str) -> str:
    """The metre as it is written in ABC. Raises ConfigError if it is none."""
    from corpora.abc.fields import meter_of

    word = re.sub(r"[ ()]", "", text)
    meter = meter_of(word)
    if meter is None or str(meter) != word:  # the parser passes over what stands beside a metre
        raise ConfigError(f"the metre {text!r} is none", hint="use one such as 6/8, 4/4, C or C|")
    return word


def _unit(meter: str, key: str) -> str:
    """The unit note length (`L:`) that stands between a metre and a key: the metre's usual one."""
    from corpora.abc.fields import default_unit, meter_of
    from corpora.abc.tune import WHOLE

    found = meter_of(_meter(meter)) if meter else None
    if found is None:
        raise ConfigError(
            f"the key {key!r} comes without a metre, which stands before it in a tune's header",
            hint="give a metre too, for example 6/8",
        )
    return f"1/{WHOLE // default_unit(found)}"


def _key(text: str) -> str:
    """The key with its tonic as a capital, else as given: tunes write `Ador` and `A Dorian`."""
    from corpora.abc.fields import MODES

    modes = "|".join(MODES)
    if not re.fullmatch(rf"[A-Ga-g][#b]?(?: ?(?:m|(?i:{modes})[A-Za-z]*))?", text):
        raise ConfigError(f"the key {text!r} is none", hint="use one such as D, Em, Ador or Gmix")
    return text[0].upper() + text[1:]


def _tunes(text: str) -> Iterator[tuple[int, str]]:
    """(offset, tune) of each tune; what stands before the first X: counts as one."""
    heads = [m.start() for m in HEAD.finditer(text)]
    bounds = [*([] if heads and heads[0] == 0 else [0]), *heads, len(text)]
    for start, stop in itertools.pairwise(bounds):
        if text[start:stop].strip():
            yield start, text[start:stop]


def _read(tune: str, asked: set[str], *, unfinished: bool) -> tuple[list[tuple[int, str]], Report]:
    """What is wrong with a tune, (offset, sentence) each, and what was measured in it; `asked` are fields it must have.

    One that the text's end cuts off is judged up to its last bar line, and may leave a repeat open.
    """
    from corpora.abc.book import read_tune
    from corpora.abc.judging import judge

    body = re.search(r"^K:[^\n]*\n", tune, re.MULTILINE)
    cut = tune[: tune.rfind("|") + 1] if unfinished and body and "|" in tune[body.end() :] else tune
    tune_read = read_tune(cut[:LONGEST])
    report = judge(tune_read)
    problems = []
    if not HEAD.match(tune):
        problems.append((0, _HEADER[0]))
    letters = {match[1] for match in FIELD.finditer(tune)}
    if not unfinished or body or "|" in tune:
        problems += [
            (0, what)
            for letter, what in zip("TK", _HEADER[1:], strict=True)
            if letter in asked - letters
        ]
        if not report.notes and not (unfinished and body):
            problems.append((0, "no notes"))
    line_starts = [0, *(m.end() for m in re.finditer(r"\n", cut))]
    for finding in tune_read.findings:
        if finding.action != "kept" and letters >= asked:
            line = line_starts[min(finding.line, len(line_starts)) - 1]
            problems.append((min(line + finding.column - 1, len(tune)), finding.text))
    if report.notes and report.bars_full < LEAST_FULL:
        problems.append((0, f"only {report.bars_full:.0%} of its bars fill {tune_read.meter}"))
    if report.notes and not report.balanced and not unfinished:
        problems.append((0, "a repeat or an ending opens or closes alone"))
    return problems, report


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None


GENRE = AbcTunes()
