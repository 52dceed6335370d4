"""Sets: their kind is detected from their contents; errors name the file and the line."""

import contextlib
import os
import threading

import pytest

from nce_train.errors import InputError
from nce_train.evaluation.analogy_sets import Question, read_analogies
from nce_train.evaluation.sets import detect_kind, read_sets, split_column
from nce_train.evaluation.similarity_sets import Pair, read_similarities

SCORED = [Pair("tiger", "cat", 7.35), Pair("Love", "sex", 6.0)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (": capitals\nAthens Greece Oslo Norway\n", "analogies"),
        ("Athens Greece Oslo Norway\n", "analogies"),
        (": section 1\nAthens Greece Oslo Norway\n", "analogies"),
        ("// a comment\n\n: capitals\nAthens Greece Oslo Norway\n", "analogies"),
        ("\ufeff: capitals\nAthens Greece Oslo Norway\n", "analogies"),
        ("tiger\tcat\t7.35\n", "similarity"),
        ("tiger,cat,7\n", "similarity"),
        ("tiger cat 7.35\r\n", "similarity"),
        (": capitals\rAthens Greece Oslo Norway\r", "analogies"),
        ("\ufefftiger cat 7.35\r\ufeffbook cat 3\r", "similarity"),
        ("# a comment\nWord 1\tWord 2\tHuman (mean)\ntiger\tcat\t7.35\n", "similarity"),
        ("Word 1,Word 2,Human (mean)\ntiger,cat,-0.5e1\n", "similarity"),
    ],
)
def test_the_kind_is_detected_from_the_contents(tmp_path, text, kind):
    (tmp_path / "set").write_text(text, encoding="utf-8")
    assert detect_kind(tmp_path / "set") == kind


def test_analogies_with_sections_and_comments(tmp_path):
    (tmp_path / "set").write_text(
        "\ufeff// no\na b c d\n: one two\n\nA b c d\r\n# no\n: three\na  b\tc d\n", encoding="utf-8"
    )
    assert read_analogies(tmp_path / "set") == [
        Question("", "a", "b", "c", "d"),
        Question("one two", "A", "b", "c", "d"),
        Question("three", "a", "b", "c", "d"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "tiger\tcat\t7.35\nLove\tsex\t6\n",
        "Word 1\tWord 2\tHuman (mean)\ntiger\tcat\t7.35\nLove\tsex\t6\n",
        "word1,word2,score\n\ntiger,cat,7.35\n# comment\nLove, sex ,6.0\n",
        "tiger cat 7.35\r\nLove  sex 6e0",
        "tiger cat 7.35\rLove  sex 6e0\r",
        "\ufefftiger cat 7.35\r\ufeffLove sex 6.0",
        "\ufefftiger\tcat\t7.35\n// no\nLove\tsex\t6\n",
        'tiger, "cat", 7.35\nLove, "sex", 6\n',
    ],
)
def test_similarities_in_the_common_formats(tmp_path, text):
    (tmp_path / "set").write_bytes(text.encode())
    assert read_similarities(tmp_path / "set") == SCORED


@pytest.mark.parametrize(
    ("read", "text", "sentence"),
    [
        (read_analogies, ": s\na b c\n", "line 2: 3 words"),
        (read_analogies, ": s\na b c d\na b c d e\n", "line 3: 5 words"),
        (read_analogies, ": s\n", "there is no analogy"),
        (read_similarities, "a\tb\t1\na\tb\n", "line 2: not two words and a number"),
        (read_similarities, "w\tv\tscore\na\tb\tx\n", "line 2: not two words and a number"),
        (read_similarities, "a\tb\t1\na\tb\tnan\n", "line 2: not two words and a number"),
        (read_similarities, f"a\tb\t1\na\tb\t{'9' * 400}\n", "line 2: not two words and a number"),
        (read_similarities, "w\tv\tscore\n", "there is no pair"),
        (detect_kind, "", "this is an empty file, not an evaluation set"),
        (detect_kind, "one\ntwo\nthree\n: capitals\n", "neither a set of analogies"),
    ],
)
def test_errors_name_file_and_line(tmp_path, read, text, sentence):
    path = tmp_path / "set.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=sentence) as failure:
        read(path)
    assert "set.txt" in str(failure.value)


