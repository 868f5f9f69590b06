"""What is learned from a corpus is a matter of its text alone, and of bounded memory."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.tokenizers import _corpus
from engine.tokenizers._corpus import survey

from .texts import any_text, cut_somewhere


@given(text=any_text, places=st.lists(st.integers(0, 10_000), max_size=9))
def test_counts_agree_with_a_counter(text: str, places: list[int]) -> None:
    counts, sample = survey(cut_somewhere(text, places))
    assert counts.total == len(text)
    assert "".join(sample) == text
    expected = Counter(c for c in text if not "\ud800" <= c <= "\udfff")
    ranked = sorted(expected, key=lambda c: (-expected[c], c))
    assert counts.most_common(5) == "".join(sorted(ranked[:5]))
    assert counts.most_common(99, without="a ") == "".join(sorted(set(expected) - {"a", " "})[:99])


def test_coverage_leaves_out_the_rarest() -> None:
    counts, _ = survey(["a" * 90 + "b" * 9 + "c"])
    assert counts.most_common(9, coverage=0.9) == "a"
    assert counts.most_common(9, coverage=0.95) == "ab"
    assert counts.most_common(9, coverage=0.999) == "abc"


@pytest.mark.parametrize("size", [1, 3, 10, 64, 1000])
def test_a_large_corpus_is_sampled_evenly_however_it_is_cut(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_corpus, "PIECE", 10)
    monkeypatch.setattr(_corpus, "SAMPLE_PIECES", 4)
    text = "".join(chr(0x4E00 + i) for i in range(175))
    counts, sample = survey(text[i : i + size] for i in range(0, len(text), size))
    assert counts.total == 175
    # 18 pieces, thinned to every second and then every fourth, and eighth.
    assert sample == [text[0:10], text[80:90], text[160:170]]
