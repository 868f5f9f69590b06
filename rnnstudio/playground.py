"""The studio's second process: it reads corpora and holds models, and answers in JSON lines over a pipe.

    python -P -m rnnstudio.playground          (started by tui/child.py, one for a studio)

A request is one line of standard input, `{"id": 7, "op": "write", ...}`; answers are lines of standard output that
carry the same id: any number of `{"id": 7, "piece": ...}` and then one of `{"id": 7, "done": {...}}`, `{"id": 7,
"error": "what happened", "hint": "what to do"}` or `{"id": 7, "stopped": true}`. `{"op": "stop"}` ends the request
that is being answered. The process ends with its standard input. It imports torch when a model is first asked for,
so that looking at a corpus does not wait for it.

    op        asks                                          is answered
    corpus    paths, cache                                  card of the text: size, genre, encoding, preview, notes
    speed     model (ModelConfig), vocab_size               tokens_per_s of training steps, weights
    write     model (a path or NAME@STEP), runs, prompt,    where the prompt has characters that the model never saw
              seed, length, settings                        a piece with prime, notes; then pieces of text; then
                                                            reason, seed, nats_per_char, stuck
    next      model, runs, text, settings, count            likeliest next tokens: text, own and filtered probability
    surprise  model, runs, text                             each token: text, nats, the five likeliest in its place:
                                                            text, probability, what it puts there
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from checkpoints.checkpoint import MANIFEST
from checkpoints.errors import RnnStudioError

if TYPE_CHECKING:
    from engine.load import LoadedModel
    from engine.sampling.sampler import Sampler

CHUNK_S = 0.03
"""Pieces of text are gathered this long before they are sent."""
MOST_LOADED = 3
SPEED_S = 0.4
"""How long each number of threads is timed."""
PREVIEW_CHARS = 2_000
SURPRISE_CHARS = 20_000
ALTERNATIVES = 5

Body = Mapping[str, Any]
Answer = dict[str, Any]


class Stopped(Exception):  # noqa: N818 - an outcome, no fault
    """The request that was being answered is no longer wanted."""


class Playground:
    """Answers requests one after the other. `tell` sends an answer's part; `wanted` says whether to go on."""

    def __init__(self, tell: Callable[[Answer], None], wanted: Callable[[], bool]) -> None:
        self._tell = tell
        self._wanted = wanted
        self._models: dict[str, tuple[LoadedModel, Sampler, int]] = {}
        """By what was asked for, with the time at which each checkpoint was written; the one used last is last."""
        self._ops: dict[str, Callable[[Body], Answer]] = {
            "corpus": self._corpus,
            "speed": self._speed,
            "write": self._write,
            "next": self._next,
            "surprise": self._surprise,
        }

    def answer(self, body: Body) -> Answer:
        """The last line of the answer to a request, without its id."""
        op = self._ops.get(str(body.get("op")))
        if op is None:
            return {"error": f"there is no request {body.get('op')!r}", "hint": ""}
        try:
            return {"done": op(body)}
        except Stopped:
            return {"stopped": True}
        except RnnStudioError as error:
            return {"error": error.message, "hint": error.hint}
        except (KeyError, TypeError, ValueError) as error:
            return {"error": f"a fault of ours in {body.get('op')}: {error!r}", "hint": ""}
        except OSError as error:
            return {"error": str(error), "hint": "look at the file and its permissions"}

    def _check(self) -> None:
        if not self._wanted():
            raise Stopped

    def _corpus(self, body: Body) -> Answer:
        """The card of a corpus: read whole, exactly as training would read it."""
        from corpora import catalogue, genres
        from corpora.reading import read_corpus

        notes: list[str] = []
        cache = Path(body["cache"]) if body.get("cache") else catalogue.default_cache()
        paths: list[str | Path] = []
        for name in body["paths"]:
            known = catalogue.resolve(name, note=notes.append)
            paths.append(name if known is None else known)

        def progress(done: int, total: int | None) -> None:
            self._check()
            if total:
                self._tell({"piece": done / total})

        corpus = read_corpus(paths, cache, note=notes.append, progress=progress)
        sample = corpus.text(0, min(corpus.chars, genres.SAMPLE_CHARS))
        genre, why = genres.detect(sample)
        once = sum(1 for count in corpus.counts.values() if count == 1)
        return {
            "chars": corpus.chars,
            "size_bytes": corpus.size_bytes,
            "vocabulary": len(corpus.counts),
            "once": once,
            "files": len(corpus.sources),
            "encodings": sorted({source.encoding for source in corpus.sources}),
            "genre": genre.name,
            "genre_title": genre.title,
            "why": why,
            "documents": genre.documents,
            "preview": sample[:PREVIEW_CHARS],
            "notes": notes,
        }

    def _speed(self, body: Body) -> Answer:
        """Training steps of a model like the one asked for, timed on this machine's processors as the trainer does."""
        from engine.config import ModelConfig, TrainConfig, from_json
        from engine.devices import CPU, choose_threads
        from engine.training.calibration import fastest, halvings

        most, _ = choose_threads(0)
        _, measured = fastest(
            from_json(ModelConfig, body["model"]),
            TrainConfig(),
            vocab_size=int(body["vocab_size"]),
            device=CPU,
            threads=halvings(most),
            seconds=SPEED_S,
        )
        return {"tokens_per_s": measured.tokens_per_s, "weights": measured.weights}

    def _model(self, body: Body) -> tuple[LoadedModel, Sampler]:
        import torch

        from engine.load import open_run
        from engine.sampling.sampler import Sampler

        torch.set_num_threads(1)
        name = str(body["model"])
        held = self._models.pop(name, None)
        # A run that was made anew, or resumed from before it, has written other weights in the same place.
        if held is None or _written_ns(held[0].path) not in (0, held[2]):
            loaded = open_run(name, Path(body["runs"]))
            written_ns = _written_ns(loaded.path)
            sampler = Sampler(loaded.model, loaded.tokenizer, documents=loaded.documents)
            held = (loaded, sampler, written_ns)
            while len(self._models) >= MOST_LOADED:
                self._models.pop(next(iter(self._models)))
        self._models[name] = held
        return held[:2]

    def _write(self, body: Body) -> Answer:
        from engine.config import SampleConfig, from_json
        from engine.sampling.prime import familiar
        from engine.sampling.stream import Piece, Request
        from engine.sampling.stuck import stuck

        loaded, sampler = self._model(body)
        prime, notes = familiar(loaded.tokenizer, str(body["prompt"]))
        if notes:
            self._tell({"piece": {"prime": prime, "notes": notes}})
        request = Request(
            seed=int(body["seed"]),
            prime=prime,
            config=from_json(SampleConfig, body.get("settings", {})),
            length=int(body.get("length", 400)),
        )
        held: list[str] = []
        sent = time.monotonic()
        done: Answer = {}
        for item in sampler.stream([request]):
            self._check()
            if isinstance(item, Piece):
                held.append(item.text)
            else:
                done = {
                    "reason": item.reason,
                    "nats_per_char": item.nats_per_char,
                    "seed": request.seed,
                    "stuck": stuck(prime + item.text),
                }
            if done or time.monotonic() - sent >= CHUNK_S:
                self._tell({"piece": "".join(held)})
                held, sent = [], time.monotonic()
        return done

    def _next(self, body: Body) -> Answer:
        """What may follow a text: the model's own probabilities, and those that are drawn from after the filters."""
        import torch

        from engine.config import SampleConfig, from_json
        from engine.model import no_number
        from engine.sampling import filters
        from engine.sampling.prime import familiar, prime_ids, read

        loaded, _ = self._model(body)
        config = from_json(SampleConfig, body.get("settings", {}))
        text, _ = familiar(loaded.tokenizer, str(body["text"]))
        ids = prime_ids(loaded.tokenizer, text, documents=loaded.documents)
        state = read(loaded.model, ids[:-1], loaded.model.initial_state(1))
        with torch.inference_mode():
            logits, _ = loaded.model.step(torch.tensor([int(ids[-1])]), state)
        own = torch.log_softmax(logits.double(), dim=-1)
        if own.isnan().any():
            raise no_number()
        recent = torch.full((1, filters.REPETITION_WINDOW), -1, dtype=torch.int64)
        tail = torch.from_numpy(ids[-filters.REPETITION_WINDOW :].astype("int64"))
        recent[0, -len(tail) :] = tail
        drawn = filters.apply(own, config, recent).exp()[0]
        own = own.exp()[0]
        found = torch.topk(own, min(int(body.get("count", 12)), len(own)))
        entropy = float(-(own * own.clamp_min(1e-300).log2()).sum())
        return {
            "tokens": [
                {"text": _name(loaded, int(i)), "p": float(own[i]), "q": float(drawn[i])}
                for i in found.indices
            ],
            "entropy_bits": entropy,
        }

    def _surprise(self, body: Body) -> Answer:
        """How unlikely each token of a text was, and what the model would rather have written."""
        import torch

        from engine.model import no_number
        from engine.sampling.prime import CHUNK, prime_ids

        loaded, _ = self._model(body)
        text = str(body["text"])[:SURPRISE_CHARS]
        wanted = loaded.tokenizer.encode(text).astype("int64")
        before = prime_ids(loaded.tokenizer, "", documents=loaded.documents)
        ids = torch.from_numpy(wanted)
        inputs = torch.cat([torch.from_numpy(before), ids])[: len(before) + len(ids) - 1]
        state = loaded.model.initial_state(1)
        rows: list[Answer] = []
        row: Answer = {}
        decoder = loaded.tokenizer.decoder()
        skip = len(before) - 1
        for start in range(0, len(inputs), CHUNK):
            self._check()
            with torch.inference_mode():
                logits, state = loaded.model(inputs[start : start + CHUNK].unsqueeze(1), state)
                logp = torch.log_softmax(logits[:, 0].double(), dim=-1)  # (T, V)
                if logp.isnan().any():
                    raise no_number()
                best = torch.topk(logp, min(ALTERNATIVES, logp.shape[-1]), dim=-1)
            for i in range(len(logp)):
                at = start + i - skip
                if at < 0:
                    continue
                token = int(wanted[at])
                if not row:
                    likely = zip(
                        best.values[i].exp().tolist(), best.indices[i].tolist(), strict=True
                    )
                    row = {"nats": 0.0, "rather": [_likely(loaded, t, p) for p, t in likely]}
                row["nats"] -= float(logp[i, token])
                row["text"] = decoder.push(token)
                if row["text"]:  # bytes that only together make a character are told as one
                    rows.append(row)
                    row = {}
        return {"tokens": rows, "nats": sum(row["nats"] for row in rows), "chars": len(text)}


