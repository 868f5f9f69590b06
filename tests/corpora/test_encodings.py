"""Encodings: found out where that can be, said, and never at the price of a byte."""

from __future__ import annotations

import codecs
import random
from pathlib import Path

import pytest

from checkpoints.errors import CorpusError
from corpora.reading import read_corpus
from corpora.snapshot import Corpus

RUSSIAN = "На берегу стоял старый дом, и окна его смотрели на реку. Там зажигали лампу.\n" * 4
POLISH = "Źdźbło trawy rosło na łące; żółta mgła unosiła się nad rzeką, ptaki śpiewały.\n" * 4
HUNGARIAN = "Öt szép őrült lány ült a hűvös őszi estén a tűz körül, és énekelt.\n" * 4
CZECH = "Když přišel večer, děti seděly u kamen a babička jim vyprávěla příběhy o řece.\n" * 4
FRENCH = "L'été dernier, nous étions à la plage : le garçon était âgé de sept ans, bien sûr.\n" * 4
GERMAN = "Die Mühle am Bach klappert schön; grüße mir die Straße und den Käse, süße Frau.\n" * 4
GREEK = "Το καλοκαίρι πήγαμε στο νησί και είδαμε τη θάλασσα να λάμπει κάτω από τον ήλιο.\n" * 4
JAPANESE = "昨日の夜、わたしは古い本を読みながら、庭のねこがないているのを聞いていました。\n" * 4
KOREAN = "어제 저녁에 나는 오래된 책을 읽으면서 마당에서 고양이가 우는 소리를 들었습니다.\n" * 4
CHINESE = "昨天晚上我在院子里看书,听见一只猫在墙上叫,月亮很亮,风也不大,我们都很高兴。\n" * 4


def read(tmp_path: Path, body: bytes, *, encoding: str | None = None) -> tuple[str, list[str]]:
    (tmp_path / "a.txt").write_bytes(body)
    notes: list[str] = []
    corpus: Corpus = read_corpus(
        [tmp_path / "a.txt"], tmp_path / "cache", encoding=encoding, note=notes.append
    )
    return "".join(corpus.pieces()), notes


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (RUSSIAN, "koi8-r"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "cp866"),
        (POLISH, "cp1250"),
        (POLISH, "iso8859-2"),
        (CZECH, "cp1250"),
        (HUNGARIAN, "cp1250"),
        (FRENCH, "cp1252"),
        (FRENCH, "cp850"),
        (FRENCH, "mac-roman"),
        (GERMAN, "cp1252"),
        (GERMAN, "cp437"),
        (GREEK, "cp1253"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (KOREAN, "euc_kr"),
        (CHINESE, "gb18030"),
    ],
)
def test_legacy_code_pages_are_recognised_and_said(
    tmp_path: Path, text: str, encoding: str
) -> None:
    body = text.encode(encoding)
    came_out, notes = read(tmp_path, body)
    assert came_out == text
    (note,) = notes
    assert f"{sum(byte > 127 for byte in body):,} bytes beyond ASCII" in note
    assert "--encoding" in note


def test_a_few_signs_among_much_ascii_decide_the_code_page(tmp_path: Path) -> None:
    plain = "Chop the onions and stir them in.\n" * 300
    dos = plain + "Heat the oven to 400°F and sauté the leek.\nAdd ½ cup of stock, then ¼ tsp.\n"
    assert read(tmp_path, dos.encode("cp437"))[0] == dos
    quotes = plain + "“Well,” she said, “it’s 20° – or so – in the café.”\n"
    assert read(tmp_path, quotes.encode("cp1252"))[0] == quotes


def test_signs_deep_in_one_long_line_decide_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corpora.codepages.BLOCK", 1000)
    plain = "chop the onions and stir " * 100
    text = plain + "heat the oven to 400°F, sauté it, add ½ cup " + plain
    assert read(tmp_path, text.encode("cp437"))[0] == text


