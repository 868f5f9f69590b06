"""What is particular to bpe and unigram: how text is cut agrees with the definitions, whatever it holds."""

from __future__ import annotations

import json
import math
from functools import cache
from itertools import pairwise

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoints.errors import CheckpointError, ConfigError
from engine.tokenizers import load
from engine.tokenizers._sentencepiece import model_proto
from engine.tokenizers._subword import SubwordTokenizer
from engine.tokenizers.bpe import BpeTokenizer
from engine.tokenizers.unigram import UnigramTokenizer

from .texts import CORPUS

PIECES = [
    *[(c, -9.0) for c in " abcé漢<>x0"],
    *[("ab", -1.5), ("bc", -2.25), (" a", -3.0), ("abc", -4.0), ("  ", -5.0), (" ab", -6.5)],
]
texts = st.text(alphabet=st.sampled_from(" aabbcé漢<>x0zß"), max_size=12)
both = pytest.mark.parametrize("kind", [BpeTokenizer, UnigramTokenizer])


def naive_bpe(text: str) -> list[str]:
    """Join the neighbours whose union scores best, the leftmost of equals, until none has a score."""
    scores = dict(PIECES)
    parts = list(text)
    while True:
        pairs = [(-scores[a + b], i) for i, (a, b) in enumerate(pairwise(parts)) if a + b in scores]
        if not pairs:
            return parts
        _, i = min(pairs)
        parts[i : i + 2] = [parts[i] + parts[i + 1]]


def best_score_of_all_ways_to_cut(text: str) -> float:
    """By trying every one; a character without a piece costs ten below the worst, as in sentencepiece."""
    scores = dict(PIECES)
    unknown = min(scores.values()) - 10

    @cache
    def best(rest: str) -> float:
        if not rest:
            return 0.0
        ways = [
            scores[rest[:n]] + best(rest[n:]) for n in range(1, len(rest) + 1) if rest[:n] in scores
        ]
        if rest[0] not in scores:
            ways.append(unknown + best(rest[1:]))
        return max(ways)

    return best(text)


def names(tokenizer: SubwordTokenizer, text: str) -> list[str]:
    return [tokenizer.token_text(int(i)) for i in tokenizer.encode(text)]


def as_bytes(character: str) -> list[str]:
    return [chr(b) if b < 128 else f"<{b:02X}>" for b in character.encode()]


@given(text=texts)
@settings(max_examples=120, deadline=None)
def test_bpe_joins_pairs_in_the_order_of_their_scores(text: str) -> None:
    known = dict(PIECES)
    expected = [
        n for part in naive_bpe(text) for n in ([part] if part in known else as_bytes(part))
    ]
    assert names(BpeTokenizer(PIECES), text) == expected


@given(text=texts)
@settings(max_examples=120, deadline=None)
def test_unigram_takes_the_likeliest_of_all_ways(text: str) -> None:
    known = dict(PIECES)
    unknown = [c for c in text if c not in known]
    tokenizer = UnigramTokenizer(PIECES)
    taken = [int(i) - 256 for i in tokenizer.encode(text) if i >= 256]
    score = sum(PIECES[i][1] for i in taken) + (min(known.values()) - 10) * len(unknown)
    assert math.isclose(score, best_score_of_all_ways_to_cut(text), abs_tol=1e-3)


@both
def test_the_model_written_here_reads_as_sentencepiece_wrote_it(
    kind: type[SubwordTokenizer],
) -> None:
    model = sentencepiece.SentencePieceProcessor(model_proto=model_proto(kind.kind, PIECES))
    assert model.get_piece_size() == 257 + len(PIECES)
    assert model.unk_id() == 0
    assert (model.bos_id(), model.eos_id(), model.pad_id()) == (-1, -1, -1)
    assert model.is_unknown(0)
    assert all(model.is_byte(i) for i in range(1, 257))
    assert not any(model.is_byte(257 + i) or model.is_control(257 + i) for i in range(len(PIECES)))
    assert [model.get_score(257 + i) for i in range(len(PIECES))] == [s for _, s in PIECES]
    assert model.decode([257, 258]) == " a"


