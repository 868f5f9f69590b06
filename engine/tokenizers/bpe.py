"""`bpe`: byte-pair encoding (Sennrich et al. 2016): the pairs that occur most are joined, again and again."""

from __future__ import annotations

from engine.tokenizers._subword import SubwordTokenizer


class BpeTokenizer(SubwordTokenizer):
    """Pieces joined greedily, the pair that was learned first before all others."""

    name = "bpe"
    kind = "bpe"
