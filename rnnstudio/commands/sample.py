"""`rnnstudio sample`: write with a trained model."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from checkpoints.errors import ConfigError, UserError
from checkpoints.files import reason
from engine.config import SampleConfig, check_seed
from rnnstudio.common import Json, RunsDir, runs_dir, say, say_json
from rnnstudio.completion import run_names
from rnnstudio.options import flag, with_settings

if TYPE_CHECKING:
    from corpora.genres import Genre
    from engine.load import LoadedModel
    from engine.sampling.stream import Piece, Request, Sample

EXAMPLE = "Example:  rnnstudio sample plays -n 3 --temperature 0.7 --prime KING"

LENGTH = 1000
WIDEST_BEAM = 1000
MAX_PRIME_BYTES = 64 << 20


@with_settings({SampleConfig: "filters"}, front=("temperature",))
def sample(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="Also RUN@best, RUN@last, RUN@STEP [the newest]",
            autocompletion=run_names,
        ),
    ] = "",
    *,
    length: Annotated[
        int | None, typer.Option(metavar="N", help=f"Characters [{LENGTH}]; 0: no limit")
    ] = None,
    prime: Annotated[str, typer.Option(metavar="TEXT", help="Text to go on from")] = "",
    prime_file: Annotated[
        str, typer.Option(metavar="FILE", help="The same from a file; - is stdin")
    ] = "",
    meter: Annotated[
        str,
        typer.Option(
            metavar="M", help="Open with a header in this metre, 6/8", rich_help_panel="tunes"
        ),
    ] = "",
    key: Annotated[
        str, typer.Option(metavar="K", help="And in this key, Ador", rich_help_panel="tunes")
    ] = "",
    rhythm: Annotated[
        str, typer.Option(metavar="R", help="And of this kind, jig", rich_help_panel="tunes")
    ] = "",
    bars_exact: Annotated[
        bool,
        typer.Option("--bars-exact", help="No bar that breaks the metre", rich_help_panel="tunes"),
    ] = False,
    stop: Annotated[str, typer.Option(metavar="TEXT", help="End before this would appear")] = "",
    until_document_end: Annotated[
        bool, typer.Option("--until-document-end", help="Let a tune or a recipe end by itself")
    ] = False,
    count: Annotated[
        int, typer.Option("-n", "--count", metavar="N", help="How many texts", show_default=False)
    ] = 1,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Of the first text; the next has N + 1 [random]")
    ] = None,
    greedy: Annotated[bool, typer.Option("--greedy", help="The likeliest token each time")] = False,
    beam: Annotated[
        int,
        typer.Option(metavar="K", help="The likeliest text: search K wide", show_default=False),
    ] = 0,
    best_of: Annotated[
        int,
        typer.Option(
            "--best-of", metavar="N", help="Write N, show the best and why", show_default=False
        ),
    ] = 0,
    raw: Annotated[bool, typer.Option("--raw", help="Unchanged, to a terminal too")] = False,
    device: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="auto, cpu, cuda or mps",
            show_default=False,
            rich_help_panel="machine",
        ),
    ] = "auto",
    threads: Annotated[
        int,
        typer.Option(
            metavar="N", help="CPU threads [1]", show_default=False, rich_help_panel="machine"
        ),
    ] = 1,
    runs: RunsDir = None,
    as_json: Json = False,
    settings: dict[str, Any],
) -> None:
    """Write text with a trained model. Filters apply in `--help filters`' order."""
    config = _config(settings, greedy=greedy)
    if greedy and beam:
        raise ConfigError(
            "--greedy takes the likeliest token each time, and --beam the likeliest text",
            hint="leave one of them out",
        )
    if raw and as_json:
        raise UserError("--raw and --json exclude each other", hint="leave one of them out")
    if count < 1 or beam < 0:
        raise ConfigError(
            f"-n is {count} and --beam {beam}", hint="use 1 or more texts, and 0 or more beams"
        )
    if beam > WIDEST_BEAM:
        raise ConfigError(
            f"a search {beam:,} wide would take hours", hint=f"use --beam {WIDEST_BEAM} at most"
        )
    if length is not None and length < 0:
        raise ConfigError(f"length is {length}", hint="use 0 (no limit) or more")
    if seed is not None:
        check_seed(seed)
    if best_of and (beam or raw or best_of < count):
        raise UserError(
            f"--best-of {best_of} does not go with --beam or --raw, nor with more texts (-n {count}) than it writes",
            hint=f"use --best-of {max(count, 10)} alone",
        )
    if beam and count > beam:
        raise UserError(
            f"a search {beam} wide finds {beam} texts, not {count}", hint=f"use --beam {count}"
        )
    prime = _prime(prime, prime_file)
    fields = {"meter": meter, "key": key, "rhythm": rhythm}
    if prime and any(fields.values()):
        raise UserError(
            "--meter, --key and --rhythm open the text, and so does a prime",
            hint="leave them out, or the prime",
        )
    if beam and settings:
        given = ", ".join(flag(name) for name in settings)
        raise ConfigError(
            f"{given} is for texts that are drawn, and --beam searches for the likeliest",
            hint="leave one of them out",
        )
    if bars_exact and beam:
        raise ConfigError(
            "--bars-exact is for texts that are drawn, and --beam searches",
            hint="leave one of them out",
        )

    import torch

    from engine import devices
    from engine.load import open_run
    from engine.sampling.prime import familiar
    from engine.sampling.stream import Request
    from rnnstudio.writing import JsonTexts, PlainTexts, Texts, in_order

    where, _ = devices.choose(device)
    # One text is a chain of products too small to share.
    torch.set_num_threads(devices.choose_threads(threads)[0] if threads else 1)
    loaded = open_run(run, runs_dir(runs), note=say)
    if bars_exact:
        _check_music(loaded)
    if any(fields.values()):
        prime = _genre(loaded).header(fields, titles=loaded.titles)
    loaded.model.to(where)
    if length is None:
        length = 0 if until_document_end else LENGTH
    _check_end(loaded, length, stop, until_document_end, alone=count == 1 and not as_json)
    if beam and not length:
        raise UserError("--beam must know how far to look", hint="give --length, for example 200")
    prime, notes = familiar(loaded.tokenizer, prime)
    for note in notes:
        say(note)
    drawn = not beam and config.temperature > 0
    if seed is None:
        seed = secrets.randbelow(2**31) if drawn else 0
    how = f"beam {beam}" if beam else f"temperature {config.temperature:g}" if drawn else "greedy"
    how += " · exact bars" * bars_exact
    if drawn:
        how += "".join(f" · {name} {value:g}" for name, value in _filters(config))
    say(f"{loaded.run} at step {loaded.step:,} · {how}" + f" · --seed {seed}" * drawn)
    if any(fields.values()):
        say("the header is given: " + " ".join(prime.splitlines()))
    request = Request(
        seed=seed, prime=prime, config=config, length=length, stop=stop, bars_exact=bars_exact, keep_text=as_json,
    )  # fmt: skip
    if best_of:
        _tell_best(loaded, request, count=count, best_of=best_of, as_json=as_json)
        return
    out: Texts
    if as_json:
        out = JsonTexts(loaded, beam=beam)
    elif raw and loaded.tokenizer.name == "byte":
        loaded, request, prime = _as_bytes(loaded, request)
        out = PlainTexts(request.copies(count), prime=prime, raw=True, encoding="latin-1")
    else:
        out = PlainTexts(request.copies(count), prime=prime, raw=raw)
    if beam:
        out.tell(_found(loaded, request, count=count, beam=beam))
    else:
        out.tell(in_order(_written(loaded, request, count=count)))


