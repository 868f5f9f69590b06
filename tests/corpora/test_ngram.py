"""The n-gram baseline, against the same model written with dictionaries."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict

import pytest

from corpora.ngram import nats_per_char

TEXT = "the cat sat on the mat and the rat sat on the cat; the hat of the cat sat on the mat. " * 4


def naive(training: str, judged: str, order: int) -> float:
    """Modified Kneser-Ney with dictionaries, one character at a time."""
    alphabet = set(training) | set(judged)
    tables: list[dict[str, Counter[str]]] = []
    for length in range(order + 1):
        table: dict[str, Counter[str]] = defaultdict(Counter)
        if length == order:
            for i in range(length, len(training)):
                table[training[i - length : i]][training[i]] += 1
        else:
            for longer in {
                training[i - length - 1 : i + 1] for i in range(length + 1, len(training))
            }:
                table[longer[1:-1]][longer[-1]] += 1
        tables.append(table)

    def discounts(length: int) -> list[float]:
        # As in the model, of the contexts that the judged text has.
        asked = {judged[i - length : i] for i in range(length, len(judged))}
        counts = [
            c for h, followers in tables[length].items() if h in asked for c in followers.values()
        ]
        n1, n2, n3, n4 = (sum(c == k for c in counts) for k in (1, 2, 3, 4))
        if not (n1 and n2 and n3):
            return [0, 0.5, 0.75, 0.9]
        y = n1 / (n1 + 2 * n2)
        raw = [1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
        return [0, *(min(max(d, 0.1), k - 0.05) for k, d in enumerate(raw, 1))]

    off = [discounts(length) for length in range(order + 1)]
    total = 0.0
    for i, x in enumerate(judged):
        p = 1 / len(alphabet)
        for length in range(min(order, i) + 1):
            followers = tables[length].get(judged[i - length : i])
            if not followers:
                continue
            taken = {y: off[length][min(c, 3)] for y, c in followers.items()}
            mass = followers.total()
            kept = followers[x] - taken[x] if x in followers else 0
            p = (kept + sum(taken.values()) * p) / mass
        total -= math.log(p)
    return total / len(judged)


@pytest.mark.parametrize("order", [0, 1, 2, 4, 6])
def test_the_baseline_is_the_models_of_the_paper(order: int) -> None:
    rng = random.Random(order)
    # It begins with what stands nowhere else: the first characters have no character before them.
    training = "zyx" + "".join(rng.choice(TEXT[:60].split()) + " " for _ in range(300))
    judged = "zyx zyx" + "".join(rng.choice([*TEXT[:60].split(), "dog"]) + " " for _ in range(60))
    assert nats_per_char(training, judged, order=order) == pytest.approx(
        naive(training, judged, order)
    )


@pytest.mark.parametrize("order", [0, 1, 4])
def test_probabilities_sum_to_one(order: int) -> None:
    """exp(-surprise) of each continuation of one context, over the whole alphabet."""
    prefix = TEXT[:40]
    assert prefix[40 - order :] in prefix[:-1]  # so that no continuation asks for another context
    before = nats_per_char(TEXT, prefix, order=order) * 40
    after = [nats_per_char(TEXT, prefix + x, order=order) * 41 for x in sorted(set(TEXT))]
    assert sum(math.exp(before - nats) for nats in after) == pytest.approx(1)


def test_longer_contexts_help_on_language() -> None:
    assert nats_per_char(TEXT, TEXT[50:150], order=4) < nats_per_char(TEXT, TEXT[50:150], order=1)


def test_the_smallest_texts() -> None:
    assert math.isnan(nats_per_char("abc", ""))
    assert nats_per_char("", "aab") == pytest.approx(math.log(2))
    assert nats_per_char("a", "b") > 0
    assert nats_per_char("aaaa\ud800", "a\ud800") > 0