@pytest.mark.parametrize("read", [detect_kind, read_analogies, read_similarities])
def test_an_absent_set_is_refused(tmp_path, read):
    with pytest.raises(InputError, match="the set cannot be read"):
        read(tmp_path / "absent")


def test_a_directory_is_no_similarity_set(tmp_path):
    with pytest.raises(InputError, match="the set cannot be read"):
        read_similarities(tmp_path)


# MSR's two files


@pytest.fixture
def msr(tmp_path):
    """Questions and answers of two tags."""
    (tmp_path / "relations.questions").write_text("good better rough\nhigh higher late\n")
    (tmp_path / "relations.answers").write_text("JJ_JJR rougher\nJJ_JJT latest\n")
    return tmp_path / "relations.questions"


def test_msr_questions_have_their_answers(msr):
    assert detect_kind(msr) == "analogies"
    assert read_analogies(msr) == [
        Question("JJ_JJR", "good", "better", "rough", "rougher"),
        Question("JJ_JJT", "high", "higher", "late", "latest"),
    ]


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        (None, r"in relations.answers beside it, which is missing"),
        ("JJ_JJR rougher\n", r"relations.answers: no answer to line 2 of .*relations.questions"),
        ("JJ_JJR rougher\nJJ_JJT latest\nNN x\n", r"relations.answers: more answers than"),
        ("JJ_JJR rougher\nlatest\n", r"relations.answers, line 2: not a tag and a word"),
    ],
)
def test_damaged_msr_answers_are_refused(msr, answers, sentence):
    msr.with_suffix(".answers").unlink()
    if answers is not None:
        msr.with_suffix(".answers").write_text(answers)
    with pytest.raises(InputError, match=sentence):
        read_analogies(msr)


def test_an_answers_file_is_not_a_set(msr):
    with pytest.raises(InputError, match=r"name its \.questions file"):
        read_analogies(msr.with_suffix(".answers"))


# files of pairs, as in BATS


@pytest.fixture
def bats(tmp_path):
    """Two files in two directories, and the files that copies of the set have beside them."""
    for name, text in {
        "1_Inflectional/I01 [noun - plural].txt": "cat\tcats\ndog\tdogs\nox\toxen/oxes\n",
        "2_Lexicographic/L01 [hypernyms].txt": "new_york city / place\ncow\tbovine/mammal/animal\n",
        "metadata.json": "{}",
        "README.md": "a set",
        ".hidden/x.txt": "not two",
    }.items():
        (tmp_path / "BATS_3.0" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "BATS_3.0" / name).write_text(text.replace(" city / place", "\tcity / place"))
    return tmp_path / "BATS_3.0"


def test_all_ordered_pairs_of_lines_are_questions(bats):
    assert detect_kind(bats) == "analogies"
    plural, hypernyms = "I01 [noun - plural]", "L01 [hypernyms]"
    assert read_analogies(bats) == [
        Question(plural, "cat", "cats", "dog", "dogs"),
        Question(plural, "cat", "cats", "ox", "oxen", ("oxes",)),
        Question(plural, "dog", "dogs", "cat", "cats"),
        Question(plural, "dog", "dogs", "ox", "oxen", ("oxes",)),
        Question(plural, "ox", "oxen", "cat", "cats"),
        Question(plural, "ox", "oxen", "dog", "dogs"),
        Question(hypernyms, "new_york", "city", "cow", "bovine", ("mammal", "animal")),
        Question(hypernyms, "cow", "bovine", "new_york", "city", ("place",)),
    ]


def test_one_file_of_pairs(bats):
    (path,) = bats.glob("1*/*.txt")
    assert detect_kind(path) == "analogies"
    assert read_analogies(path) == read_analogies(bats)[:6]


def test_files_of_the_same_name_are_two_sections(bats):
    (bats / "2_Lexicographic" / "I01 [noun - plural].txt").write_text("a b\nc d\n")
    assert {question.section for question in read_analogies(bats)} == {
        "1_Inflectional/I01 [noun - plural]",
        "2_Lexicographic/I01 [noun - plural]",
        "L01 [hypernyms]",
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a\tb\n", "a single pair"),
        ("a\tb\nc\n", "line 2: not a word and its answers"),
        ("a\tb\nc\t/\n", "line 2: not a word and its answers"),
        ("a\tb\nc d e\n", "line 2: not a word and its answers"),
        ("a\tb\n" * 1001, "more than 1,000 pairs"),
    ],
)
def test_damaged_files_of_pairs_are_refused(bats, text, sentence):
    (bats / "x.txt").write_text(text)
    with pytest.raises(InputError, match=rf"x\.txt.*{sentence}"):
        read_analogies(bats)


