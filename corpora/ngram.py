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

Hashes = npt.NDArray[np.uint64]
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
    alphabet, codes = np.unique(np.concatenate((known, asked_for)), return_inverse=True)
    train, test = codes[: len(known)], codes[len(known) :]
    # Tabulation hashing: a random number for each character at each distance; contexts are told apart by 64 bits.
    table = np.random.default_rng(0).integers(
        0, 2**64, size=(order + 2, len(alphabet)), dtype=np.uint64
    )
    probability = np.full(len(test), 1 / len(alphabet))
    # The positions of the training text whose context of the present length stands in the judged text, and its hash.
    alive = np.arange(len(train))
    context = np.zeros(len(train), np.uint64)
    asked = np.zeros(len(test), np.uint64)
    for length in range(order + 1):
        if length:
            alive, context = alive[alive >= length], context[alive >= length]
            context = context ^ table[length][train[alive - length]]
            asked[length:] ^= table[length][test[:-length]]
        here = asked[length:]
        wanted, where = np.unique(here, return_inverse=True)
        if not len(alive) or not len(wanted):
            break
        slot = np.minimum(np.searchsorted(wanted, context), len(wanted) - 1)
        seen = wanted[slot] == context
        alive, context, slot = alive[seen], context[seen], slot[seen]
        grams = context ^ table[0][train[alive]]
        if length == order:
            counted, owner = grams, slot
        else:
            # One each of the grams that are one character longer to the left.
            inner = alive > length
            longer = grams[inner] ^ table[length + 1][train[alive[inner] - length - 1]]
            first = np.unique(longer, return_index=True)[1]
            counted, owner = grams[inner][first], slot[inner][first]
        probability[length:] = _interpolated(
            counted, owner, where, here ^ table[0][test[length:]], probability[length:]
        )
    return float(-np.log(probability).mean())


def _interpolated(
    counted: Hashes, owner: Ints, where: Ints, asked: Hashes, lower: Floats
) -> Floats:
    """P(x | h) for each asked gram, given P(x | h').

    `counted` holds a gram as often as it counts, `owner` its context's number; `where` numbers the asked contexts.
    """
    grams, first, count = np.unique(counted, return_index=True, return_counts=True)
    if not len(grams):
        return lower
    contexts = int(where.max()) + 1
    of = owner[first]
    discount = _discounts(count)
    taken = discount[np.minimum(count, 3)]
    total = np.bincount(of, weights=count, minlength=contexts)
    left_over = np.bincount(of, weights=taken, minlength=contexts)
    at = np.minimum(np.searchsorted(grams, asked), len(grams) - 1)
    kept = np.where(grams[at] == asked, count[at] - taken[at], 0.0)
    c = total[where]
    return np.where(c > 0, (kept + left_over[where] * lower) / np.maximum(1, c), lower)


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
