"""A prompt with characters that the model never saw is read as near as can be, and never refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from engine.tokenizers import names
from engine.tokenizers.char import CharTokenizer

from .texts import any_text, learned

LEARNED = [learned(name) for name in names()]


@pytest.mark.parametrize(
    ("corpus", "prompt", "read_as", "replaced"),
    [
        ("plain text", "plain text", "plain text", {}),
        ("O Romeo", "o", "o", {}),
        ("ROMEO:", "Romeo:", "ROMEO:", {"o": "O", "m": "M", "e": "E"}),
        ("don't", "don’t", "don't", {"’": "'"}),
        ("don’t", "don't", "don’t", {"'": "’"}),
        ('a "b" - c', "a “b” — c", 'a "b" - c', {"“": '"', "”": '"', "—": "-"}),
        ("naive cafe", "naïve café", "naive cafe", {"ï": "i", "é": "e"}),
        ("café", "cafe\u0301", "café", {}),
        ("café", "CAFÉ", "café", {"C": "c", "A": "a", "F": "f", "É": "é"}),
        ("cafe", "cafe\u0301", "cafe", {"\u0301": ""}),
        ("fine 1/2", "ﬁne ½", "fine 1/2", {"ﬁ": "fi", "½": "1/2"}),
        ("a\nb", "a b", "a\nb", {" ": "\n"}),
        ("abc", "a漢b\ud800", "a漢b\ud800", {}),
        ("", "any", "any", {}),
        ("abc", "", "", {}),
    ],
    ids=range(15),
)
def test_an_unseen_character_gives_way_to_its_nearest(
    corpus: str, prompt: str, read_as: str, replaced: dict[str, str]
) -> None:
    assert CharTokenizer.learn([corpus]).familiar(prompt) == (read_as, replaced)


@pytest.mark.parametrize("tokenizer", LEARNED, ids=names())
@given(text=any_text)
@settings(max_examples=60, deadline=None)
def test_reading_a_prompt_never_makes_it_stranger(tokenizer: CharTokenizer, text: str) -> None:
    read_as, replaced = tokenizer.familiar(text)
    assert set(tokenizer.unseen(read_as)) <= set(tokenizer.unseen(text)) - set(replaced)
    assert tokenizer.decode(tokenizer.encode(read_as)) == read_as
    if not tokenizer.unseen(text):
        assert (read_as, replaced) == (text, {})
