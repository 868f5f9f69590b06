"""Windows of text: every token is learned, in order, and state starts anew only where a text does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints.errors import CheckpointError, CorpusError
from engine.ids import IGNORE
from engine.training.lanes import ContinuousLanes, DocumentLanes, Lanes, fits

END = 99


def followed(lanes: Lanes, windows: int) -> list[list[list[int]]]:
    """Each lane's texts, as the tokens that it was asked to predict; a new list where it was fresh."""
    texts: list[list[list[int]]] = [[] for _ in range(lanes.lanes)]
    for _ in range(windows):
        window = lanes.next()
        assert window.inputs.shape == window.targets.shape == (lanes.bptt, lanes.lanes)
        for lane in range(lanes.lanes):
            if window.fresh[lane]:
                texts[lane].append([])
            targets = window.targets[:, lane]
            kept = targets[targets != IGNORE]
            # Padding stands behind the text only.
            assert (targets[: len(kept)] == kept).all()
            # Each input is the target before it.
            assert (window.inputs[1 : len(kept), lane] == kept[:-1]).all()
            texts[lane][-1].extend(kept.tolist())
    return texts


@given(
    n=st.integers(2, 200),
    lanes=st.integers(1, 7),
    bptt=st.integers(1, 20),
    windows=st.integers(1, 60),
)
def test_a_continuous_lane_reads_on_and_starts_again_at_the_end(
    n: int, lanes: int, bptt: int, windows: int
) -> None:
    tokens = np.arange(n)
    for lane, texts in enumerate(
        followed(ContinuousLanes(tokens, lanes=lanes, bptt=bptt), windows)
    ):
        start = lane * n // lanes
        # The first pass begins in the lane's own place, each later one at the text's beginning; all run to its end.
        for number, text in enumerate(texts):
            begin = start + 1 if number == 0 else 1
            assert text == list(range(begin, begin + len(text)))
            if number + 1 < len(texts):
                assert begin + len(text) == n or begin >= n


def documents(lengths: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Documents whose tokens tell which one they are from, each with its end."""
    pieces = [np.append(np.full(length, i), END) for i, length in enumerate(lengths)]
    starts = np.cumsum([0, *(len(p) for p in pieces)])[:-1]
    return np.concatenate(pieces), starts


@given(
    lengths=st.lists(st.integers(0, 30), min_size=1, max_size=12),
    lanes=st.integers(1, 5),
    bptt=st.integers(1, 16),
    seed=st.integers(0, 5),
)
def test_no_document_leaks_into_another(
    lengths: list[int], lanes: int, bptt: int, seed: int
) -> None:
    tokens, starts = documents(lengths)
    source = DocumentLanes(tokens, starts, document_end=END, lanes=lanes, bptt=bptt, seed=seed)
    for texts in followed(source, 40):
        for text in texts[:-1]:
            assert text[-1] == END
            assert len(set(text[:-1])) <= 1
            assert not text[:-1] or len(text) - 1 == lengths[text[0]]


def test_a_document_begins_with_the_end_of_the_one_before_as_its_input() -> None:
    tokens, starts = documents([3, 4])
    source = DocumentLanes(tokens, starts, document_end=END, lanes=1, bptt=2, seed=0)
    window = source.next()
    assert window.inputs[0, 0] == END
    following = source.next()
    assert following.inputs[0, 0] == window.targets[1, 0]


def test_every_document_comes_once_a_pass_in_a_new_order() -> None:
    tokens, starts = documents([1] * 30)
    source = DocumentLanes(tokens, starts, document_end=END, lanes=1, bptt=4, seed=2)
    seen = [text[0] for text in followed(source, 60)[0]]
    assert sorted(seen[:30]) == sorted(seen[30:]) == list(range(30))
    assert seen[:30] != seen[30:]


def sources() -> list[Lanes]:
    tokens, starts = documents([5, 1, 9, 3, 30, 2])
    return [
        ContinuousLanes(np.arange(101), lanes=3, bptt=7),
        DocumentLanes(tokens, starts, document_end=END, lanes=3, bptt=7, seed=1),
    ]


@pytest.mark.parametrize("kind", [0, 1], ids=["continuous", "documents"])
@pytest.mark.parametrize("before", [0, 1, 5, 23])
def test_a_position_goes_on_with_the_very_next_token(kind: int, before: int) -> None:
    whole, resumed = sources()[kind], sources()[kind]
    for _ in range(before):
        whole.next()
    resumed.seek(whole.position())
    for _ in range(30):
        expected, found = whole.next(), resumed.next()
        assert (expected.inputs == found.inputs).all()
        assert (expected.targets == found.targets).all()
        assert (expected.fresh == found.fresh).all()


@pytest.mark.parametrize("kind", [0, 1], ids=["continuous", "documents"])
def test_a_position_of_another_text_or_of_nonsense_is_refused(kind: int) -> None:
    source = sources()[kind]
    good = source.position()
    for key, value in {
        "kind": "other",
        "tokens": 7,
        "at": [1],
        "document": [0, 0, 10**9],
        "offset": "x",
        "pass": -1,
        "taken": None,
        "fresh": 3,
    }.items():
        if key in good:
            with pytest.raises(CheckpointError):
                source.seek({**good, key: value})
    source.seek(good)


@given(tokens=st.integers(0, 10**7), lanes=st.integers(1, 512), bptt=st.integers(1, 1024))
def test_lanes_and_windows_shrink_to_fit(tokens: int, lanes: int, bptt: int) -> None:
    if tokens <= 16:
        with pytest.raises(CorpusError, match="less than one window"):
            fits(tokens, lanes, bptt)
        return
    fitting_lanes, fitting_bptt, said = fits(tokens, lanes, bptt)
    assert 1 <= fitting_lanes <= lanes
    assert 1 <= fitting_bptt <= bptt
    if lanes * bptt <= tokens // 2:
        assert (fitting_lanes, fitting_bptt, said) == (lanes, bptt, "")
    elif bptt >= 16:
        assert fitting_lanes * fitting_bptt <= tokens // 2 or (fitting_lanes, fitting_bptt) == (
            1,
            16,
        )
    assert bool(said) == ((fitting_lanes, fitting_bptt) != (lanes, bptt))
