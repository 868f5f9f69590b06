"""What `bpe` and `unigram` share: pieces of words that sentencepiece finds, over the bytes of UTF-8.

Ids: 256 bytes, the pieces, the document's end. Control characters (line ends and tabs among them) and the few
characters that sentencepiece gives a meaning of its own are bytes always and never reach it, so its text is plain, it
joins nothing across a line, and the corpus may hold whatever it likes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Self

import numpy as np

from checkpoints.errors import ConfigError
from engine.tokenizers._bytes import BytesDecoder, byte_name, decode_bytes, to_bytes
from engine.tokenizers._corpus import survey
from engine.tokenizers._sentencepiece import FIRST_PIECE, Cutter, Kind, Piece, train
from engine.tokenizers.base import (
    AnyIds,
    Ids,
    Tokenizer,
    damaged,
    description,
    read_description,
)

_BYTES = 256
MAX_VOCABULARY = 1 << 16
# What is chosen where `vocab_size` is 0: a piece for each 500 characters of corpus, within these bounds, beside the
# characters themselves. Larger ones cost an RNN on a CPU more in its softmax than they save in steps.
DEFAULT_PIECES = (256, 8_192)
CHARACTERS_A_PIECE = 500
# Characters rarer than this share of the text, taken together, are left to their bytes: of a Chinese corpus' thousands
# the rare ones have too few examples to learn from.
COVERAGE = 0.9995
MAX_CHARACTERS = 8_000
# Units that training looks at, the most frequent ones; they hold nearly all of the text.
MAX_UNITS = 100_000
_LONGEST_PIECE = 64

# Control characters, U+2581 and U+2585 (sentencepiece's own signs), surrogates (no UTF-8 has them).
_ALWAYS_BYTES = "\x00-\x1f\x7f-\x9f\u2581\u2585\ud800-\udfff"
# A line in blocks: what is cut together. Blocks bound how far a text must be read to be cut, also in a line of 50 MB.
_BLOCK = 4096
_BLOCKS = re.compile(rf"[^{_ALWAYS_BYTES}]{{1,{_BLOCK}}}|[{_ALWAYS_BYTES}]{{1,{_BLOCK}}}")
_PLAIN = re.compile(rf"[^{_ALWAYS_BYTES}]+")
# What training counts: a word with the space before it, or a run of spaces.
_UNITS = re.compile(rf" ?[^ {_ALWAYS_BYTES}]{{1,32}}| {{1,32}}")


class SubwordTokenizer(Tokenizer):
    """The tokenizer but for its kind; see the module."""

    kind: ClassVar[Kind]

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = tuple(pieces)
        self._cutter = Cutter(self.kind, self._pieces)
        self._token_bytes = [
            *(bytes([i]) for i in range(_BYTES)),
            *(to_bytes(text) for text, _ in self._pieces),
        ]
        self._characters = frozenset("".join(text for text, _ in self._pieces))
        self.vocab_size = len(self._token_bytes) + 1

    @classmethod
    def learn(cls, pieces: Iterable[str], *, vocab_size: int = 0) -> Self:
        """`vocab_size` gives at most half of its room to characters; less comes out where the corpus has no more."""
        if vocab_size and not _BYTES + 2 <= vocab_size <= MAX_VOCABULARY:
            wrong = "small" if vocab_size < MAX_VOCABULARY else "large"
            raise ConfigError(
                f"vocab-size is {vocab_size}, too {wrong} for {cls.name}",
                hint=f"use {_BYTES + 2} or more, up to {MAX_VOCABULARY}; or leave it out",
            )
        counts, sample = survey(pieces)
        limit = (vocab_size - _BYTES) // 2 if vocab_size else MAX_CHARACTERS
        characters = set(counts.most_common(limit, coverage=COVERAGE))
        if not vocab_size:
            least, largest = DEFAULT_PIECES
            chosen = min(max(counts.total // CHARACTERS_A_PIECE, least), largest)
            vocab_size = _BYTES + 1 + len(characters) + chosen
        units: Counter[str] = Counter()
        for text in sample:
            units.update(_UNITS.findall(text))
        # Each character once by itself too: a corpus of one long run of a letter would leave unigram without a piece.
        kept = Counter(c for c in characters if _PLAIN.match(c))
        for unit, n in units.items():
            if characters.issuperset(unit):
                kept[unit] += n
                continue
            # A rare character parts a unit in two, as it will when text is cut.
            for part in "".join(c if c in characters else "\n" for c in unit).split("\n"):
                kept[part] += n
        del kept[""]
        ranked = sorted(kept.items(), key=lambda item: (-item[1], item[0]))[:MAX_UNITS]
        # sentencepiece wants something to learn from.
        found = train(cls.kind, ranked, vocab_size=vocab_size) if ranked else []
        # Without a piece for it, sentencepiece would spell the space as its own sign.
        if " " not in dict(found):
            found = [*found[: vocab_size - _BYTES - 2], (" ", min([0.0, *dict(found).values()]))]
        return cls(found)

    def encode(self, text: str) -> Ids:
        blocks = _BLOCKS.findall(text)
        cuts = iter(self._cutter.cut([b for b in blocks if _PLAIN.match(b)]))
        ids: list[int] = []
        for block in blocks:
            if _PLAIN.match(block):
                ids += next(cuts)
            else:
                ids += [byte + 1 for byte in to_bytes(block)]
        # sentencepiece's ids begin with its unknown, which never comes up.
        return np.array(ids, np.uint32) - np.uint32(1)

    def safe_cut(self, text: str) -> int:
        """Where the last block begins: after the last line end, or a multiple of 4,096 characters on."""
        cut = text.rfind("\n") + 1
        for block in _BLOCKS.finditer(text, cut):
            cut = block.start()
        return cut

    def decode(self, ids: AnyIds) -> str:
        return decode_bytes(ids, self._token_bytes)

    def decoder(self) -> BytesDecoder:
        return BytesDecoder(self._token_bytes)

    def token_text(self, token: int) -> str:
        if token == self.document_end:
            return ""
        if token >= _BYTES:
            return self._pieces[token - _BYTES][0]
        return chr(token) if token < 128 else byte_name(token)

    def unseen(self, text: str) -> list[str]:
        """Characters that no piece has: the corpus had them hardly or not at all.

        Line ends and tabs are bytes in every corpus, and count as seen.
        """
        return [c for c in dict.fromkeys(text) if c not in self._characters and c not in "\n\t"]

    def to_files(self) -> dict[str, bytes]:
        return description(self.name, pieces=self._pieces)

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        return cls(_checked_pieces(read_description(files, cls.name).get("pieces")))


def _checked_pieces(value: object) -> list[Piece]:
    """The pieces of a `tokenizer.json`. Raises CheckpointError unless sentencepiece can take them safely."""
    if not isinstance(value, list) or not value:
        raise damaged("its pieces are no list of pieces")
    if len(value) > MAX_VOCABULARY - FIRST_PIECE:
        raise damaged(
            f"it has {len(value):,} pieces; at most {MAX_VOCABULARY - FIRST_PIECE:,} can be"
        )
    pieces: list[Piece] = []
    for entry in value:
        match entry:
            case [str(text), int() | float() as score] if (
                len(text) <= _LONGEST_PIECE
                and _PLAIN.fullmatch(text)
                and not isinstance(score, bool)
                and abs(score) < 1e30  # no NaN either; sentencepiece's scores are 32-bit floats
            ):
                pieces.append((text, float(score)))
            case _:
                raise damaged("one of its pieces is none")
    if len({text for text, _ in pieces}) != len(pieces):
        raise damaged("a piece occurs twice in it")
    if " " not in dict(pieces):
        raise damaged("the space is not among its pieces")
    if any(text == "<unk>" or re.fullmatch(r"<0x[0-9A-F]{2}>", text) for text, _ in pieces):
        raise damaged("one of its pieces is a name that sentencepiece keeps to itself")
    return pieces
