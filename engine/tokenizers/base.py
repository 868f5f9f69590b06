"""What every tokenizer offers: text to token ids and back, losslessly."""

from __future__ import annotations

import json
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

from checkpoints.errors import CheckpointError
from checkpoints.jsontext import load_object
from engine.tokenizers._nearest import nearest

Ids = npt.NDArray[np.uint32]
AnyIds = Sequence[int] | npt.NDArray[np.integer]

VERSION = 1


class Decoder(Protocol):
    """Turns ids into text one at a time, holding back bytes until they make a character."""

    def push(self, token: int) -> str:
        """The text that became certain by this token, perhaps none."""
        ...

    def flush(self) -> str:
        """What was held back; bytes that never became a character read as U+FFFD."""
        ...


class Tokenizer(ABC):
    """Text to ids and back: `decode(encode(x)) == x` for any text, lone surrogates included.

    Id `document_end` (always `vocab_size - 1`) never comes from text: it ends a document, and decodes to nothing.
    Any ids below `vocab_size`, in any order, decode to some text: a model may write bytes that are no character.
    """

    name: ClassVar[str]
    """The name under which `--tokenizer` finds it; the module's name too."""

    vocab_size: int

    @property
    def document_end(self) -> int:
        return self.vocab_size - 1

    @classmethod
    @abstractmethod
    def learn(cls, pieces: Iterable[str], *, vocab_size: int = 0) -> Self:
        """The tokenizer for a corpus that is read once, piece by piece, in bounded memory.

        How the corpus is cut into pieces makes no difference. `vocab_size` caps the vocabulary; 0 chooses.
        Raises ConfigError where `vocab_size` is too small for any text to be written.
        """

    @abstractmethod
    def encode(self, text: str) -> Ids:
        """The ids (N,) of a text; any text, also one with characters that the corpus never had."""

    @abstractmethod
    def decoder(self) -> Decoder:
        """A fresh incremental decoder."""

    @abstractmethod
    def token_text(self, token: int) -> str:
        """How a token reads by itself, for display: bytes as `<E2>`, the document's end as empty text."""

    @abstractmethod
    def to_files(self) -> dict[str, bytes]:
        """What a checkpoint stores: `tokenizer.json`."""

    @classmethod
    @abstractmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """The tokenizer that `to_files` described. Raises CheckpointError on anything else."""

    @abstractmethod
    def unseen(self, text: str) -> list[str]:
        """The characters of `text` that the corpus did not have, each once, in the order in which they appear.

        They encode all the same, spelled as bytes.
        """

    def familiar(self, text: str) -> tuple[str, dict[str, str]]:
        """A prompt in characters that the model knows, as far as that goes, and what was replaced by what.

        An unseen character gives way to the nearest one that the corpus had: another quote or dash, the other case, no
        accent. One without a likeness stays, and is spelled as bytes. A prompt is never refused.
        """
        if self.unseen(text):
            composed = unicodedata.normalize("NFC", text)
            text = min(text, composed, key=lambda t: len(self.unseen(t)))
        replaced: dict[str, str] = {}
        for character in self.unseen(text):
            for other in nearest(character):
                if other != character and not self.unseen(other):
                    replaced[character] = other
                    break
        return text.translate({ord(c): other for c, other in replaced.items()}), replaced

    def decode(self, ids: AnyIds) -> str:
        """The text of ids (N,)."""
        decoder = self.decoder()
        return "".join([*(decoder.push(int(i)) for i in ids), decoder.flush()])

    def safe_cut(self, text: str) -> int:
        """The length of the part of `text` that encodes the same whatever follows it.

        For n = safe_cut(text), encode(text + more) == encode(text[:n]) + encode(text[n:] + more).
        """
        return len(text)

    def encode_pieces(self, pieces: Iterable[str]) -> Iterator[Ids]:
        """The ids of a text that comes in pieces, cut anywhere: together exactly those of the whole text."""
        for text in recut(pieces, self.safe_cut):
            yield self.encode(text)

    def extended(self, pieces: Iterable[str]) -> tuple[Self, list[int | None]]:  # noqa: ARG002
        """This tokenizer with the characters of another corpus added, for fine-tuning.

        The second gives for each of its ids the id that the same token had before, None for a new one, as
        `engine.model.grow` takes it. A tokenizer whose vocabulary does not grow returns itself.
        """
        return self, list(range(self.vocab_size))


def recut(pieces: Iterable[str], safe_cut: Callable[[str], int]) -> Iterator[str]:
    """The same text, cut only where `safe_cut` allows; what it keeps back joins the next piece."""
    held = ""
    for piece in pieces:
        held += piece
        cut = safe_cut(held)
        if cut:
            yield held[:cut]
            held = held[cut:]
    if held:
        yield held


def description(name: str, **body: object) -> dict[str, bytes]:
    """`tokenizer.json`, as `to_files` returns it."""
    text = json.dumps({"name": name, "version": VERSION, **body}, ensure_ascii=False, indent=0)
    return {"tokenizer.json": text.encode()}


def read_description(files: Mapping[str, bytes], name: str = "") -> dict[str, Any]:
    """What `tokenizer.json` says; its `name` is a string, and the one asked for.

    Raises CheckpointError where it is anything else.
    """
    if "tokenizer.json" not in files:
        raise damaged("it is missing")
    body = load_object(files["tokenizer.json"], what="the checkpoint's tokenizer.json")
    if not isinstance(body.get("name"), str):
        raise damaged("it does not say which tokenizer it is")
    if name and body["name"] != name:
        raise damaged(f"it is of the tokenizer {body['name'][:40]!r}, not {name}")
    version = body.get("version")
    if type(version) is not int or version < 1:
        raise damaged("it does not say its version")
    if version > VERSION:
        raise CheckpointError(
            f"tokenizer.json is of version {version:,}, and this rnnstudio reads up to {VERSION}",
            hint="install a newer rnnstudio",
        )
    return body


def damaged(what: str) -> CheckpointError:
    """The error for a checkpoint whose tokenizer cannot be used."""
    return CheckpointError(
        f"the checkpoint's tokenizer.json is damaged: {what}",
        hint="use another checkpoint of the run, or copy this one again",
    )
