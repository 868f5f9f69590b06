"""What `--tokenizer abc` makes tokens of; that it loses nothing is tested with every tokenizer."""

from __future__ import annotations

import pytest

from checkpoints.errors import CheckpointError
from engine.tokenizers.abc import AbcTokenizer

TUNE = 'X:1\nT:Half a Loaf\nM:6/8\nL:1/8\nK:Ador\n|:^c\'3/2 A,|(3Bcd "Am7"e2>f|1 [ce]2:|2 z4|]\n'
LEARNED = AbcTokenizer.learn([TUNE] * 3)


def cut(text: str) -> list[str]:
    return [LEARNED.token_text(int(i)) for i in LEARNED.encode(text)]


def test_notation_is_tokens_and_titles_are_letters() -> None:
    assert cut("T:Loaf\nM:6/8\n") == ["T:", "L", "o", "a", "f", "\n", "M:6/8", "\n"]
    assert cut("|:^c'3/2 A,|(3Bcd") == ["|:", "^c'", "3/2", " ", "A,", "|", "(3", "B", "c", "d"]
    assert cut('"Am7"e2>f|1 [ce]2:|2 z4|]') == [
        *('"Am7"', "e", "2", ">", "f", "|", "1", " ", "[", "c", "e", "]", "2", ":|", "2", " ", "z", "4", "|]")
    ]  # fmt: skip


def test_what_is_no_token_is_spelled() -> None:
    assert cut("K:Alof\n") == ["K:", "A", "l", "o", "f", "\n"]
    assert cut("é") == ["<C>", "<3>", "<A>", "<9>"]
    assert LEARNED.decode(LEARNED.encode("K:Dphr ♯\n")) == "K:Dphr ♯\n"


def test_long_lines_are_cut_so_that_pieces_encode_as_the_whole() -> None:
    text = "A2 B3/2|" * 2000 + "\n" + TUNE
    pieces = [text[i : i + 977] for i in range(0, len(text), 977)]
    joined = [int(i) for ids in LEARNED.encode_pieces(pieces) for i in ids]
    assert joined == LEARNED.encode(text).tolist()


@pytest.mark.parametrize("signs", ["ab", [1], ["a"], ["|:", "|:"], ["x" * 41], ["|:"] * 3000])
def test_a_damaged_description_is_refused(signs: object) -> None:
    import json

    body = json.dumps({"name": "abc", "version": 1, "characters": "ab", "signs": signs}).encode()
    with pytest.raises(CheckpointError):
        AbcTokenizer.from_files({"tokenizer.json": body})
