"""Starting a run: one process, or several under torchrun, of which the first prepares it."""

from __future__ import annotations

from pathlib import Path

from checkpoints.errors import RunStopped
from checkpoints.runs import RunFolder
from corpora.reading import Progress
from engine import devices
from engine.training.distributed import World
from engine.training.prepare import Request, prepare
from engine.training.prepare import silent as no_note
from engine.training.run import Listener, Outcome, silent, train_run
from engine.training.text import Note


def launch(
    request: Request,
    *,
    hear: Listener = silent,
    note: Note = no_note,
    progress: Progress | None = None,
) -> Outcome:
    """Prepare the run that was asked for and train it. Raises what `prepare` and `train_run` do."""
    device, _ = devices.choose(request.device)
    world = World.join(device)
    if not world.leads:
        try:
            return train_run(RunFolder(Path(world.tell(""))))
        except RuntimeError as error:  # Gloo and NCCL have no other
            if "peer" not in str(error) and "onnection" not in str(error):
                raise
            raise RunStopped(
                f"process {world.rank} lost the others", hint="process 0 says why, above or below"
            ) from error
    ready = prepare(request, note=note, progress=progress)
    world.tell(str(ready.run.path.resolve()))
    return train_run(ready.run, hear=hear, notes=ready.notes, weights=ready.weights)
