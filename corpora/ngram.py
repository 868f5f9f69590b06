"""A back-off n-gram model of characters: the baseline that every curve is read against, trained in seconds.

Modified Kneser-Ney, interpolated (Chen and Goodman 1999, section 3). For a context h and a character x

    P(x | h) = (c(h, x) - D(c(h, x))) / c(h)  +  (D1 N1(h) + D2 N2(h) + D3 N3(h)) / c(h) * P(x | h')

where h' is h without its first character, N1, N2, N3 count the followers seen once, twice and more often, and c is the
count in the longest order, in the shorter ones the number of different characters before (h, x). Only contexts that
the judged text has are counted, in numpy; no tables are kept.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

ORDER = 6
"""Characters of context at most."""

TRAINING_CHARS = 4_000_000
JUDGED_CHARS = 50_000
MOST_CODE = 0x10FFFF

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def nats_per_char(
    training: str, judged: str, *, order: int = ORDER, judged_chars: int = JUDGED_CHARS
) -> float:
    """The mean surprise of the judged text's characters under a model of the training text; nan of nothing.

    The first `judged_chars` characters are judged, each after as many of those before it as there are, by the counts
    of the training text's last `TRAINING_CHARS` characters.
    """
    known, asked_for = _codes(training[-TRAINING_CHARS:]), _codes(judged[:judged_chars])
    if not len(asked_for):
        return float("nan")
    present = np.zeros(MOST_CODE + 1, np.int64)
    present[known] = present[asked_for] = 1
    number = np.cumsum(present) - 1
    train, test, letters = number[known], number[asked_for], int(present.sum())
    probability = np.full(len(test), 1 / letters)
    # Contexts are numbered as they stand in the judged text: by the number of the one that is a character shorter, and
    # that character. `asked` has the number for each judged character that has so long a context, `context` for each
    # place `alive` of the training text whose context is one of these.
    asked, alive, context = np.zeros_like(test), np.arange(len(train)), np.zeros_like(train)
    for length in range(min(order, len(test) - 1) + 1):
        if length:
            wanted, asked = np.unique(asked[1:] * letters + test[:-length], return_inverse=True)
            alive, context = alive[alive >= length], context[alive >= length]
            longer = context * letters + train[alive - length]
            context = np.minimum(np.searchsorted(wanted, longer), len(wanted) - 1)
            seen = wanted[context] == longer
            alive, context = alive[seen], context[seen]
        if not len(alive):
            break
        grams = context * letters + train[alive]
        if length < order:  # each counts once for each character that stands before it
            inner = alive > length
            before = train[alive[inner] - length - 1]
            grams = _counted(np.sort(grams[inner] * letters + before))[0] // letters
        else:
            grams = np.sort(grams)
        counted, count = _counted(grams)
        if len(counted):
            probability[length:] = _interpolated(
                counted,
                counted // letters,
                count,
                asked * letters + test[length:],
                asked,
                probability[length:],
            )
    return float(-np.log(probability).mean())


def _counted(values: Ints) -> tuple[Ints, Ints]:
    """Of sorted values each kind, and how often it is there: np.unique looks for them in a table, ten times as long."""
    first = np.flatnonzero(np.diff(values, prepend=-1))
    return values[first], np.diff(first, append=len(values))


def _interpolated(
    grams: Ints, contexts: Ints, count: Ints, wanted: Ints, asked: Ints, lower: Floats
) -> Floats:
    """P(x | h) for each wanted gram and its asked context, given P(x | h'), from counts of grams in order."""
    discount = _discounts(count)
    taken = discount[np.minimum(count, 3)]
    most = int(asked.max()) + 1
    total = np.bincount(contexts, weights=count, minlength=most)
    left_over = np.bincount(contexts, weights=taken, minlength=most)
    at = np.minimum(np.searchsorted(grams, wanted), len(grams) - 1)
    kept = np.where(grams[at] == wanted, count[at] - taken[at], 0.0)
    c = total[asked]
    return np.where(c > 0, (kept + left_over[asked] * lower) / np.maximum(1, c), lower)


def _discounts(count: Ints) -> Floats:
    """What is taken off a count of 0, 1, 2, and 3 or more (Chen and Goodman's equations 26)."""
    n1, n2, n3, n4 = (float((count == k).sum()) for k in (1, 2, 3, 4))
    if not (n1 and n2 and n3):
        return np.array([0.0, 0.5, 0.75, 0.9])  # too little text to estimate them
    y = n1 / (n1 + 2 * n2)
    found = [1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
    return np.array([0.0, *(min(max(d, 0.1), k - 0.05) for k, d in enumerate(found, 1))])


def _codes(text: str) -> npt.NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
