"""Recipes in Meal-Master's layout: head, title, categories and yield, amounts in columns, then the directions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from corpora import words
from corpora.genres.base import (
    VALID,
    Figure,
    Genre,
    Problem,
    Span,
    Validator,
    Verdict,
    judged,
    openings,
    share,
    starts_at_lines,
)
from corpora.genres.prose import language_problems, without_overlap
from corpora.syntax.meal_master import (
    END,
    FIELD,
    HEAD,
    MOST,
    SECTION,
    Recipe,
    content_words,
    recipes,
    singular,
)

# An amount in its column, and the unit behind it.
_COLUMNS = re.compile(r"^ {0,6}(\d[\d /.-]{0,6}) ([a-zA-Z]{1,2} )?", re.MULTILINE)


class Recipes(Genre):
    name = "recipes"
    title = "recipes"
    sign = "Meal-Master heads with title, categories and yield"
    documents = True
    figures = {  # noqa: RUF012
        "valid": VALID,
        "complete": Figure(
            "recipes with title, categories, yield, ingredients and directions",
            once="its recipes are complete",
        ),
        "amounts_parsed": Figure(
            "amounts and units that can be read", once="its amounts make sense"
        ),
        "ingredients_used": Figure("listed ingredients that the directions use", better="human"),
        "steps_listed": Figure("ingredients in the directions that are listed", better="human"),
        "absurd_amounts": Figure("amounts that nobody cooks", unit="count", better="less"),
    }

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

    def validator(self, training: Iterable[str]) -> Validator:
        ingredients: Counter[str] = Counter()
        stepped: Counter[str] = Counter()
        both: Counter[str] = Counter()

        def noting(pieces: Iterable[str]) -> Iterator[str]:
            for piece in pieces:
                for recipe in recipes(piece):
                    named = {w for i in recipe.ingredients for w in content_words(i.text)}
                    steps = step_words(recipe)
                    ingredients.update(named)
                    stepped.update(steps)
                    both.update(named & steps)
                yield piece

        known = words.vocabulary(noting(training))
        # A food is a word that, where directions have it, mostly stands in the list above them: "milk", not "piece".
        foods = frozenset(
            word for word, n in ingredients.items() if n >= 3 and both[word] >= 0.5 * stepped[word]
        )

        def judge(text: str) -> Verdict:
            pieces = []
            complete = absurd = 0
            parsed: list[bool] = []
            used: list[bool] = []
            listed: list[bool] = []
            for recipe in recipes(text):
                found = list(_problems(recipe, unfinished=recipe.stop == len(text)))
                complete += not found
                absurd += sum((i.amount or 0) > _most(i.unit) for i in recipe.ingredients)
                parsed += [
                    line.parsed for line in recipe.ingredients if line.amount or not line.parsed
                ]
                named = [content_words(line.text) for line in recipe.ingredients]
                steps = step_words(recipe)
                if steps:
                    used += [any(word in steps for word in name) for name in named if name]
                    on_list = {word for name in named for word in name}
                    listed += [word in on_list for word in sorted(steps & foods)]
                found += language_problems(recipe.start, text[recipe.start : recipe.stop], known)
                pieces.append((recipe.start, recipe.stop, found))
            return judged(
                pieces,
                {
                    "complete": complete / max(1, len(pieces)),
                    "amounts_parsed": share(parsed),
                    "ingredients_used": share(used),
                    "steps_listed": share(listed),
                    "absurd_amounts": float(absurd),
                },
            )

        return judge

    def colour(self, text: str) -> list[Span]:
        spans = [Span(m.start(), m.end(), "markup") for m in HEAD.finditer(text)]
        spans += [Span(m.start(), m.end(), "markup") for m in END.finditer(text)]
        spans += [Span(m.start(), m.end(), "keyword") for m in SECTION.finditer(text)]
        for field in FIELD.finditer(text):
            spans.append(Span(field.start(), field.start(2), "keyword"))
            if field[1] == "Title":
                spans.append(Span(field.start(2), field.end(), "title"))
        for line in _COLUMNS.finditer(text):
            spans.append(Span(line.start(1), line.end(1), "number"))
            if line[2]:
                spans.append(Span(line.start(2), line.end(2), "name"))
        return without_overlap(spans)


def _to_title(following: str) -> int:
    """The head up to and with "Title: ", so that the model names the dish."""
    found = following.find("Title:", 0, 300)
    return following.find("\n") + 1 if found < 0 else found + len("Title: ")


def step_words(recipe: Recipe) -> set[str]:
    """The words of a recipe's directions, singular."""
    return {singular(word) for word in words.WORD.findall(recipe.directions.lower())}


def _problems(recipe: Recipe, *, unfinished: bool) -> Iterator[Problem]:
    """What is wrong with a recipe's form. One that ends with the text may lack what was still to come."""
    if not recipe.headed:
        yield Problem(recipe.start, "no Meal-Master line at its head")
    if not recipe.fields.get("Title") and not unfinished:
        yield Problem(recipe.start, "no title")
    for name in ("Categories", "Yield"):
        if name not in recipe.fields and (recipe.ingredients or not unfinished):
            yield Problem(recipe.start, f"no line {name}:")
    if not recipe.ingredients and (recipe.directions or not unfinished):
        yield Problem(recipe.start, "no ingredients")
    if not recipe.directions and not unfinished:
        yield Problem(recipe.start, "no directions")
    for line in recipe.ingredients:
        if not line.parsed:
            yield Problem(recipe.start, f"the amount of {line.text[:40]!r} cannot be read")
        elif line.amount and line.amount > _most(line.unit):
            yield Problem(recipe.start, f"{line.amount} {line.unit} of {line.text[:40]}")


def _most(unit: str) -> int:
    return MOST * 10 if unit.lower() in ("g", "ml", "mg") else MOST


GENRE = Recipes()
