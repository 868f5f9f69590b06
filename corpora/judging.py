"""How good the writing is: a genre's figures and the general ones, each beside the same figure for human text.

judge = Judge(genre, training_pieces, heldout, sample_chars=400)
judge.figures(text)                 one text's figures, by the names of corpora.figures.table(genre)
judge.human                         the same figures for held-out text in pieces as long as a sample
judge.milestones(step, figures)     what the model can do since this step
judge.rank(texts, nats)             for `sample --best-of`: which is best, and why
judge.baseline                      nats per character of an n-gram model, to read the loss against
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

import numpy as np

from corpora import ngram, words
from corpora.copies import CopyIndex, thinned
from corpora.figures import table
from corpora.genres.base import Figure, Genre, Validator, Verdict

HUMAN_PIECES = 24
"""Pieces of held-out text that the human figures are the mean of."""

NOISE_PIECES = 6

LEARNT_CHARS = 50_000_000
"""Characters of training text that a judge has read at most."""

BASELINE_CHARS = 3_000_000
"""Characters of training text that the n-gram model counts."""

ASKED_CHARS = 3000
"""Characters of samples after which a compiler is asked for its word on them."""

MUCH_COPIED = 0.25
"""So much above the human share, copies say nothing good of who made them."""

LONGEST_LOOP = 100
"""Characters of a repeated unit at most."""

_TOKEN = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Ranked:
    """One of several texts: its place in the list that was given, its score (more is better), and why."""

    index: int
    score: float
    figures: dict[str, float]
    why: str


class Judge:
    """Who has read the training text and judges what was written after it.

    `training` is a run's training text in pieces, `heldout` text that it never learns from; `reached` and `before`
    (step and figures of the last look) are what a resumed run's log has.

    What costs time (0.3 s a megabyte: the vocabulary, the genre's names, the suffix array) is built at the first
    figure. Of a training text above 50 MB evenly spaced pieces are kept.
    """

    def __init__(
        self,
        genre: Genre,
        training: Iterable[str],
        heldout: str,
        *,
        sample_chars: int = 400,
        reached: Iterable[str] = (),
        before: tuple[int, Mapping[str, float]] | None = None,
    ) -> None:
        self.genre = genre
        self.table: Mapping[str, Figure] = table(genre)
        self.reached = set(reached)
        """Names of the milestones that were told already; a resumed run hands back those of its log."""
        self._before = before
        self._unasked: list[str] = []
        self._training = thinned(training, LEARNT_CHARS)
        self._heldout = heldout
        self._sample_chars = max(100, sample_chars)

    def figures(self, text: str, *, prime: str = "") -> dict[str, float]:
        """The figures of one text. Any text; about 20 ms for 1,000 characters.

        The genre judges it with its prime before it, without which a tune has no number and a speech no speaker; words,
        loops and copies are those of the text alone.
        """
        copies = self._index.find(text)
        return {
            **self._judging[0](prime + text).figures,
            **_word_figures(text, self._vocabulary),
            "looped": looped(text),
            "copied": copies.share,
            "longest_copy": float(len(copies.longest)),
        }

    @cached_property
    def human(self) -> dict[str, float]:
        """The mean figures of held-out text, cut into pieces as long as a sample; empty where nothing is held out."""
        pieces = self._human_pieces()
        found = mean([self.figures(piece) for piece in pieces])
        taken = self._accepted(pieces)
        return found if taken is None else {**found, "accepted": taken}

    def accepted(self, texts: Sequence[str]) -> dict[str, float]:
        """The figure `accepted` of the texts (with their primes) of this look and of those since it was last there.

        Empty until these have `ASKED_CHARS` characters, so that the tool's start (0.1 s) costs less than 50 ms for
        1,000 characters, and where there is no tool.
        """
        self._unasked += texts
        if sum(map(len, self._unasked)) < ASKED_CHARS:
            return {}
        texts, self._unasked = self._unasked, []
        taken = self._accepted(texts)
        return {} if taken is None else {"accepted": taken}

    def _accepted(self, texts: Sequence[str]) -> float | None:
        """The mean share of pieces that the genre's compiler takes."""
        shares = [share for share in self.genre.accepted(texts) or () if share is not None]
        return fmean(shares) if shares else None

    @property
    def lacks(self) -> str:
        """The package without which the genre cannot judge, and which this Python lacks; empty where it can."""
        return self._judging[1]

    @property
    def human_count(self) -> int:
        """How many pieces of held-out text the human figures are the mean of."""
        return len(self._human_pieces())

    @cached_property
    def baseline(self) -> float | None:
        """Nats per character of an n-gram model trained on the same text; None where nothing is held out."""
        if not self._heldout:
            return None
        # Two seconds and 60 bytes a character: of a large text, evenly spaced pieces must do.
        training = "".join(thinned(self._training, BASELINE_CHARS))[:BASELINE_CHARS]
        return ngram.nats_per_char(training, self._heldout)

    @cached_property
    def noise(self) -> dict[str, float]:
        """The figures of held-out text whose characters are shuffled: where a model begins."""
        rng = random.Random(0)
        pieces = self._human_pieces()[:NOISE_PIECES]
        return mean([self.figures("".join(rng.sample(piece, len(piece)))) for piece in pieces])

    def milestones(self, step: int, figures: Mapping[str, float]) -> list[tuple[str, str]]:
        """(name, sentence) of what a run's looks reach for the first time; to be asked at each look, in order.

        A share is reached half-way and nine tenths of the way from noise to human text, by two looks on end: a look is
        a few samples, and one of them alone may be lucky. The held-out loss (`nats_per_char`) is measured on a long
        text, so that beating the n-gram model once is enough.
        """
        last, self._before = self._before, (step, figures)
        found = []
        reached_last = dict(self._shares_reached(last[1])) if last else {}
        for name, text in self._shares_reached(figures):
            if last and name in reached_last:
                found.append((name, text.replace("SINCE", f"since step {last[0]:,}")))
        nats = figures.get("nats_per_char")
        if nats is not None and self.baseline is not None and nats < self.baseline:
            text = f"better than the {ngram.ORDER + 1}-gram model since step {step:,}"
            found.append(
                ("ngram", f"{text} ({nats:.3f} nats a character, it has {self.baseline:.3f})")
            )
        new = [(name, text) for name, text in found if name not in self.reached]
        self.reached.update(name for name, _ in new)
        return new

    def _shares_reached(self, figures: Mapping[str, float]) -> Iterator[tuple[str, str]]:
        """(name, sentence with SINCE for the step) of what these figures alone would reach.

        Nothing, where much is copied: that text is good is no achievement of who copied it.
        """
        if figures.get("copied", 0.0) > self.human.get("copied", 0.0) + MUCH_COPIED:
            return
        for name, what in self.table.items():
            low, high = self.noise.get(name, 0.0), self.human.get(name, 0.0)
            # What noise has too is no achievement, and neither is copying.
            if name not in figures or what.unit != "share" or high - low < 0.2 or name == "copied":
                continue
            reads = f"{what.label} {figures[name]:.0%}, human {high:.0%}"
            if figures[name] >= low + 0.5 * (high - low):
                yield f"{name}@half", f"half-way SINCE: {reads}"
            if figures[name] >= low + 0.9 * (high - low):
                said = what.once or "as good as human text"
                yield f"{name}@most", f"{said} SINCE ({reads})"

    def rank(
        self, texts: Sequence[str], nats: Sequence[float | None], *, prime: str = ""
    ) -> list[Ranked]:
        """The texts, best first: by validity, less what is copied beyond the human measure or looped, and likelihood.

        Likelihood breaks ties: between the least and the most likely of the texts lies a quarter of a point. What the
        model finds likeliest of all is often a loop, so that it cannot outweigh the rest.
        """
        known = [n for n in nats if n is not None]
        low, high = (min(known), max(known)) if known else (0.0, 0.0)
        accepted = self.genre.accepted([prime + text for text in texts]) or [None] * len(texts)
        ranked = []
        for i, (text, cost) in enumerate(zip(texts, nats, strict=True)):
            figures = self.figures(text, prime=prime)
            beyond = max(0.0, figures["copied"] - self.human.get("copied", 0.0))
            likely = 0.0 if cost is None or high == low else 0.25 * (high - cost) / (high - low)
            score = figures["valid"] - beyond - figures["looped"] + likely
            parts = [f"{figures['valid']:.0%} without a fault"]
            taken = accepted[i]
            if taken is not None:
                figures["accepted"] = taken
                score += 0.5 * taken
                parts.append("it compiles" if taken == 1 else f"{taken:.0%} of it compiles")
            if beyond > 0.005:
                longest = self._index.find(text).longest
                parts.append(
                    f"{figures['copied']:.0%} copied, up to {len(longest):,} characters on end: {longest[:40]!r}"
                )
            if figures["looped"] > 0.005:
                parts.append(f"{figures['looped']:.0%} in loops")
            if cost is not None:
                parts.append(f"{cost:.2f} nats a character")
            ranked.append(Ranked(i, score, figures, ", ".join(parts)))
        return sorted(ranked, key=lambda r: (-r.score, r.index))

    @cached_property
    def _judging(self) -> tuple[Validator, str]:
        """How the genre judges a text, and what it lacks for that: it gives no figures then."""
        try:
            return self.genre.validator(self._training), ""
        except ModuleNotFoundError as error:
            return lambda _: Verdict({}), str(error.name)

    @cached_property
    def _vocabulary(self) -> frozenset[str]:
        return words.vocabulary(self._training)

    @cached_property
    def _index(self) -> CopyIndex:
        return CopyIndex(self._training)

    def _human_pieces(self) -> list[str]:
        text, size = self._heldout, self._sample_chars
        if len(text) < 50:
            return []
        every = list(self.genre.document_starts([text]))
        starts = [at for at in every if at + size <= len(text)] or every
        if len(starts) < HUMAN_PIECES and not self.genre.documents:
            starts = [at for at, _ in words.paragraphs(text) if at + size <= len(text)] or starts
        if len(starts) < HUMAN_PIECES and not self.genre.documents:
            # One long text without places to begin at: spread over it.
            last = max(0, len(text) - size)
            starts = sorted(
                {round(last * i / HUMAN_PIECES) for i in range(HUMAN_PIECES)} | set(starts)
            )
        if len(starts) > HUMAN_PIECES:
            starts = sorted(random.Random(0).sample(starts, HUMAN_PIECES))
        return [text[at : at + size] for at in starts]


def mean(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Each figure's mean over the texts that have it."""
    names = dict.fromkeys(name for one in figures for name in one)
    return {name: fmean(one[name] for one in figures if name in one) for name in names}


def looped(text: str) -> float:
    """The share of a text in loops: a unit of at most `LONGEST_LOOP` characters, four times and more on end.

    For each length p of a unit, a character that equals the one p before it goes on with the loop.
    """
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    inside = np.zeros(len(codes), bool)
    for p in range(1, min(LONGEST_LOOP, len(codes) // 4) + 1):
        same = codes[p:] == codes[:-p]
        edges = np.flatnonzero(np.diff(same.astype(np.int8), prepend=0, append=0))
        for start, stop in edges.reshape(-1, 2):
            # Four spaces or four dashes are no loop: a repeat must have some length too.
            if stop - start >= max(3 * p, 24):
                inside[start : stop + p] = True
    return float(inside.mean()) if len(codes) else 0.0


def _word_figures(text: str, vocabulary: frozenset[str]) -> dict[str, float]:
    found = [word for word in words.WORD.findall(text.lower()) if len(word) > 1]
    figures = {}
    if found:
        known = sum(word in vocabulary for word in found)
        figures["words_known"] = known / len(found)
        figures["words_invented"] = 1000 * (1 - known / len(found))
    tokens = _TOKEN.findall(text)
    for n in (2, 3):
        grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
        if grams:
            figures[f"distinct_{n}"] = len(set(grams)) / len(grams)
    return figures
