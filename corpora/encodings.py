"""Which encoding a file is in, and its text, without ever losing a byte in silence.

The order: a byte order mark; UTF-8; UTF-16 without a mark where its zero bytes give it away; a legacy code page
(codepages.py).
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from checkpoints.errors import CorpusError
from corpora.codepages import Rereadable, guess

BLOCK = 1 << 20

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

# Control characters that texts do have: tab, line feed, form feed, return, backspace, DOS's end of file, escape.
TEXT_CONTROLS = b"\t\n\x0b\x0c\r\x08\x1a\x1b"
CONTROLS = bytes(set(range(32)) - set(TEXT_CONTROLS))
NEVER_IN_TEXT = re.compile(f"[{re.escape(CONTROLS.decode())}\x7f-\x9f]")

MIXED = "utf-8+cp1252"
"""UTF-8 in which stray bytes are cp1252's: what programs of two minds wrote."""

_STRAY = re.compile("[\udc80-\udcff]")


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    odd = error.object[error.start : error.end]
    # Five bytes are nothing in cp1252; as in browsers, they are Latin-1's control characters.
    return "".join(bytes([b]).decode("cp1252", "ignore") or chr(b) for b in odd), error.end


codecs.register_error(MIXED, _as_cp1252)


class NotTextError(CorpusError):
    """A file is no text at all."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"{name} is not text: {why}",
            hint="save it as plain text, or train on its raw bytes with --tokenizer byte",
        )


class BrokenTextError(CorpusError):
    """A file is text, but for some bytes."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a file's bytes become text."""

    name: str
    mark_bytes: int = 0
    """Length of the byte order mark, which is no part of the text."""
    said: str = ""
    """What the reader should be told; empty for plain UTF-8."""
    errors: str = "strict"
    """How bytes are read that the encoding does not have, as `codecs` names it."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What one pass over a file's bytes found."""

    size: int
    head: bytes
    zeros_even: int
    zeros_odd: int
    controls: int
    high: int
    """Bytes beyond ASCII."""
    utf8: bool

    @property
    def zeros(self) -> int:
        return self.zeros_even + self.zeros_odd


def survey(blocks: Iterator[bytes]) -> Survey:
    """Read everything once; memory does not grow with the file."""
    size = zeros_even = zeros = controls = high = 0
    head = b""
    decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()
    for block in blocks:
        head = head or block[:4]
        if not block.isascii():
            high += int(np.count_nonzero(np.frombuffer(block, np.uint8) > 127))
        if found := block.count(0):
            zeros += found
            zeros_even += block[size & 1 :: 2].count(0)
        controls += len(block) - len(block.translate(None, CONTROLS))
        size += len(block)
        if decoder is not None:
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                decoder = None
    if decoder is not None:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            decoder = None
    return Survey(size, head, zeros_even, zeros - zeros_even, controls, high, decoder is not None)


def detect(seen: Survey, file: Rereadable, name: str) -> Encoding:
    """The encoding of a file that was surveyed.

    Raises NotTextError for binary data and BrokenTextError for UTF-8 with some bytes that are not.
    """
    for mark, encoding in MARKS:
        if seen.head.startswith(mark):
            said = f"{encoding.upper()}, by its byte order mark"
            return Encoding(encoding, len(mark), said)
    if seen.zeros:
        return _utf16(seen, file, name)
    if seen.controls > 0.05 * seen.size:
        raise NotTextError(
            name, f"{seen.controls:,} of its {seen.size:,} bytes are control characters"
        )
    if seen.utf8:
        return Encoding("utf-8")
    if _mostly_utf8(file):
        for _ in decode(file, Encoding("utf-8"), name):
            pass
    chosen = guess(file)
    if chosen is None:
        raise NotTextError(
            name, "it is neither UTF-8 nor in a code page that would make sense of it"
        )
    label = "latin-1" if chosen == "latin_1" else chosen.replace("iso8859_", "iso8859-")
    odd = f"{seen.high:,} {'byte' if seen.high == 1 else 'bytes'} beyond ASCII"
    said = f"{label}, a guess (it is not UTF-8): {odd}; --encoding NAME says otherwise"
    return Encoding(chosen, 0, said)


def named(encoding: str, seen: Survey | None = None, name: str = "") -> Encoding:
    """The encoding that the user named: one of Python's, or MIXED.

    Raises CorpusError where Python knows none of this name and NotTextError for zero bytes in any but UTF-16 and -32.
    """
    if encoding.lower() == MIXED:
        mark = codecs.BOM_UTF8 if seen and seen.head.startswith(codecs.BOM_UTF8) else b""
        return Encoding("utf-8", len(mark), errors=MIXED)
    try:
        found = codecs.lookup(encoding)
        "".encode(found.name)  # refuses what is no text encoding, such as base64
        if found.name in ("idna", "punycode"):
            raise LookupError("it writes names of hosts, not texts")
    except (LookupError, ValueError) as error:
        raise CorpusError(
            f"there is no text encoding {encoding!r}",
            hint=f"for example utf-8, cp1252, {MIXED}, cp437, latin-1, koi8-r, gb18030, shift_jis or utf-16",
        ) from error
    if seen is not None:
        for mark, marked in MARKS:
            bare = marked.removesuffix("-le").removesuffix("-be")
            if seen.head.startswith(mark) and found.name in (marked, bare):
                return Encoding(marked, len(mark))
        if seen.zeros and not found.name.startswith(("utf-16", "utf-32")):
            raise _no_text(name, seen)
        if found.name in ("utf-16", "utf-32"):
            # Without a mark: big-endian if the zero bytes come first, as they do before ASCII.
            return Encoding(f"{found.name}-{'be' if seen.zeros_even > seen.zeros_odd else 'le'}")
    return Encoding(found.name)


