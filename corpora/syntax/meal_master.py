"""A Meal-Master recipe taken apart: its fields, its columns of ingredients, its directions."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from corpora import words

HEAD = re.compile(r"^(?:MMMMM|-----).*Meal-Master.*$", re.MULTILINE | re.IGNORECASE)
END = re.compile(r"^(?:MMMMM|-----)[ \t]*$", re.MULTILINE)
FIELD = re.compile(r"^ {0,12}(Title|Categories|Yield|Servings): ?(.*)$", re.MULTILINE)
SECTION = re.compile(r"^(?:MMMMM|-----)-{0,80}([^-\n]{1,70})-{1,80}$", re.MULTILINE)

COLUMN = 41
"""Where the second column of ingredients begins on a line (0-based)."""

# Amount in columns 0-6, unit in 8-9, the ingredient from 11.
_CELL = re.compile(r"([ \d/.,-]{7}) ([ a-zA-Z]{2}) (\S.*)")
_CONTINUED = re.compile(r" {9,12}-")
_AMOUNT = re.compile(r"(?:(\d+) )?(\d+)/(\d+)|(\d*\.?\d+)")

UNITS = frozenset(
    "x sm md lg ea cn pk pn dr ds ct bn sl t ts tb tbs tsp fl c pt qt ga oz lb ml cb cl dl l mg cg dg g kg".split()
)
"""Meal-Master's units (its manual's table), without regard to case but for T and t."""

MOST = 500
"""The amount above which nobody cooks, save in grams and millilitres."""

_STOP = frozenset(
    "and or the of a an to with for in cut into fresh chopped sliced diced minced large small medium whole ground "
    "dried cooked uncooked optional taste needed peeled grated shredded finely coarsely cubed crushed melted softened "
    "beaten drained halved quartered thinly thick cups cup can canned frozen hot cold warm low fat free "
    "extra lean".split()
)


@dataclass(frozen=True, slots=True)
class Ingredient:
    amount: Fraction | None
    """None where the line gives none ("Salt")."""

    unit: str
    text: str
    parsed: bool
    """Whether the amount and the unit could be read."""


@dataclass(slots=True)
class Recipe:
    start: int
    stop: int
    headed: bool
    fields: dict[str, str] = field(default_factory=dict)
    ingredients: list[Ingredient] = field(default_factory=list)
    directions: str = ""


def recipes(text: str) -> Iterator[Recipe]:
    """The recipes of a text; what stands before the first head counts as one without a head."""
    heads = [m.start() for m in HEAD.finditer(text)]
    bounds = [*([] if heads and heads[0] == 0 else [0]), *heads, len(text)]
    for start, stop in itertools.pairwise(bounds):
        if text[start:stop].strip():
            yield read(text[start:stop], start)


def read(text: str, start: int = 0) -> Recipe:
    """One recipe, whatever the text is."""
    recipe = Recipe(start, start + len(text), headed=HEAD.match(text) is not None)
    lines = text.split("\n")[1 if recipe.headed else 0 :]
    directions: list[str] = []
    for line in lines:
        if END.match(line):
            break
        if match := FIELD.match(line):
            if not recipe.ingredients and not directions:
                recipe.fields.setdefault(match[1].replace("Servings", "Yield"), match[2].strip())
        elif SECTION.match(line) or (not directions and _CONTINUED.match(line)):
            continue
        elif not directions and (cells := list(_cells(line))):
            recipe.ingredients += cells
        elif line.strip() and (recipe.ingredients or recipe.fields):
            directions.append(line)
    recipe.directions = "\n".join(directions)
    return recipe


def content_words(ingredient: str) -> list[str]:
    """The words that name an ingredient, singular; "Onions, chopped" gives onion."""
    name = re.split(r"[,;(]| - | -- ", ingredient, maxsplit=1)[0]
    found = [singular(word) for word in words.WORD.findall(name.lower())]
    return [word for word in found if len(word) > 2 and word not in _STOP]


def singular(word: str) -> str:
    """A plural without its ending, roughly: tomatoes, berries, onions."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("oes", "ches", "shes", "sses")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def amount(text: str) -> Fraction | None:
    """The number that an amount says: `1 1/2`, `3/4`, `.5`, `2-3` (its upper end); None where it says none."""
    text = text.strip().replace(",", ".")
    for part in reversed(re.split(r"(?<=\d)-", text)):
        match = _AMOUNT.fullmatch(part.strip())
        if match is None:
            return None
        if match[4]:
            return Fraction(match[4])
        if int(match[3]) == 0:
            return None
        return int(match[1] or 0) + Fraction(int(match[2]), int(match[3]))
    return None


def _cells(line: str) -> Iterator[Ingredient]:
    for cell in (line[:COLUMN].rstrip(), line[COLUMN:].rstrip()) if _two_columns(line) else (line,):
        match = _CELL.fullmatch(cell)
        if match is None:
            continue
        number, unit, text = match[1].strip(), match[2].strip(), match[3]
        value = amount(number)
        parsed = (value is not None or not number) and (not unit or unit.lower() in UNITS)
        yield Ingredient(value, unit, text, parsed)


def _two_columns(line: str) -> bool:
    return len(line) > COLUMN and _CELL.fullmatch(line[COLUMN:].rstrip()) is not None