def _tell_best(
    loaded: LoadedModel, request: Request, *, count: int, best_of: int, as_json: bool
) -> None:
    """The best `count` of `best_of` texts, each with its place, its figures and why."""
    from engine.sampling.stream import Piece
    from rnnstudio.ranking import best_of as find_best
    from rnnstudio.writing import PlainTexts
    from rnnstudio.writing import as_json as described

    if not request.length:
        raise UserError("--best-of compares texts of one length", hint="give --length")
    best = find_best(loaded, request, best_of)[:count]
    if as_json:
        for place, (sample, rank) in enumerate(best, 1):
            why = {"place": place, "score": rank.score, "why": rank.why, "figures": rank.figures}
            say_json({**described(loaded, sample), **why})
        return
    items: list[Piece | Sample] = []
    for i, (sample, _) in enumerate(best):
        items += [Piece(i, sample.text), replace(sample, index=i)]
    requests = [sample.request for sample, _ in best]
    PlainTexts(requests, prime=request.prime, raw=False, live=False).tell(items)


def _written(loaded: LoadedModel, request: Request, *, count: int) -> Iterator[Piece | Sample]:
    from engine.sampling.compiled import can_compile
    from engine.sampling.sampler import Sampler

    if loaded.model.device.type == "cpu":
        can_compile(loaded.model)  # made now if it never was, and not in the first text's time
    sampler = Sampler(loaded.model, loaded.tokenizer, documents=loaded.documents)
    return sampler.stream(request.copies(count))


