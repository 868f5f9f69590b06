"""Texts that tokenizers trip over, for the tests of this folder; all written for them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st

from engine.tokenizers import find
from engine.tokenizers.base import Tokenizer

CORPUS = """\
The miller's daughter didn't sleep; the mill-wheel turned all night.
"Bread," said she, "is flour and 3 cups of water — 1/2 a day's work."

    for (int i = 0; i < 128; i++) { total += price[i]; }
\tThe tune: |: G2 BG dG BG | A2 cA eA cA :|
Der Müller weiß: „Ein Mühlrad dreht sich.“ L’été, déjà vu, naïveté.
磨坊主的女儿睡不着。水车转了一整夜。 Мельница и вода. नमस्ते दुनिया 👩‍🌾🌾
"""

HARD = [
    "",
    "\x00",
    "\x00\x01\x02\x7f\x80\x9f",
    "\u2581",
    " \u2581 \u2585\u2047<unk><s></s><pad><0x41>\u2581\u2581",
    "\ud800",
    "a\udfffb\ud83d\ude00c",
    "\ud83d",
    "e\u0301 a\u0300\u0301\u0302\u0303",
    "\u0301starts with a mark",
    "👩‍👩‍👧‍👦🏳️‍🌈👍🏽",
    " ",
    "    leading and trailing    ",
    "\n",
    "\n\n\n\n   \n\t\t \r\n\r\x0b\x0c\x85\u2028\u2029\u00a0\u3000\u200b\ufeff",
    "don't won't 'tis rock'n'roll l’été O’Neill's'",
    "1234567890 3.14159 ½ Ⅷ ٣٤ 0x1F",
    "snake_case camelCase __dunder__",
    "漢字かなカナ한국어ภาษาไทยកម្ពុជា",
    "ffi ﬃ Ǆ ß ẞ İ ı",
    "\U0010ffff\U00010000\uffff\ufffe\ufffd",
    "x" * 5000,
    "ab" * 3000,
    " " * 5000,
    "\n" * 5000,
    "'" * 3000,
    "漢" * 5000,
    "the mill " * 1000,
]

# Any code point at all, surrogates too, mixed with those that tokenizers treat specially.
_special = st.sampled_from(
    list("aAzé \n\t\r\x00'’-_0179,.漢字が\u0301\u200d\u2581\u2585\ud800\udfff👩🌾नम<>ไ")
)
_any_character = st.characters(codec=None, exclude_categories=())
_runs = st.builds(lambda c, n: c * n, _special, st.integers(1, 300))
_words = st.sampled_from(
    ["the", " the", "mill", "didn't", "\n\n", "    ", "128", "Müller", "<0x0A>"]
)
any_text = st.lists(st.one_of(_any_character, _special, _special, _words, _runs), max_size=30).map(
    "".join
)


def cut_somewhere(text: str, places: list[int]) -> list[str]:
    """The text in pieces, cut at the places (modulo its length); some may be empty."""
    cuts = sorted({0, len(text), *(p % (len(text) + 1) for p in places)})
    return [text[a:b] for a, b in pairwise(cuts)]


def learned(name: str, corpus: str = CORPUS, *, vocab_size: int = 0) -> Tokenizer:
    return find(name).learn([corpus], vocab_size=vocab_size)