def test_the_dos_recipes_come_out_with_their_fractions(tmp_path: Path, shared: Path) -> None:
    notes: list[str] = []
    file = shared / "corpora" / "recipes_vegan6_cp437_crlf.mmf"
    corpus = read_corpus([file], tmp_path, note=notes.append)
    assert corpus.sources[0].encoding == "cp437"
    beyond = {char: count for char, count in corpus.counts.items() if char > "\x7f"}
    assert beyond == {"é": 20, "°": 7, "½": 4, "¼": 2, "à": 1, "ç": 1}
    assert "\r" not in corpus.counts
    assert "35 bytes beyond ASCII" in notes[0]
    assert "CRLF" in notes[1]


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_byte_order_marks_are_believed_and_left_out(
    tmp_path: Path, mark: bytes, encoding: str
) -> None:
    text = "naïve 🥊\ufeff text\n"
    body = mark + text.encode(encoding)
    came_out, notes = read(tmp_path, body)
    assert came_out == text
    assert encoding.upper() in notes[0]
    assert read(tmp_path, body, encoding=encoding)[0] == text
    assert read(tmp_path, body, encoding=encoding[:6].removesuffix("-"))[0] == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", [GERMAN, CHINESE.replace("。", ", 7 "), "plain\n" * 9])
def test_utf_16_without_a_mark(tmp_path: Path, text: str, encoding: str) -> None:
    came_out, notes = read(tmp_path, text.encode(encoding))
    assert came_out == text
    assert encoding.upper() in notes[0]


def test_a_broken_byte_in_utf_8_is_named_by_line_and_byte(tmp_path: Path) -> None:
    good = "grün und schön und müde\n".encode() * 90_000  # 27 bytes each; more than two blocks
    with pytest.raises(CorpusError) as caught:
        read(tmp_path, good + b"h\xff!\n" + GERMAN.encode())
    assert "line 90,001, byte 2,430,001: FF is not UTF-8 after 'h'" in caught.value.message
    assert "--encoding" in caught.value.hint


def test_stray_bytes_in_utf_8_are_counted_and_may_be_read_as_cp1252(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corpora.encodings.BLOCK", 7)
    text = "“Zwölf”, sagte er – und müde"
    mixed = "\n".join(20 * [text]).encode() + b"\n" + 30 * text.encode("cp1252") + b"\x81"
    with pytest.raises(CorpusError, match=r"line 21, .*, the first of 151 such bytes") as caught:
        read(tmp_path, mixed)
    assert "--encoding utf-8+cp1252" in caught.value.hint
    whole = "\n".join(20 * [text]) + "\n" + 30 * text + "\x81"
    assert read(tmp_path, mixed, encoding="utf-8+cp1252")[0] == whole
    marked = read(tmp_path, b"\xef\xbb\xbfm\xfcde, m\xc3\xbcde", encoding="UTF-8+cp1252")
    assert marked[0] == "müde, müde"


def test_lines_are_counted_right_across_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corpora.encodings.BLOCK", 4)
    with pytest.raises(CorpusError, match="line 4, byte 12: FF is not UTF-8 after 'ü'"):
        read(tmp_path, b"abc\r\nab\r\r\n\xc3\xbc\xff\n")


def test_a_byte_far_down_rules_a_code_page_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corpora.codepages.SAMPLE_BYTES", 100)
    text = (
        "die Straße dort\n" * 50 + "müde\n"
    )  # 81, the ü, is nothing in cp1252, which 'Stra\xe1e' would be
    assert read(tmp_path, text.encode("cp437"))[0] == text


def test_a_character_cut_by_the_end_is_named_too(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"line 2, byte 6: E2 is not UTF-8"):
        read(tmp_path, "aé\r\nx".encode() + b"\xe2\x82")


def test_a_named_encoding_is_taken_and_held_to(tmp_path: Path) -> None:
    body = "смысл\n".encode("koi8-r")
    assert read(tmp_path, body, encoding="koi8-r")[0] == "смысл\n"
    assert read(tmp_path, body, encoding="latin-1")[0] == body.decode("latin-1")
    with pytest.raises(CorpusError, match="line 2, byte 3: 81 is not CP1252"):
        read(tmp_path, b"ab\n\x81\n", encoding="cp1252")
    for unknown in ("klingon", "base64", "rot13", "idna", "punycode"):
        with pytest.raises(CorpusError, match="there is no text encoding"):
            read(tmp_path, body, encoding=unknown)


def test_noise_is_refused_and_the_byte_tokenizer_is_offered(tmp_path: Path) -> None:
    noise = bytes(random.Random(1).choices([10, *range(32, 256)], k=20_000))
    with pytest.raises(CorpusError, match="is not text") as caught:
        read(tmp_path, noise)
    assert "--tokenizer byte" in caught.value.hint


def test_a_stray_zero_byte_in_a_tiny_file_is_no_sign_of_utf16(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="zero byte") as caught:
        read(tmp_path, b"abc\0def\nghi\n")
    assert "--tokenizer byte" in caught.value.hint