def _found(
    loaded: LoadedModel, request: Request, *, count: int, beam: int
) -> Iterator[Piece | Sample]:
    from engine.sampling.beam import write_likeliest
    from engine.sampling.stream import Piece

    model, tokenizer, documents = loaded.model, loaded.tokenizer, loaded.documents
    kept = replace(request, keep_text=True)
    for found in write_likeliest(model, tokenizer, kept, width=beam, documents=documents)[:count]:
        yield Piece(found.index, found.text)
        yield found


def _filters(config: SampleConfig) -> Iterator[tuple[str, float]]:
    """The options, with their values, that change what is drawn, as far as they are not as they would be anyway."""
    for field in fields(config):
        value = getattr(config, field.name)
        if field.name not in ("weights", "temperature") and value != field.default:
            yield flag(field.name), value


def _config(settings: dict[str, Any], *, greedy: bool) -> SampleConfig:
    if greedy and settings.get("temperature", 0) != 0:
        raise ConfigError(
            f"--greedy is temperature 0, and --temperature is {settings['temperature']:g}",
            hint="leave one of them out",
        )
    return SampleConfig(**(settings | {"temperature": 0.0} if greedy else settings))


def _genre(loaded: LoadedModel) -> Genre:
    from corpora import genres

    return genres.find(loaded.genre or genres.GENERAL)


def _check_music(loaded: LoadedModel) -> None:
    genre = _genre(loaded)
    if not genre.music:
        raise ConfigError(
            f"--bars-exact is for tunes, and run {loaded.run} writes {genre.title}",
            hint="leave it out, or use a run trained on tunes",
        )


def _check_end(
    loaded: LoadedModel, length: int, stop: str, until_document_end: bool, *, alone: bool
) -> None:
    if until_document_end and not loaded.documents:
        raise UserError(
            f"run {loaded.run} learned one long text, which has no documents that could end",
            hint="give --length or --stop instead",
        )
    if not (length or stop or loaded.documents or alone):
        raise UserError(
            "a text that never ends leaves no room for -n or --json", hint="give --length or --stop"
        )


def _prime(text: str, file: str) -> str:
    """The prime, from a file byte for byte but for its encoding's mark and its line ends, which become LF."""
    if not file:
        return text
    if text:
        raise UserError("--prime and --prime-file exclude each other", hint="leave one of them out")
    try:
        if file == "-":
            data = sys.stdin.buffer.read(MAX_PRIME_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                data = opened.read(MAX_PRIME_BYTES + 1)
    except OSError as error:
        raise UserError(
            f"{file} cannot be read: {reason(error)}", hint="is the path right?"
        ) from None
    if len(data) > MAX_PRIME_BYTES:
        raise UserError(
            f"{file} has more than {MAX_PRIME_BYTES >> 20} MiB", hint="give the part that matters"
        )
    try:
        read = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{file} is not UTF-8 at byte {error.start:,}", hint="save it as UTF-8"
        ) from None
    return read.replace("\r\n", "\n").replace("\r", "\n")


def _as_bytes(loaded: LoadedModel, request: Request) -> tuple[LoadedModel, Request, str]:
    """The same, writing characters that each stand for a byte (Latin-1), and the prime spelled so."""
    from engine.sampling.raw import RawBytes

    return (
        replace(loaded, tokenizer=RawBytes()),
        replace(request, stop=request.stop.encode().decode("latin-1")),
        request.prime.encode("utf-8", "surrogatepass").decode("latin-1"),
    )
