"""Text in another encoding than UTF-8: the share of tokens, and a guess that is right for the usual encodings."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nce_train.errors import InputError
from nce_train.text import token_file, utf8
from nce_train.text.corpus import count_corpus
from nce_train.text.encodings import earliest, likely_encoding, word_around

TEXTS = {
    "cp1252": "Été naïve où les garçons déjà fâchés mangeaient à la crêperie près du château, à côté",
    "cp1252 ": "Über die Straße läuft schön größer müde der Bär für Äpfel und Öl",
    "cp1251": "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему",
    "koi8-r": "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему",
    "shift_jis": "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。コーヒーを飲む",
    "euc-jp": "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。コーヒーを飲む",
    "gb18030": "人们在这个时候都不知道他是从什么地方来的，我们也没有去过那个国家，今天天气很好",
    "big5": "人們在這個時候都不知道他是從什麼地方來的，我們也沒有去過那個國家，今天天氣很好",
    "euc-kr": "모든 사람은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다 우리는 학교에 가고 있다",
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("tokens", ["whitespace", "words"])
def test_the_usual_encodings_are_guessed(tmp_path, name, tokens):
    encoding = name.strip()
    path = tmp_path / "my text.txt"
    path.write_bytes((TEXTS[name] + " end two\n").encode(encoding) * 10)
    *_, warnings = count_corpus(path, tokens=tokens, min_count=1)
    (warning,) = [each for each in warnings if "not UTF-8" in each]
    assert f"perhaps the text is in {encoding};" in warning
    assert f"(iconv -f {encoding.upper()} -t UTF-8 '{path}' | nce-train - -o …)" in warning


def test_nothing_is_guessed_from_noise():
    noise = np.random.default_rng(5).integers(128, 256, 3000).astype(np.uint8).tobytes()
    assert likely_encoding([(0, noise)]) is None
    assert likely_encoding([]) is None


@pytest.mark.parametrize(
    ("text", "share"),
    [
        (b"caf\xe9 na\xefve plain text\n", "60% of the 5 tokens are torn or lost"),  # caf, na, ve
        (b"\xe0 la carte\n", "33% of the 3 tokens are torn or lost"),
        (("plain words\n" * 1000).encode() + b"caf\xe9\n", "0.05% of the 2,001 tokens"),
        (("plain words\n" * 9000).encode() + b"caf\xe9\n", "1 of the 18,001 tokens"),
        (b"caf\xc3\xa9 na\xc3\xafve \xe2\x80\xa6 ok\n", None),
        (b"a \xed\xa0\x80 b c\n", "25% of the 4 tokens"),  # a surrogate
    ],
)
def test_the_share_of_torn_tokens_is_told(tmp_path, text, share):
    path = tmp_path / "text.txt"
    path.write_bytes(text)
    *_, warnings = count_corpus(path, tokens="words", min_count=1)
    assert [each.split(" at bytes")[0][: len(share)] for each in warnings] == ([share] if share else [])


def test_when_all_words_vanish_the_error_says_why(tmp_path):
    path = tmp_path / "ru.txt"
    path.write_bytes((TEXTS["cp1251"].replace(",", "").replace("-", " ") + "\n").encode("cp1251") * 5)
    with pytest.raises(InputError, match=r"holds no token: 100% of the 65 tokens .* perhaps the text is in cp1251; "):
        count_corpus(path, tokens="words")


def test_too_few_words_are_explained_by_the_encoding(tmp_path):
    path = tmp_path / "fr.txt"
    for text, error in (
        ("là été\n", "occur 5 times or more, and at least two must; "),
        ("été\n", "only one distinct.*: "),
    ):
        path.write_bytes(text.encode("cp1252") * 3)
        with pytest.raises(InputError, match=error + r"100% of .* not UTF-8"):
            count_corpus(path, tokens="words")


def torn_slowly(text):
    """Tokens beside a run of bytes that are not UTF-8, and runs without a token beside them."""
    torn = lost = 0
    words = text.decode("utf-8", "surrogateescape")
    kinds = ["x" if "\udc80" <= c <= "\udcff" else "w" if c.isalnum() else " " for c in words]
    runs = []
    for kind in kinds:
        if runs and runs[-1] == kind:
            continue
        runs.append(kind)
    for i, kind in enumerate(runs):
        beside = [runs[j] for j in (i - 1, i + 1) if 0 <= j < len(runs)]
        torn += kind == "w" and "x" in beside
        lost += kind == "x" and "w" not in beside
    return torn, lost


@given(st.lists(st.sampled_from([b"a", b"bc", b" ", b"\n", b"\xe9", b"\xff\xfe", "é".encode(), "…".encode(), b"\xc3"])))
@settings(max_examples=300, deadline=None)
def test_counting_is_that_of_the_plain_twin(pieces):
    from nce_train.text import scan
    from nce_train.text.word_counter import code_point_classes

    content = b"".join(pieces) + b"\n"
    text = np.frombuffer(content + bytes(16), np.uint8)
    starts, lengths = np.empty(len(content), np.int64), np.empty(len(content), np.int64)
    n, _ = scan.find_tokens_words(text, len(content), True, starts, lengths, code_point_classes())
    places = np.full(3, -1, np.int64)
    assert utf8.count_torn(text, len(content), starts[:n], lengths[:n], places) == torn_slowly(content)
    assert all(content[place] >= 0x80 for place in places if place >= 0)


@given(st.binary(max_size=12))
@settings(max_examples=500, deadline=None)
def test_invalid_words_are_those_that_python_cannot_decode(word):
    text = np.frombuffer(word + bytes(16), np.uint8)
    found = np.zeros(1, np.bool_)
    utf8.find_invalid(text, np.array([0]), np.array([len(word)]), found)
    try:
        word.decode()
    except UnicodeDecodeError:
        assert found[0]
    else:
        assert not found[0]


def test_the_warning_does_not_depend_on_threads_and_blocks(tmp_path, monkeypatch):
    path = tmp_path / "text.txt"
    lines = [TEXTS["cp1252"].encode("cp1252"), b"plain \xff\xfe words", TEXTS["koi8-r"].encode("koi8-r")]
    path.write_bytes(b"\n".join(lines * 40))
    for tokens in ("whitespace", "words"):
        seen = set()
        for threads, block_bytes in ((1, 1 << 20), (3, 100), (2, 7)):
            monkeypatch.setattr(token_file, "BLOCK_BYTES", block_bytes)
            seen.add(tuple(count_corpus(path, tokens=tokens, min_count=1, threads=threads)[3]))
        assert len(seen) == 1


def test_the_first_words_are_kept():
    assert earliest([(5, b"b"), (2, b"a")]) == [(2, b"a"), (5, b"b")]
    text = np.frombuffer(b"one caf\xe9s two", np.uint8)
    assert word_around(text, 7) == b"caf\xe9s"
    assert word_around(text[4:], 3) == b"caf\xe9s"


OTHER_ENCODINGS = [
    ("cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy"),
    ("cp1250", "Zażółć gęślą jaźń w polskim lesie mieszkał wąż"),
    ("cp1250", "Árvíztűrő tükörfúrógép és az öreg hölgy"),
    ("cp1252", "niño años español mañana él está"),
    ("cp1252", "over Straße größer schön Mädchen"),
    ("cp1252", "café naïve über maison été"),
    ("cp1254", "İstanbul ışık çağdaş güneş şöyle böyle ağaç"),
    ("cp1253", "Η γρήγορη καφετιά αλεπού και το σκυλί είναι εδώ"),
    ("cp1255", "שלום עולם זה טקסט בעברית על הילדים בבית הספר שבעיר"),
    ("cp1256", "مرحبا بالعالم هذا نص عربي عن الاطفال في المدرسة"),
    ("cp866", "привет мир это русский текст о детях и доме"),
    ("iso8859-5", "привет мир это русский текст о детях и доме"),
    ("cp874", "สวัสดีชาวโลก นี่คือข้อความภาษาไทย"),
]


@pytest.mark.parametrize(("encoding", "text"), OTHER_ENCODINGS)
def test_a_short_text_is_enough_for_a_guess(encoding, text):
    words = [(place, word) for place, word in enumerate(text.encode(encoding).split()) if not word.isascii()]
    assert likely_encoding(words) == encoding


def test_without_a_good_guess_none_is_named(tmp_path):
    (tmp_path / "text.txt").write_bytes(b"a\x81b c\x8dd " * 40)
    *_, (warning,) = count_corpus(tmp_path / "text.txt", min_count=1)
    assert "perhaps the text is in another encoding; convert what is not UTF-8 (iconv -f ENCODING -t" in warning
