"""Where a tune command's tunes come from: an ABC file, standard input, or what a run wrote."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from checkpoints.errors import RunError, UserError
from checkpoints.jsontext import load_object
from checkpoints.runs import find_run
from tui.literal import literal

if TYPE_CHECKING:
    from corpora.abc import Tune
    from corpora.abc.nearest import TuneIndex

MAX_BYTES = 256 << 20
MOST_LEARNT = 8_000_000
"""Tokens of a run's training text in which the nearest tune is looked for."""
MAX_TUNE_CHARS = 3000
"""Characters after which a fresh tune is ended."""


@dataclass(frozen=True, slots=True)
class Source:
    """A text with tunes in it, and what to call it."""

    name: str
    text: str


def source(where: str, runs: Path) -> Source:
    """The text that a person means by a file, `-`, or a run's name, perhaps with @best, @last or @STEP.

    A run's text is the samples of its newest checkpoint, or of the one that is named. Raises UserError.
    """
    if where == "-":
        return Source("standard input", decoded(sys.stdin.buffer.read(MAX_BYTES), "standard input"))
    path = Path(where)
    if path.is_file():
        if path.stat().st_size > MAX_BYTES:
            raise UserError(
                f"{path} has more than {MAX_BYTES >> 20} MiB", hint="cut it into smaller books"
            )
        try:
            return Source(str(path), decoded(path.read_bytes(), str(path)))
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}") from None
    if path.suffix.lower() == ".abc":
        raise UserError(f"there is no file {path}", hint="is the path right?")
    found = find_run(where, runs)
    step = int(found.run.checkpoint(found.spec).name.removeprefix("step-")) if found.spec else 0
    texts = _samples(found.run.samples_path, where, step)
    return Source(f"run {found.run.name}", "\n\n".join(texts))


def learnt(where: str, runs: Path) -> TuneIndex | None:
    """The tunes that a run learned from, to be asked for the nearest; None for a file or standard input."""
    from corpora.abc.nearest import TuneIndex
    from engine import tokenizers
    from engine.tokens import open_tokens
    from engine.training.session import tokenizer_files

    if where == "-" or Path(where).is_file():
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
    from corpora.encodings import BrokenTextError, NotTextError, decode, detect, survey

    file = io.BytesIO(data)
    try:
        chosen = detect(survey(iter([data])), file, name)
        text = "".join(decode(file, chosen, name))
    except NotTextError as error:
        raise UserError(error.message, hint="save it as plain text, best in UTF-8") from None
    except BrokenTextError as error:
        print(f"! {literal(error.message)}; such bytes are left out", file=sys.stderr)
        return data.decode("utf-8-sig", "ignore")
    if chosen.said:
        said = chosen.said.partition(";")[0]  # these commands have no --encoding
        print(f"{literal(name)}: read as {said}", file=sys.stderr)
    return text


def _samples(folder: Path, where: str, step: int) -> Iterator[str]:
    """What a run wrote at one checkpoint (0: the newest with samples), each with its prime before it."""
    files = sorted(folder.glob("step-*.jsonl"))
    if not files:
        raise RunError(
            f"{where} has no samples yet",
            hint="it writes them at its checkpoints; or write some: rnnstudio sample RUN --json",
        )
    named = [f for f in files if not step or int(f.stem.removeprefix("step-")) == step]
    if not named:
        steps = ", ".join(str(int(f.stem.removeprefix("step-"))) for f in files[-8:])
        raise RunError(
            f"no samples were written at step {step:,}", hint=f"there are some at {steps}"
        )
    for line in named[-1].read_text(encoding="utf-8").splitlines():
        body = load_object(line.encode(), what="a sample")
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

    torch.set_num_threads(1)
    loaded = open_run(where, runs, note=lambda text: print(text, file=sys.stderr))
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
    texts = [prime + sample.text for sample in sampler.write(request.copies(count))]
    tunes = [read_tune(text) for text in texts]
    for i, tune in enumerate(sorted(tunes, key=rank, reverse=True)[:keep], 1):
        tune.number = i
        yield tune