def _written_ns(checkpoint: Path) -> int:
    """When a checkpoint was written; 0 where it is not there any more."""
    try:
        return (checkpoint / MANIFEST).stat().st_mtime_ns
    except OSError:
        return 0


def _likely(loaded: LoadedModel, token: int, p: float) -> Answer:
    """A token as it is shown, and the text that it puts: none where it ends the document or is part of a character."""
    put = loaded.tokenizer.decoder().push(token)
    return {"text": _name(loaded, token), "p": p, "put": put}


def _name(loaded: LoadedModel, token: int) -> str:
    """A token for display; the document's end has a name of its own."""
    return loaded.tokenizer.token_text(token) if token != loaded.tokenizer.document_end else "<end>"


def serve(lines: Iterator[str], out: TextIO) -> None:
    """Answer the requests of `lines` until they end; `stop` reaches the request being answered."""
    waiting: queue.Queue[Answer | None] = queue.Queue()
    stopped: set[int] = set()
    current = 0

    def listen() -> None:
        for line in lines:
            try:
                body = json.loads(line)
            except ValueError:
                continue
            if not isinstance(body, dict):
                continue
            if body.get("op") == "stop":
                stopped.add(int(body.get("id", 0)))
            else:
                waiting.put(body)
        stopped.add(-1)  # nobody listens any more
        waiting.put(None)

    def tell(part: Answer) -> None:
        out.write(json.dumps({"id": current, **part}) + "\n")
        out.flush()

    playground = Playground(tell, lambda: not stopped & {current, -1})
    threading.Thread(target=listen, name="requests", daemon=True).start()
    while (body := waiting.get()) is not None:
        current = int(body.get("id", 0))
        tell({"stopped": True} if current in stopped else playground.answer(body))


def main() -> None:
    """Speak over the pipe that the studio opened."""
    try:
        serve(iter(sys.stdin.readline, ""), sys.stdout)
    except (BrokenPipeError, KeyboardInterrupt):
        sys.exit(0)


if __name__ == "__main__":
    main()
