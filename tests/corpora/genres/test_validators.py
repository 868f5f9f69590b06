"""What the genres say about human text, shuffled text, near misses and anything at all."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora import genres
from corpora.syntax import c as c_syntax
from corpora.syntax import meal_master
from tests.corpora.genres.samples import BY_GENRE, LATEX, PLAY, PROSE, RECIPE, TUNE, VERSE, C

VALIDATORS = {name: genres.find(name).validator([text]) for name, text in BY_GENRE.items()}

SHARED = [
    ("plays", "tinyshakespeare.txt"),
    ("plays", "german_faust.txt"),
    ("prose", "speeches_obama.txt"),
    ("latex", "stacks_4mb.tex"),
    ("c_source", "c_quickjs.c"),
    ("verse", "chinese_tang_poems.txt"),
    ("recipes", "recipes_mealmaster.txt"),
    ("recipes", "recipes_vegan6_cp437_crlf.mmf"),
    ("abc_tunes", "nottingham.abc"),
]


@pytest.mark.parametrize("name", BY_GENRE)
def test_human_text_is_valid(name: str) -> None:
    verdict = VALIDATORS[name](BY_GENRE[name])
    assert verdict.problems == ()
    assert verdict.figures["valid"] == 1.0
    assert set(verdict.figures) <= set(genres.find(name).figures)


@pytest.mark.parametrize("name", BY_GENRE)
def test_human_text_that_was_cut_off_is_valid_still(name: str) -> None:
    text = BY_GENRE[name]
    for stop in range(len(text) // 2, len(text), 7):
        assert VALIDATORS[name](text[:stop]).figures["valid"] >= 0.95, text[:stop]


@pytest.mark.parametrize("name", BY_GENRE)
def test_shuffled_text_is_not(name: str) -> None:
    letters = list(BY_GENRE[name] * 5)
    random.Random(0).shuffle(letters)
    assert VALIDATORS[name]("".join(letters)).figures["valid"] <= 0.05


@pytest.mark.parametrize(("name", "file"), SHARED)
def test_held_out_text_of_real_corpora_is_valid_and_shuffled_is_not(
    name: str, file: str, shared: Path
) -> None:
    data = (shared / "corpora" / file).read_bytes()[-2_000_000:]
    text = data.decode("cp437" if file.endswith(".mmf") else "utf-8", "ignore").replace("\r", "")
    genre = genres.find(name)
    starts = [at for at in genre.document_starts([text]) if at > 0.9 * len(text)]
    cut = starts[0] if starts else int(0.9 * len(text))
    judge = genre.validator([text[:cut]])
    assert judge(text[cut:]).figures["valid"] >= 0.95
    letters = list(text[cut : cut + 20_000])
    random.Random(0).shuffle(letters)
    assert judge("".join(letters)).figures["valid"] <= 0.05


# (genre, what is changed, into what, a part of what the problem says)
NEAR_MISSES = [
    ("prose", "a week).", "a week.", "never closed"),
    ("prose", 'better anchor."', "better anchor.", "opened or closed alone"),
    (
        "prose",
        PROSE[PROSE.index("His") : PROSE.index("Later")],
        "Ltaer hte snu cmae uto dna teh gllus wetn bkac ot tiehr\n\n",
        "known words",
    ),
    ("plays", "Second Fisherman:", "second fisherman says", "no speaker's name"),
    ("plays", "Then stay ashore and mend the nets with me.\n", "", "says nothing"),
    ("plays", "[Aside]", "[Aside", "never closed"),
    ("plays", "MARGARET:\nThen", "MARGARET:\nCome\nMARGARET:\nThen", "no blank line"),
    ("plays", "if there be a fire,", "if there be a fire, " * 9, "characters"),
    ("latex", r"\end{proof}", r"\end{lemma}", "closes nothing"),
    ("latex", r"\end{proof}", "", "still open"),
    ("latex", "$b \\leq 9$", "$b \\leq 9", "still open"),
    ("latex", "\\]", "", "not closed in its paragraph"),
    ("latex", r"{\it small}", r"{\it small", "not closed"),
    ("latex", r"\leq 18", r"\lek 18", r"\lek is no known command"),
    ("latex", r"\begin{itemize}", r"\begin itemize", "without a name"),
    ("c_source", "return total;", "return total", "does not parse"),
    ("c_source", "total += numbers[i];", "total += numbers[i;", "does not parse"),
    ("c_source", "(i = 1; i < n; i++)", "(i = 1; i < n; i++", "does not parse"),
    ("recipes", "      Title: Harbour Soup\n", "", "no title"),
    ("recipes", "      Yield: 4 servings\n", "", "no line Yield"),
    ("recipes", "MMMMM----- Recipe via Meal-Master (tm) v8.05", "Recipe", "no Meal-Master line"),
    ("recipes", "      2 lb White", "   2000 lb White", "2000 lb of White"),
    ("recipes", "      2 lb White", "    2/0 lb White", "cannot be read"),
    ("recipes", "      2 lb White", "      2 zz White", "cannot be read"),
    ("recipes", RECIPE[RECIPE.index("  Fry") : RECIPE.index("MMMMM\n")], "", "no directions"),
    ("verse", "and more)", "and more", "never closed"),
    ("verse", "the kettles start to sing,", "the kettles start to sing, " * 8, "far too long"),
    ("abc_tunes", "X:1\n", "", "no number"),
    ("abc_tunes", "K:D\n", "", "no key"),
    ("abc_tunes", "gece d4:|", "gece d4|", "a repeat or an ending opens"),
    ("abc_tunes", "M:4/4", "M:3/4", "of its bars fill 3/4"),
    ("abc_tunes", "d2fd", "[d2fd", "chord"),
]


@pytest.mark.parametrize(("name", "old", "new", "problem"), NEAR_MISSES)
def test_a_near_miss_is_found(name: str, old: str, new: str, problem: str) -> None:
    text = BY_GENRE[name] * 2
    assert old in text
    broken = text.replace(old, new, 1)
    verdict = VALIDATORS[name](broken)
    assert any(problem in found.text for found in verdict.problems), verdict.problems
    assert 0 <= verdict.figures["valid"] < 1
    assert all(0 <= found.at <= len(broken) for found in verdict.problems)


@pytest.mark.parametrize("name", BY_GENRE)
@given(
    text=st.text(max_size=200),
    repeats=st.integers(1, 50),
    at=st.floats(0, 1),
    drop=st.integers(0, 40),
)
@settings(max_examples=60, deadline=None)
def test_any_text_gets_a_verdict(name: str, text: str, repeats: int, at: float, drop: int) -> None:
    sample = BY_GENRE[name]
    place = int(at * len(sample))
    for broken in (text * repeats, sample[:place] + text + sample[place + drop :]):
        verdict = VALIDATORS[name](broken)
        assert 0 <= verdict.figures["valid"] <= 1
        shares = {k for k, figure in genres.find(name).figures.items() if figure.unit == "share"}
        assert all(0 <= verdict.figures[k] <= 1 for k in shares & verdict.figures.keys())


def work(name: str, text: str) -> int:
    """How many lines of Python judging and colouring a text takes; the machine's speed does not matter."""
    import sys

    count = 0

    def tracer(frame: object, event: str, arg: object) -> object:
        nonlocal count
        del frame, arg
        count += event == "line"
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)  # type: ignore[arg-type]
    try:
        VALIDATORS[name](text)
        genres.find(name).colour(text)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("name", BY_GENRE)