def decode(file: Rereadable, encoding: Encoding, name: str) -> Iterator[str]:
    """The text of a file, from its start, piece by piece.

    Raises BrokenTextError with line and byte offset at the first byte that the encoding does not have.
    """
    file.seek(encoding.mark_bytes)
    decoder = codecs.getincrementaldecoder(encoding.name)(encoding.errors)
    offset = encoding.mark_bytes
    lines, after_return = 1, False
    recent = ""
    while True:
        block = file.read(BLOCK)
        held = decoder.getstate()[0]
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            before = (held + block)[: error.start].decode(encoding.name, "ignore")
            lines += _line_ends(before, after_return)
            beginning = re.split("[\r\n]", recent + before)[-1][-30:]
            bad = error.object[error.start : error.start + 4]
            utf8 = encoding.name == "utf-8"
            strays = _strays(file) if utf8 else 1
            raise BrokenTextError(
                f"{name}, line {lines:,}, byte {offset - len(held) + error.start:,}: "
                f"{bad[:1].hex().upper()} is not {encoding.name.upper()} after {beginning!r} ({error.reason})"
                + (f", the first of {strays:,} such bytes" if strays > 1 else ""),
                hint=(
                    f"read them as cp1252 with --encoding {MIXED}, " if utf8 else "mend the line, "
                )
                + "name the file's encoding with --encoding NAME, or train on the raw bytes with --tokenizer byte",
            ) from error
        offset += len(block)
        if text:
            lines += _line_ends(text, after_return)
            after_return = text.endswith("\r")
            recent = (recent + text[-30:])[-30:]
            yield text
        if not block:
            return


def _strays(file: Rereadable) -> int:
    """How many bytes of a file are no UTF-8."""
    file.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    strays, block = 0, b" "
    while block:
        block = file.read(BLOCK)
        strays += len(_STRAY.findall(decoder.decode(block, final=not block)))
    return strays


def _line_ends(text: str, after_return: bool) -> int:
    """Line ends of any kind; `after_return`: the text before ended with a CR, which a leading LF belongs to."""
    ends = text.count("\n") + text.count("\r") - text.count("\r\n")
    return ends - (1 if after_return and text.startswith("\n") else 0)


# A stray zero byte or two in a tiny file is no sign of UTF-16.
FEWEST_ZEROS = 8


def _utf16(seen: Survey, file: Rereadable, name: str) -> Encoding:
    """UTF-16 without a mark: of a pair of bytes it is nearly always the same one that is zero (spaces, ASCII).

    Not quite always: the Chinese one is U+4E00.
    """
    characters = seen.size // 2
    zeros = max(seen.zeros_even, seen.zeros_odd)
    other = min(seen.zeros_even, seen.zeros_odd)
    enough = max(FEWEST_ZEROS, 0.05 * characters)
    ascii_with_zeros = 4 * seen.zeros < seen.size and _is_ascii(file)
    if seen.size % 2 == 0 and zeros >= enough and other <= 0.25 * zeros and not ascii_with_zeros:
        encoding = "utf-16-le" if seen.zeros_odd > seen.zeros_even else "utf-16-be"
        decoder = codecs.getincrementaldecoder(encoding)()
        file.seek(0)
        try:
            while block := file.read(BLOCK):
                if not _plausible(decoder.decode(block)):
                    break
            else:
                decoder.decode(b"", final=True)
                return Encoding(encoding, 0, f"{encoding.upper()}, by its zero bytes")
        except UnicodeDecodeError:
            pass
    raise _no_text(name, seen)


def _no_text(name: str, seen: Survey) -> NotTextError:
    return NotTextError(name, f"it holds {seen.zeros:,} zero byte{'s' * (seen.zeros != 1)}")


def _is_ascii(file: Rereadable) -> bool:
    """Whether a file's beginning is ASCII text, but for its zero bytes: as UTF-16 its pairs would pass for Chinese."""
    file.seek(0)
    block = file.read(1 << 16).replace(b"\0", b"")
    printable = sum(byte in b"\n\r" or 32 <= byte < 127 for byte in block)
    return printable > 0.9 * len(block)


def _plausible(text: str) -> bool:
    """Whether what was decoded without being sure of the encoding has no control and few unassigned characters."""
    if NEVER_IN_TEXT.search(text):
        return False
    sample = text[:10_000]
    return sum(unicodedata.category(char) in ("Cn", "Co") for char in sample) <= 0.01 * len(sample)


def _mostly_utf8(file: Rereadable) -> bool:
    """Whether at least half of the bytes beyond ASCII (of the first 100,000 or so) make valid UTF-8 sequences."""
    file.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    valid = escaped = 0
    while valid + escaped < 100_000:
        block = file.read(1 << 16)
        text = decoder.decode(block, final=not block)
        if not text.isascii():
            codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
            stray = (codes >= 0xDC80) & (codes <= 0xDCFF)
            escaped += int(np.count_nonzero(stray))
            whole = codes[(codes > 127) & ~stray]
            valid += 2 * len(whole) + int(np.sum(whole > 0x7FF)) + int(np.sum(whole > 0xFFFF))
        if not block:
            break
    return valid >= escaped
