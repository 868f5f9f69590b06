"""Recipes in Meal-Master's layout: head, title, categories and yield, amounts in columns, then the directions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from corpora.genres.base import Genre, Span, openings, starts_at_lines
from corpora.genres.prose import without_overlap

HEAD = re.compile(r"^(?:MMMMM|-----).*Meal-Master.*$", re.MULTILINE | re.IGNORECASE)
END = re.compile(r"^(?:MMMMM|-----)[ \t]*$", re.MULTILINE)
FIELD = re.compile(r"^ {0,12}(Title|Categories|Yield|Servings): ?(.*)$", re.MULTILINE)

# Meal-Master's columns: amount 1-7, unit 9-10, ingredient from 12; up to two of them on a line.
AMOUNT = r"(?:\d+ ?(?:\d+/\d+)?|\d+/\d+|\d*\.\d+|\d+-\d+)"
INGREDIENT = re.compile(rf"^ {{0,7}}({AMOUNT}) +([a-zA-Z]{{1,2}} |  )? ?(\S.*)$", re.MULTILINE)
_SECTION = re.compile(r"^(?:MMMMM|-----)-*([^-\n]*\S)-+$", re.MULTILINE)


class Recipes(Genre):
    name = "recipes"
    title = "recipes"
    sign = "Meal-Master heads with title, categories and yield"
    documents = True

    def score(self, text: str) -> float:
        heads = len(HEAD.findall(text))
        fields = [m[0] for m in FIELD.findall(text)]
        titles = fields.count("Title")
        complete = min(titles, fields.count("Categories"), max(heads, fields.count("Yield")))
        # A sample cut from the middle of a file has a recipe or two that lack their head.
        return complete / max(heads, titles, 1) if len(text) < 8000 * complete else 0.0

    def document_starts(self, pieces: Iterable[str]) -> Iterator[int]:
        return starts_at_lines(pieces, HEAD)

    def primes(self, text: str) -> list[str]:
        starts = [m.start() for m in HEAD.finditer(text)]
        return openings(
            text, starts, _to_title, "MMMMM----- Recipe via Meal-Master\n\n      Title: "
        )

    def colour(self, text: str) -> list[Span]:
        spans = [Span(m.start(), m.end(), "markup") for m in HEAD.finditer(text)]
        spans += [Span(m.start(), m.end(), "markup") for m in END.finditer(text)]
        spans += [Span(m.start(), m.end(), "keyword") for m in _SECTION.finditer(text)]
        for field in FIELD.finditer(text):
            spans.append(Span(field.start(), field.start(2), "keyword"))
            if field[1] == "Title":
                spans.append(Span(field.start(2), field.end(), "title"))
        for line in INGREDIENT.finditer(text):
            spans.append(Span(line.start(1), line.end(1), "number"))
            if line[2]:
                spans.append(Span(line.start(2), line.end(2), "name"))
        return without_overlap(spans)


def _to_title(following: str) -> int:
    """The head up to and with "Title: ", so that the model names the dish."""
    found = following.find("Title:", 0, 300)
    return following.find("\n") + 1 if found < 0 else found + len("Title: ")


GENRE = Recipes()