@pytest.mark.parametrize(
    "unit", ["{", "}", "$", "\\begin{a}", "\\end{a}", '"', "(a", "X:1\n", "[", "A:\n\n"]
)
def test_the_work_grows_with_the_length_and_not_with_its_square(name: str, unit: str) -> None:
    small, large = work(name, unit * 100), work(name, unit * 800)
    assert large <= 8 * small + 2000


def test_a_meal_master_line_with_two_columns_is_two_ingredients() -> None:
    line = "      2 lb White fish, cut up".ljust(41) + "      1 lg Onion; chopped"
    recipe = meal_master.read(RECIPE.replace("      2 lb White fish, cut up", line))
    assert [(i.amount, i.unit, i.text) for i in recipe.ingredients[:2]] == [
        (2, "lb", "White fish, cut up"),
        (1, "lg", "Onion; chopped"),
    ]
    assert recipe.fields == {
        "Title": "Harbour Soup",
        "Categories": "Soups, Fish",
        "Yield": "4 servings",
    }
    assert recipe.directions.startswith("  Fry the onion")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 1/2", 1.5),
        ("3/4", 0.75),
        (".5", 0.5),
        ("2-3", 3),
        ("1/0", None),
        ("", None),
        ("a", None),
        ("1,5", 1.5),
    ],
)
def test_amounts(text: str, value: float | None) -> None:
    assert meal_master.amount(text) == value


