"""A header that is asked for: its fields, their order, and values that mean nothing."""

from __future__ import annotations

import pytest

from checkpoints.errors import ConfigError, CorpusError
from corpora import genres
from corpora.abc import read_tune
from corpora.catalogue.tunes import KEPT

TUNES = genres.find("abc_tunes")


@pytest.mark.parametrize(
    ("fields", "header"),
    [
        ({"rhythm": "slip jig"}, "X:1\nT:Slip Jig\nR:slip jig\n"),
        ({"meter": "C|"}, "X:1\nT:Tune\nM:C|\n"),
        ({"meter": " 6 / 8 ", "rhythm": ""}, "X:1\nT:Tune\nM:6/8\n"),
        ({"key": "em", "meter": "2/4"}, "X:1\nT:Tune\nM:2/4\nL:1/16\nK:Em\n"),
        ({"key": "A Dorian", "meter": "3/4"}, "X:1\nT:Tune\nM:3/4\nL:1/8\nK:A Dorian\n"),
    ],
)
def test_a_header_ends_with_the_last_field_that_is_asked_for(
    fields: dict[str, str], header: str
) -> None:
    assert TUNES.header(fields) == header


@pytest.mark.parametrize("meter", ["6/8", "9/8", "C", "2+3/8"])
@pytest.mark.parametrize("key", ["D", "Ador", "F#m", "Bbmix"])
def test_the_reader_reads_what_was_asked_for_in_the_catalogues_order(meter: str, key: str) -> None:
    header = TUNES.header({"key": key, "meter": meter, "rhythm": "jig"})
    assert "".join(line[0] for line in header.splitlines()) == KEPT
    read = read_tune(header + "A4|\n")
    assert not read.findings
    assert (read.title, read.rhythm, str(read.meter)) == ("Jig", "jig", meter)
    assert read.key == read_tune(f"X:1\nK:{key}\nA|\n").key


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"meter": "six"}, "metre 'six'"),
        ({"meter": "0/8"}, "metre '0/8'"),
        ({"meter": "6/8\nK:C"}, "metre"),
        ({"meter": "C major"}, "metre"),
        ({"meter": "6/8", "key": "H"}, "key 'H'"),
        ({"meter": "6/8", "key": "Dog"}, "key 'Dog'"),
        ({"meter": "6/8", "key": "D\nA"}, "key"),
        ({"rhythm": "jig\nM:3/4"}, "rhythm"),
        ({"key": "Ador"}, "without a metre"),
    ],
)
def test_a_value_that_means_nothing_is_said(fields: dict[str, str], wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        TUNES.header(fields)


@pytest.mark.parametrize("name", sorted({*genres.names()} - {"abc_tunes"}))
def test_only_tunes_have_a_metre(name: str) -> None:
    with pytest.raises(CorpusError, match="only tunes have a metre"):
        genres.find(name).header({"meter": "6/8"})