def test_a_directory_is_read_by_its_contents(tmp_path):
    """Four words a line (GloVe's question-data), sections, MSR's two files and pairs, each as it is alone."""
    for name, text in {
        "capital-common.txt": "athens greece paris france\nparis france athens greece\n",
        "more/gram.txt": ": plural\ncat cats dog dogs\n",
        "more/msr.questions": "good better rough\n",
        "more/msr.answers": "JJ_JJR rougher\n",
        "pairs.txt": "ox\toxen/oxes\ncow\tcows\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert detect_kind(tmp_path) == "analogies"
    assert read_analogies(tmp_path) == [
        Question("capital-common", "athens", "greece", "paris", "france"),
        Question("capital-common", "paris", "france", "athens", "greece"),
        Question("plural", "cat", "cats", "dog", "dogs"),
        Question("JJ_JJR", "good", "better", "rough", "rougher"),
        Question("pairs", "ox", "oxen", "cow", "cows", ()),
        Question("pairs", "cow", "cows", "ox", "oxen", ("oxes",)),
    ]


@pytest.mark.parametrize("line", ["a b c", "a", "a b c d e"])
def test_a_file_of_neither_pairs_nor_questions_in_a_directory(tmp_path, line):
    (tmp_path / "x.txt").write_text(f"# a comment\n{line}\n")
    with pytest.raises(InputError, match=rf"x\.txt, line 2: {len(line.split())} words where an analogy has four, and"):
        read_analogies(tmp_path)


def test_a_directory_without_files(tmp_path):
    with pytest.raises(InputError, match="no file of word pairs"):
        read_analogies(tmp_path)


# formats of similarity sets, after the headers of well-known ones

SIMLEX = "word1\tword2\tPOS\tSimLex999\tconc(w1)\tSD(SimLex)\ntiger\tcat\tN\t7.35\t2\t1.1\nLove\tsex\tN\t6\t2\t0.3\n"
RATED = "Word 1,Word 2,Human (mean),1,2\ntiger,cat,7.35,9,4\nLove,sex,6,5,7\n"


@pytest.mark.parametrize(
    "text",
    [
        SIMLEX,
        RATED,
        "tiger\tcat\tN\t7.35\tSYNONYMS\nLove\tsex\tN\t6\tNONE\n",
        "tiger\tcat\t7.35\t9\t4\nLove\tsex\t6\t5\t7\n",
        "tiger;cat;7,35\nLove;sex;6\n",
        ",word1,word2,score\n0,tiger,cat,7.35\n1,Love,sex,6\n",
        '"word1","word2","similarity"\n"tiger","cat","7.35"\n"Love","sex","6"\n',
        "word1,pos1,word2,pos2,sd,gold_sim\ntiger,n,cat,n,1.0,7.35\nLove,n,sex,n,0.5,6\n",
        "w1,pos,w2,score\ntiger,N,cat,7.35\nLove,N,sex,6\n",
        "Word 1 Word 2 Score\ntiger cat 7.35\nLove sex 6\n",
        "tiger\tcat\t7,35\nLove\tsex\t6,0\n",
    ],
)
def test_further_columns_and_headers(tmp_path, text):
    (tmp_path / "set").write_text(text)
    assert detect_kind(tmp_path / "set") == "similarity"
    assert read_similarities(tmp_path / "set") == SCORED


@pytest.mark.parametrize(
    "name", ["Human", "score", "mean_rating", "AVERAGE", "avg. score", "SimLex999", "relatedness", "rating", "gold"]
)
def test_columns_of_scores_have_many_names(tmp_path, name):
    (tmp_path / "set").write_text(f"word1\tword2\tPOS\tconc\t{name}\tSD\ntiger\tcat\tN\t2\t7.35\t1\n")
    assert read_similarities(tmp_path / "set") == SCORED[:1]


def test_fields_of_any_length(tmp_path):
    (tmp_path / "set").write_text(f"{'a' * 200_000},b,7\n")
    assert read_similarities(tmp_path / "set") == [Pair("a" * 200_000, "b", 7)]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes as POSIX has them")
def test_the_kind_of_a_pipe_is_not_detected(tmp_path):
    os.mkfifo(tmp_path / "pipe")

    def write():  # a reader of the pipe, if there is one, does not wait
        with contextlib.suppress(BrokenPipeError):
            (tmp_path / "pipe").write_text("a b c d\n")

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    with pytest.raises(InputError, match=r"a pipe, which can be read only once, .* name the kind with --analogies"):
        detect_kind(tmp_path / "pipe")
    while writer.is_alive():  # it may not wait for a reader yet
        os.close(os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK))  # the writer ends
        writer.join(0.01)