def test_conditions_are_resolved_to_their_first_branch_and_offsets_stay() -> None:
    text = (
        "#ifdef A\nint f(int a) {\n#else\nint f(long a) {\n#endif\n    return a;\n}\n"
        "#if 0\nnot C at all {{{\n#else\nint x;\n#endif\n"
    )
    kept = c_syntax.first_branches(text)
    assert len(kept) == len(text)
    assert kept.split() == ["int", "f(int", "a)", "{", "return", "a;", "}", "int", "x;"]
    source = c_syntax.read(text)
    assert source.functions_whole == [True]
    assert source.declared == {"f", "a", "x"}
    assert source.used == ["a"]


@pytest.mark.parametrize(
    "text",
    [
        "/* The sum of n numbers, which are counted from",  # cut inside a comment
        "typedef struct {\n    int n;\n    /* how many",
        "struct total {\n    struct {\n        int n;\n",
        "static const int numbers[] = {\n    1,\n    2,\n    {\n",
        'extern "C" {\n#endif\n\nint sum(int n);\n',  # the #ifdef above was cut off
        "#if defined(A) || \\\n    defined(B)\nint sum(int n);\n#endif\n",
        "typedef struct {\n    NUMBERS_HEAD\n    int n;\n} numbers;\n",
        "Py_DEPRECATED(3.7) PyAPI_FUNC(int) sum(int n);\nSUM_API void total(int n);\n",
        "SUM_STUB(int, sum, (int n))\nextern SUM_API number total;\nint n;\n",
        "int sum(int n)\n    SUM_ATTRIBUTE((format(n, 3)));\n",
        "PyAPI_FUNC(void) _Py_NO_RETURN sum(int n);\n",
    ],
)
def test_c_as_headers_have_it_and_as_samples_cut_it_parses(text: str) -> None:
    verdict = genres.find("c_source").validator([text.replace("\\", "")])(text)
    assert verdict.problems == ()


def test_a_comment_of_gibberish_is_a_fault() -> None:
    verdict = VALIDATORS["c_source"]("/* xq zzkw prrt vlnq wrtz klmn bvcx qwrt zxcv plkj */\n")
    assert "known words" in verdict.problems[0].text


@pytest.mark.parametrize("unit", ["*)", "}*/", "&?", ")&"])
def test_operators_without_end_are_given_up_and_the_next_text_is_read_as_ever(unit: str) -> None:
    """tree-sitter takes time with the square of their number: 25 s for 16,000."""
    verdict = VALIDATORS["c_source"](unit * 8000)
    assert verdict.problems[0].text == "far from being C"
    assert verdict.figures["valid"] == 0
    assert VALIDATORS["c_source"](C).figures["valid"] == 1.0


def test_what_no_parser_should_read_is_a_fault_at_once() -> None:
    verdict = VALIDATORS["c_source"]("([" * 300)
    assert verdict.problems[0].text == "nested 600 deep"
    assert verdict.figures["valid"] == 0


def test_figures_tell_known_from_new() -> None:
    plays = VALIDATORS["plays"](PLAY.replace("MARGARET:", "GERTRUDE:")).figures
    assert plays["known_speakers"] == pytest.approx(3 / 5)
    latex = VALIDATORS["latex"](LATEX.replace(r"\ref{lemma-small}", r"\ref{lemma-large}")).figures
    assert latex["known_labels"] == pytest.approx(1 / 2)
    recipes = VALIDATORS["recipes"](RECIPE.replace("1/2 ts Pepper", "1/2 ts Nutmeg")).figures
    assert recipes["ingredients_used"] == pytest.approx(4 / 5)
    source = VALIDATORS["c_source"](C.replace("best = numbers[i]", "most = numbers[i]")).figures
    assert source["declared"] < 1
    tune = VALIDATORS["abc_tunes"](TUNE.replace("Adfa|", "Adf|", 1).replace("d4:|", "e4:|")).figures
    assert tune["bars_full"] == pytest.approx(7 / 8)
    assert tune["ends_on_tonic"] == 0
    assert tune["nearest"] > 0.9
    verse = VALIDATORS["verse"](VERSE)
    assert verse.figures["rhymed"] == 1
    assert verse.figures["stanza_lines"] == 4
    broken = VALIDATORS["verse"](VERSE.replace("bay", "sea").replace("sing", "boil"))
    assert broken.figures["rhymed"] == pytest.approx(4 / 8)
    same_word = VALIDATORS["verse"]("over the sea\nunder the sea\nthe boats\nthe bread\n")
    assert same_word.figures["rhymed"] == 0
    assert VALIDATORS["prose"](PROSE).figures["sentences_ended"] == 1
