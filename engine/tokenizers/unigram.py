"""`unigram`: pieces with probabilities (Kudo 2018): of all ways to cut a text the likeliest is taken."""

from __future__ import annotations

from engine.tokenizers._subword import SubwordTokenizer


class UnigramTokenizer(SubwordTokenizer):
    """Pieces whose product of probabilities is the largest, found by Viterbi's algorithm."""

    name = "unigram"
    kind = "unigram"