def test_golden() -> None:
    corpus = "low lower lowest low low new newer newest\n" * 4
    bpe = BpeTokenizer.learn([corpus])
    assert names(bpe, "lower\nlows") == ["low", "er", "\n", "low", "s"]
    assert names(bpe, " newest") == [" newest"]
    assert names(bpe, "é\t") == ["<C3>", "<A9>", "\t"]
    assert bpe.encode("é\t\n").tolist() == [0xC3, 0xA9, 9, 10]


@both
def test_indentation_is_a_token_or_two(kind: type[SubwordTokenizer]) -> None:
    tokenizer = kind.learn(["if x:\n    return\n        y\n" * 50])
    assert names(tokenizer, "\n    return")[:2] == ["\n", "    "]
    assert names(tokenizer, "\n        y")[1:] in (["        ", "y"], ["    ", "    ", "y"])


@both
def test_a_cap_holds_and_a_small_corpus_gives_less(kind: type[SubwordTokenizer]) -> None:
    assert 350 < kind.learn([CORPUS * 20], vocab_size=400).vocab_size <= 400
    small = kind.learn(["a few words are all there is"], vocab_size=5000)
    assert 257 < small.vocab_size < 400
    with pytest.raises(ConfigError, match="too large") as caught:
        kind.learn([CORPUS], vocab_size=70_000)
    assert "65536" in caught.value.hint


@both
def test_ten_thousand_different_characters_fit(kind: type[SubwordTokenizer]) -> None:
    corpus = "".join(map(chr, range(0x4E00, 0x4E00 + 10_000)))
    tokenizer = kind.learn([corpus], vocab_size=1000)
    assert tokenizer.vocab_size <= 1000
    assert tokenizer.decode(tokenizer.encode(corpus)) == corpus
    assert tokenizer.unseen("一\n\x00") == ([] if "一" in names(tokenizer, "一") else ["一"]) + [
        "\x00"
    ]


@both
def test_training_says_nothing(
    kind: type[SubwordTokenizer], capfd: pytest.CaptureFixture[str]
) -> None:
    kind.learn([CORPUS], vocab_size=20_000)
    assert capfd.readouterr() == ("", "")


@both
@pytest.mark.parametrize(
    "corpus", ["<unk>" * 9, "<0x0A>" * 9, "<s></s>" * 9, "b" * 30, "\u2585\u2581" * 9]
)
def test_what_sentencepiece_keeps_to_itself_may_stand_in_a_corpus(
    kind: type[SubwordTokenizer], corpus: str
) -> None:
    tokenizer = kind.learn([corpus])
    assert tokenizer.decode(tokenizer.encode(corpus)) == corpus
    assert load(tokenizer.to_files()).to_files() == tokenizer.to_files()


@both
@pytest.mark.parametrize(
    ("pieces", "says"),
    [
        (None, "no list"),
        ([], "no list"),
        ([[" ", 0], ["a"]], "one of its pieces is none"),
        ([[" ", 0], ["a", "b"]], "one of its pieces is none"),
        ([[" ", 0], ["a", True]], "one of its pieces is none"),
        ([[" ", 0], ["a", float("nan")]], "NaN is no number"),
        ([[" ", 0], ["a", 1e300]], "one of its pieces is none"),
        ([[" ", 0], ["a", 10**400]], "a number of 401 digits is too large"),
        ([[" ", 0], ["", 0]], "one of its pieces is none"),
        ([[" ", 0], ["a\nb", 0]], "one of its pieces is none"),
        ([[" ", 0], ["\u2581", 0]], "one of its pieces is none"),
        ([[" ", 0], ["\ud800", 0]], "one of its pieces is none"),
        ([[" ", 0], ["x" * 65, 0]], "one of its pieces is none"),
        ([[" ", 0], ["a", 0], ["a", -1]], "twice"),
        ([["a", 0]], "space"),
        ([[" ", 0], ["<unk>", 0]], "keeps to itself"),
        ([[" ", 0], ["<0x0A>", 0]], "keeps to itself"),
        ([[" ", 0]] * 70_000, "at most 65,279"),
    ],
    ids=range(18),
)
def test_damaged_pieces_are_refused(
    kind: type[SubwordTokenizer], pieces: object, says: str
) -> None:
    body = {"name": kind.name, "version": 1, "pieces": pieces}
    with pytest.raises(CheckpointError, match=says):
        load({"tokenizer.json": json.dumps(body).encode()})
