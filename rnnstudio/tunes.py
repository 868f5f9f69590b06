"""Where a tune command's tunes come from: an ABC file, standard input, or what a run wrote."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from checkpoints.checkpoint import step_of
from checkpoints.errors import RunError, UserError
from checkpoints.files import reason
from checkpoints.jsontext import load_object
from checkpoints.paths import exists, is_folder
from checkpoints.runs import RunFolder, find_run
from rnnstudio.common import passed_over, say

if TYPE_CHECKING:
    from corpora.abc import Tune
    from corpora.abc.nearest import TuneIndex

MAX_BYTES = 256 << 20
MOST_ZEROS = 0.001
"""Share of zero bytes above which a book is no text."""
MOST_LEARNT = 8_000_000
"""Tokens of a run's training text in which the nearest tune is looked for."""
MAX_TUNE_CHARS = 3000
"""Characters after which a fresh tune is ended."""
NO_TUNE = "a tune has a line that begins with X: and one with K:; tunes to learn from: rnnstudio train abc-tunes"
"""What to do where no tune was found."""


@dataclass(frozen=True, slots=True)
class Source:
    """A text with tunes in it, and what to call it."""

    name: str
    text: str


def source(where: str, runs: Path) -> Source:
    """The text that a person means by a file, `-`, or a run's name, perhaps with @best, @last or @STEP.

    A run's text is the samples of its newest checkpoint, or of the one that is named. Raises UserError.
    """
    if _is_text(where):
        name = "standard input" if where == "-" else where
        return Source(name, decoded(_bytes(where, name), name))
    if where.lower().endswith(".abc") and not is_folder(where):
        raise UserError(f"there is no file {where}", hint="is the path right?")
    found = find_run(where, runs)
    step = None
    if found.spec:
        step = step_of(found.run.checkpoint(found.spec, skipped=passed_over))
    texts = _samples(found.run, step)
    return Source(f"run {found.run.name}", "\n\n".join(texts))


def learnt(where: str, runs: Path) -> TuneIndex | None:
    """The tunes that a run learned from, to be asked for the nearest; None for a file or standard input."""
    from corpora.abc.nearest import TuneIndex
    from engine import tokenizers
    from engine.tokens import open_tokens
    from engine.training.session import tokenizer_files

    if _is_text(where):
        return None
    run = find_run(where, runs).run
    if not run.tokens_path.is_dir():
        return None
    tokenizer = tokenizers.load(tokenizer_files(run.path))
    text = open_tokens(run.tokens_path).train.text(tokenizer, 0, MOST_LEARNT)
    pieces = re.split(r"^(?=X:)", text, flags=re.MULTILINE)
    # Prose has letters too, but no key.
    return TuneIndex(t for t in pieces if re.search(r"^K:", t, re.MULTILINE))


def tunes(text: str) -> Iterator[Tune]:
    """The tunes of a text."""
    from corpora.abc import read_book

    return read_book(text)


def decoded(data: bytes, name: str) -> str:
    """ABC's text, in the encoding that training would read it in: old books have code pages. What was guessed is said.

    A broken byte costs its sign, and not the book. Raises UserError for what is no text.
    """
    from corpora.encodings import (
        BrokenTextError,
        Encoding,
        NotTextError,
        decode,
        detect,
        survey,
    )

    file = io.BytesIO(data)
    chosen = Encoding("utf-8")
    try:
        chosen = detect(survey(iter([data])), file, name)
        text = "".join(decode(file, chosen, name))
    except NotTextError as error:
        zeros = data.count(0)
        if zeros > MOST_ZEROS * len(data):
            raise UserError(error.message, hint="save it as plain text, best in UTF-8") from None
        say(f"! {error.message}; they are left out")
        return decoded(data.replace(b"\0", b""), name)
    except BrokenTextError as error:
        say(f"! {error.message}; such bytes are left out")
        return data[chosen.mark_bytes :].decode(chosen.name, "ignore")
    if chosen.said:
        said = chosen.said.partition(";")[0]  # these commands have no --encoding
        say(f"{name}: read as {said}")
    return text


def _is_text(where: str) -> bool:
    """Whether a person means standard input or a file, be it a pipe, and no run."""
    return where == "-" or (exists(where) and not is_folder(where))


def _bytes(where: str, name: str) -> bytes:
    """What a file or standard input (`-`) holds. Raises UserError if it cannot be read or is too much."""
    try:
        with nullcontext(sys.stdin.buffer) if where == "-" else Path(where).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UserError(
            f"{name} cannot be read: {reason(error)}", hint="is the path right?"
        ) from None
    if len(data) > MAX_BYTES:
        raise UserError(
            f"{name} has more than {MAX_BYTES >> 20} MiB", hint="cut it into smaller books"
        )
    return data


def _samples(run: RunFolder, step: int | None) -> Iterator[str]:
    """What a run wrote at one checkpoint (None: the newest with samples), each with its prime before it."""
    kept = run.samples_path.glob("step-*.jsonl")
    found = ((step_of(path.with_suffix("")), path) for path in kept)
    files = {at: path for at, path in found if at is not None}
    if not files:
        raise RunError(
            f"run {run.name} has no samples yet",
            hint=f"it writes them at its checkpoints; or export fresh ones: rnnstudio export {run.called} --best-of 20",
        )
    if step is None:
        step = max(files)
    if step not in files:
        steps = ", ".join(map(str, sorted(files)[-8:]))
        raise RunError(
            f"no samples were written at step {step:,}", hint=f"there are some at {steps}"
        )
    for line in filter(None, files[step].read_bytes().split(b"\n")):
        body = load_object(line, what="a sample")
        yield str(body.get("prime", "")) + str(body.get("text", ""))


def written(
    where: str,
    runs: Path,
    *,
    count: int,
    keep: int,
    temperature: float,
    seed: int,
    bars_exact: bool,
    fields: dict[str, str],
) -> Iterator[Tune]:
    """The best `keep` of `count` tunes that a run's model writes now, the best first.

    `fields` (meter, rhythm; empty ones left out) open each tune's header. Raises UserError.
    """
    import torch

    from corpora import genres
    from corpora.abc import read_tune
    from corpora.abc.judging import rank
    from engine.config import SampleConfig
    from engine.load import open_run
    from engine.sampling.sampler import Sampler
    from engine.sampling.stream import Request
    from rnnstudio.writing import finished

    torch.set_num_threads(1)
    loaded = open_run(where, runs, note=say)
    prime = "" if loaded.documents else "X:1\n"
    if any(fields.values()):
        prime = genres.find(loaded.genre or genres.GENERAL).header(fields, titles=loaded.titles)
    request = Request(
        seed=seed,
        prime=loaded.tokenizer.familiar(prime)[0],
        config=SampleConfig(temperature=temperature),
        length=MAX_TUNE_CHARS,
        bars_exact=bars_exact,
        stop="" if loaded.documents else "\n\n",
    )
    sampler = Sampler(loaded.model, loaded.tokenizer, documents=loaded.documents)
    texts = [prime + sample.text for sample in finished(sampler, request.copies(count))]
    tunes = [read_tune(text) for text in texts]
    for i, tune in enumerate(sorted(tunes, key=rank, reverse=True)[:keep], 1):
        tune.number = i
        yield tune
