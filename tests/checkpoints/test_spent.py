"""Where a run's time went, told by a log."""

from __future__ import annotations

from checkpoints import events as ev
from checkpoints.spent import Spent, spent

END = ev.Ended(step=20, run="runs/plays", reason="done", seconds=100.0)


def started(device: str) -> ev.Started:
    return ev.Started(
        step=0, run="runs/plays", corpus="plays.txt", genre="plays", chars=1, tokens=1, vocab_size=2,
        parameters=3, device=device, threads=1, model={}, training={},
    )  # fmt: skip


def look(step: int) -> list[ev.Event]:
    return [
        ev.Validation(
            step=step, nats_per_token=1.0, nats_per_char=1.0, bits_per_char=1.4, chars=1, tokens=1,
            protocol="carried", best=True, seconds=2.0,
        ),
        ev.Figures(step=step, model={}, human={}, seconds=1.0),
        ev.CheckpointWritten(step=step, path="p", reason="schedule", seconds=0.5),
    ]  # fmt: skip


def test_looks_are_told_apart_from_learning() -> None:
    found = spent([started("cpu"), *look(10), *look(20), END])
    assert found == Spent(all=100.0, held_out=4.0, samples=2.0, checkpoints=1.0)
    assert found.learning == 93.0


def test_samples_that_were_written_beside_training_took_none_of_its_time() -> None:
    found = spent([started("cuda"), *look(10), END])
    assert found == Spent(all=100.0, held_out=2.0, samples=0.0, checkpoints=0.5)


def test_a_run_without_an_end_does_not_say_how_long_it_was() -> None:
    assert spent([started("cpu"), *look(10)]) is None


def test_the_last_end_counts_all_that_came_before() -> None:
    found = spent(
        [
            started("cpu"),
            *look(10),
            END,
            *look(20),
            ev.Ended(step=30, run="r", reason="done", seconds=300.0),
        ]
    )
    assert found is not None
    assert (found.all, found.held_out) == (300.0, 4.0)
