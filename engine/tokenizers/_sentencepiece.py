"""The sentencepiece library, told exactly what to do: train pieces, and cut text by pieces.

Only pieces and their scores are kept of what it learns. The model that its C++ code reads is written here, from pieces
that were checked, each time a tokenizer is opened: no bytes of a stranger's checkpoint reach its parser, which has had
memory faults. The layout is that of sentencepiece_model.proto, of which a dozen fields are needed.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Sequence
from typing import Literal

import sentencepiece

Kind = Literal["unigram", "bpe"]
Piece = tuple[str, float]
"""A piece's text (spaces as spaces) and its score: log probability (unigram), or minus its rank (bpe)."""

# sentencepiece writes spaces inside pieces with this sign; text that has it never gets here.
SPACE_SIGN = "\u2581"
# Ids of sentencepiece: the unknown, the 256 bytes, then the pieces.
FIRST_PIECE = 257

_KINDS = {"unigram": 1, "bpe": 2}
_NORMAL, _UNKNOWN, _BYTE = 1, 2, 6


def train(kind: Kind, units: Iterable[tuple[str, int]], *, vocab_size: int) -> list[Piece]:
    """Pieces for units of text (none with a tab) and how often each occurs; at most `vocab_size` - 257 of them.

    The vocabulary comes out smaller where the text has no more. The same units give the same pieces: one thread,
    no shuffling, no sampling.
    """
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([f"{unit}\t{n}" for unit, n in units]),
        input_format="tsv",
        model_writer=written,
        model_type=kind,
        vocab_size=vocab_size,
        hard_vocab_limit=False,
        character_coverage=1.0,
        byte_fallback=True,
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        split_digits=True,
        bos_id=-1,
        eos_id=-1,
        pad_id=-1,
        input_sentence_size=0,
        shuffle_input_sentence=False,
        num_threads=1,
        minloglevel=2,
    )
    model = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    return [
        (model.id_to_piece(i).replace(SPACE_SIGN, " "), model.get_score(i))
        for i in range(FIRST_PIECE, model.get_piece_size())
    ]


class Cutter:
    """Cuts text by pieces; what no piece covers becomes bytes."""

    def __init__(self, kind: Kind, pieces: Sequence[Piece]) -> None:
        self._model = sentencepiece.SentencePieceProcessor(model_proto=model_proto(kind, pieces))

    def cut(self, texts: Sequence[str]) -> list[list[int]]:
        """sentencepiece's ids of each text: 1 + the byte, or `FIRST_PIECE` + the index of the piece."""
        found: list[list[int]] = self._model.encode(list(texts), num_threads=1)
        return found


def model_proto(kind: Kind, pieces: Sequence[Piece]) -> bytes:
    """The model file that sentencepiece reads, of 256 bytes and these pieces."""
    entries = [
        _piece("<unk>", 0.0, _UNKNOWN),
        *(_piece(f"<0x{byte:02X}>", 0.0, _BYTE) for byte in range(256)),
        *(_piece(text.replace(" ", SPACE_SIGN), score, _NORMAL) for text, score in pieces),
    ]
    trainer_spec = b"".join(
        [
            _number(3, _KINDS[kind]),
            _number(4, len(entries)),
            _number(35, True),  # byte_fallback
            _number(40, 0),  # unk_id
            *(_number(field, -1) for field in (41, 42, 43)),  # no bos, eos, pad
        ]
    )
    normalizer_spec = b"".join(
        [
            _block(1, b"identity"),
            _number(3, False),  # add_dummy_prefix
            _number(4, False),  # remove_extra_whitespaces
            _number(5, True),  # escape_whitespaces
        ]
    )
    return b"".join(
        [*(_block(1, e) for e in entries), _block(2, trainer_spec), _block(3, normalizer_spec)]
    )


def _piece(text: str, score: float, kind: int) -> bytes:
    return (
        _block(1, text.encode()) + _varint(2 << 3 | 5) + struct.pack("<f", score) + _number(3, kind)
    )


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value % 2**64)


def _block(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
