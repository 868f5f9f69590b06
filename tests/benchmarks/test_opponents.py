"""The opponents are what was published, and are judged as ours is."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from benchmarks import contest
from benchmarks.opponents import OPPONENTS
from benchmarks.opponents.base import Opponent
from benchmarks.opponents.min_rnn import MinCell, Scan, scan_by_logarithms
from engine import allocator


@pytest.mark.parametrize(
    "name", ["char-rnn", "torch-rnn", "word_language_model", "nanogpt-cpu", "mingru-small"]
)
def test_every_opponent_learns(name: str) -> None:
    torch.manual_seed(1)
    tokens = torch.arange(600) % 7
    opponent = OPPONENTS[name](tokens, tokens[:300], 7)
    losses = [opponent.step(i / 5) for i in range(5)]
    assert losses[-1] < losses[0]
    assert opponent.tokens_read > 0


@pytest.mark.parametrize("gates", [1, 2])
def test_the_scan_is_the_papers_recurrence(gates: int) -> None:
    torch.manual_seed(1)
    cell = MinCell(5, gates)
    x = torch.randn(9, 2, 5, requires_grad=True)
    parts = cell.inputs(x).chunk(gates + 1, dim=-1)
    candidate = torch.where(parts[-1] >= 0, parts[-1] + 0.5, parts[-1].sigmoid())
    if gates == 1:
        keep, take = 1 - parts[0].sigmoid(), parts[0].sigmoid()
    else:
        f, i = parts[0].sigmoid(), parts[1].sigmoid()
        keep, take = f / (f + i), i / (f + i)
    h, expected = torch.zeros(2, 5), []
    for t in range(9):
        h = keep[t] * h + take[t] * candidate[t]
        expected.append(h)
    torch.testing.assert_close(cell(x), torch.stack(expected), rtol=1e-4, atol=1e-5)
    weights = [*cell.parameters(), x]
    ours, theirs = (
        torch.autograd.grad(out.square().sum(), weights) for out in (cell(x), torch.stack(expected))
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_the_scan_by_logarithms_is_the_scan() -> None:
    torch.manual_seed(1)
    a, b = torch.rand(2, 256, 2, 5, dtype=torch.float64).requires_grad_()
    both = [Scan.apply(a, b), scan_by_logarithms(a.log(), b.log())]
    torch.testing.assert_close(both[1], both[0], rtol=1e-4, atol=1e-5)
    gradients = [torch.autograd.grad(h.square().sum(), [a, b]) for h in both]
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-3, atol=1e-4)


def test_opponents_have_as_many_weights_as_the_originals_tell_of_shakespeare() -> None:
    tokens = torch.arange(600) % 65
    weights = {}
    for name in ("char-rnn", "nanogpt-cpu", "nanogpt-gpu"):
        named = OPPONENTS[name](tokens, tokens, 65).named_parameters()
        weights[name] = sum(p.numel() for called, p in named if called != "wpe.weight")
    assert weights["char-rnn"] == 240_321
    assert round(weights["nanogpt-cpu"] / 1e6, 2) == 0.80  # it does not count places
    assert round(weights["nanogpt-gpu"] / 1e6, 2) == 10.65


def test_recurrent_opponents_begin_as_published() -> None:
    tokens = torch.arange(600) % 7
    for name, bound in (("char-rnn", 0.08), ("torch-rnn", 0.0)):
        lstm = OPPONENTS[name](tokens, tokens, 7).get_submodule("lstm")
        for layer in range(2):
            x, h = (lstm.get_parameter(f"bias_{kind}_l{layer}") for kind in ("ih", "hh"))
            assert (x.chunk(4)[1] == 1).all()
            assert h.abs().max() <= bound
            assert (h.chunk(4)[1] != 0).any() == (bound > 0)


def test_rates_follow_the_passes_as_published() -> None:
    tokens = torch.arange(600) % 7

    def rates(name: str, passes: Sequence[int]) -> list[float]:
        opponent: Any = OPPONENTS[name](tokens, tokens, 7)
        found = []
        for n in passes:
            opponent.tokens_read = n * 600
            found.append(opponent.rate() / 2e-3)
        return found

    assert rates("char-rnn", (0, 9, 10, 11)) == pytest.approx([1, 1, 0.97, 0.97**2])
    assert rates("torch-rnn", (0, 3, 4, 8, 9)) == [1, 1, 0.5, 0.5, 0.25]


def test_nanogpts_rate_climbs_for_a_hundred_steps_and_falls_over_the_budget() -> None:
    tokens = torch.arange(600) % 7
    opponent: Any = OPPONENTS["nanogpt-cpu"](tokens, tokens, 7)
    assert opponent._rate(0.0) == pytest.approx(1e-3 / 101)
    opponent.steps = 50
    assert opponent._rate(0.5) == pytest.approx(1e-3 * 51 / 101)
    opponent.steps = 100
    assert opponent._rate(0.001) > 0.99e-3
    assert opponent._rate(1.0) == pytest.approx(1e-4)


class Counter(Opponent):
    """Forgets what it learned: the held-out loss is the number of its steps."""

    name, about = "counter", "counts"
    made: ClassVar[list[Counter]] = []

    def __init__(self, train: torch.Tensor, valid: torch.Tensor, vocab_size: int) -> None:
        super().__init__(train, valid, vocab_size)
        self.steps = 0
        self.made.append(self)

    def forward(self, tokens: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        one_hot = torch.nn.functional.one_hot((tokens + 1) % self.vocab_size, self.vocab_size)
        return one_hot * -float(self.steps), state

    def step(self, progress: float) -> float:
        del progress
        self.steps += 1
        return 0.0


def test_an_opponents_first_calls_cost_it_nothing_and_its_best_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counter, "made", [])
    kept: list[bool] = []
    monkeypatch.setattr(allocator, "keep_freed", lambda: kept.append(True))
    monkeypatch.setitem(contest.CLOCKS, "wall", map(float, itertools.count()).__next__)  # type: ignore[arg-type]
    text = contest.Text(tmp_path, "abcdefg" * 100)
    scores = [*contest.theirs(Counter, text, minutes=[4 / 60, 8 / 60])]
    assert kept == [True]  # as ours keeps it
    assert [one.steps for one in Counter.made] == [1, 8]
    assert [score.steps for score in scores] == [4, 8]
    assert scores[0].carried < scores[1].carried
    assert scores[1].best == scores[0].carried


def test_what_has_no_state_is_judged_with_half_a_window_before_it() -> None:
    class Late(torch.nn.Module):
        """Knows what follows, but for the first two tokens of a window."""

        def initial_state(self, _lanes: int) -> tuple[()]:
            return ()

        def forward(self, tokens: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
            logits = 100.0 * torch.nn.functional.one_hot((tokens + 1) % 5, 5)
            logits[:2] = 0.0
            return logits, state

    tokens, even = torch.arange(22) % 5, torch.tensor(5.0).log().item()
    carried, windows = contest.judge(Late(), tokens, chars=22, window=4, carries=False)
    assert carried == pytest.approx(0, abs=1e-6)
    assert windows == pytest.approx(even / 2)
    # A text shorter than a window is one window.
    assert contest.judge(Late(), tokens[:3], chars=3, window=4)[1] == pytest.approx(even)


def test_the_judge_reads_every_character_once() -> None:
    class Even(torch.nn.Module):
        def initial_state(self, _lanes: int) -> tuple[()]:
            return ()

        def forward(self, tokens: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
            return torch.zeros(*tokens.shape, 5), state

    carried, windows = contest.judge(Even(), torch.arange(21) % 5, chars=21, window=4)
    assert carried == pytest.approx(windows) == pytest.approx(torch.tensor(5.0).log().item())
