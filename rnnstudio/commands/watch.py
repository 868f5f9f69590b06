"""`rnnstudio watch`: follow a run that is trained elsewhere, from its folder alone."""

from __future__ import annotations

import time

from rnnstudio.common import Json, RunName, RunsDir, listener, runs_dir, whole_run

EXAMPLE = "Example:  rnnstudio watch plays    (no name: the newest run)"

POLL_S = 0.25


def watch(
    run: RunName = "",
    *,
    runs: RunsDir = None,
    as_json: Json = False,
) -> None:
    """Follow a run's progress and samples as they come; Ctrl-C leaves, the run goes on."""
    from checkpoints.errors import RunError
    from checkpoints.eventlog import EventReader
    from checkpoints.events import Ended, Resumed, encode
    from checkpoints.lock import live

    folder = whole_run(run, runs_dir(runs))
    reader = EventReader(folder.path / "events.jsonl")
    voice = listener(as_json, folder)
    ended = False
    try:
        while True:
            alive, before = live(folder.path) is not None, reader.offset
            for event in reader.poll():
                ended = isinstance(event, Ended) or (ended and not isinstance(event, Resumed))
                voice.event(event, encode(event))
                if voice.lost:  # `| head` has what it wanted; the run goes on
                    return
            if reader.offset == before:  # a long log comes in parts
                if not alive:
                    break
                time.sleep(POLL_S)
    finally:
        voice.close()
    if not ended:
        raise RunError(
            f"run {folder.name} stopped without a last word",
            hint=f"go on from its newest checkpoint: rnnstudio resume {folder.called}",
        )