def test_a_set_has_the_name_of_its_file_or_directory(bats, monkeypatch):
    (bats.parent / "a.b.txt").write_text("a b c d\n")
    assert list(read_sets([bats, bats.parent / "a.b.txt"]).analogies) == ["BATS_3.0", "a.b"]
    monkeypatch.chdir(bats)
    assert list(read_sets(["."]).analogies) == ["BATS_3.0"]


def test_a_row_of_data_is_no_header(tmp_path):
    (tmp_path / "set").write_text("verb\tmake\tverb\t7\ntiger\tcat\tnoun\t5\n")
    assert read_similarities(tmp_path / "set") == [Pair("verb", "make", 7), Pair("tiger", "cat", 5)]


def test_separators_in_quotation_marks(tmp_path):
    (tmp_path / "set").write_text('"new york, ny",city,7\n"say ""hi""",greet,3\n')
    assert read_similarities(tmp_path / "set") == [Pair("new york, ny", "city", 7), Pair('say "hi"', "greet", 3)]


def test_white_space_in_fields(tmp_path):
    (tmp_path / "set").write_text("new york\tcity\t7\nice cream\tdessert\t9\n")
    assert read_similarities(tmp_path / "set") == [Pair("new york", "city", 7), Pair("ice cream", "dessert", 9)]


@pytest.mark.parametrize(("column", "scores"), [("conc(w1)", [2, 2]), ("6", [1.1, 0.3]), (None, [7.35, 6])])
def test_the_column_of_scores_can_be_named(tmp_path, column, scores):
    (tmp_path / "set").write_text(SIMLEX)
    assert [pair.score for pair in read_similarities(tmp_path / "set", column)] == scores


def test_a_column_name_takes_precedence_over_a_number(tmp_path):
    (tmp_path / "set").write_text(RATED)
    assert [pair.score for pair in read_similarities(tmp_path / "set", "2")] == [4, 7]


@pytest.mark.parametrize(
    ("text", "column", "sentence"),
    [
        (SIMLEX, "SimLex", "no column 'SimLex'; its columns are 'word1', 'word2', 'POS', 'SimLex999'"),
        ("a\tb\t1\n", "x", "no column 'x'; it has no header"),
        ("a\tb\t1\n", "0", "no column '0'"),
        ("a\tb\t1\n", "4", "line 1: not two words and a number"),
        (SIMLEX, "POS", "line 2: not two words and a number"),
        ("a\tpos\tb\tscore\na\tN\tb\t1\n", None, "which of the columns 'a', 'pos', 'b', 'score' have the words"),
        ("w1\tw2\tx\ty\na\tb\t1\t2\n", None, "which of the columns 'w1', 'w2', 'x', 'y' has the scores"),
    ],
)
def test_wrong_or_ambiguous_columns_are_refused(tmp_path, text, column, sentence):
    (tmp_path / "set").write_text(text)
    with pytest.raises(InputError) as failure:
        read_similarities(tmp_path / "set", column)
    assert sentence in str(failure.value)


def test_file_and_column(tmp_path):
    (tmp_path / "set").touch()
    assert split_column(tmp_path / "set") == (str(tmp_path / "set"), None)
    assert split_column(f"{tmp_path}/set:SimLex999") == (f"{tmp_path}/set", "SimLex999")
    assert split_column(f"{tmp_path}/absent:x") == (f"{tmp_path}/absent:x", None)
    (tmp_path / "set:x").touch()
    assert split_column(f"{tmp_path}/set:x") == (f"{tmp_path}/set:x", None)


@pytest.mark.parametrize("text", ["one 1 two 2\n", "one two three four\nx y z 4\n"])
def test_numbers_among_four_words(tmp_path, text):
    (tmp_path / "set").write_text(text)
    kind = detect_kind(tmp_path / "set")
    assert kind == ("analogies" if text.startswith("one 1") else "similarity")
