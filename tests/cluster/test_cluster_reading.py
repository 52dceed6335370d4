"""Reading on workers gives the results of `encode_corpus`: vocabulary, ids, checksum, shards, file descriptions."""

import pickle
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from nce_train.cluster.job import Job, drop_parts
from nce_train.cluster.reading import CorpusReader
from nce_train.cluster.trainer import ClusterTrainer
from nce_train.errors import InputError
from nce_train.runs.state_file import checksum
from nce_train.text.blocks import read_blocks, split_source
from nce_train.text.corpus import encode_corpus
from nce_train.text.counted_part import count_part
from nce_train.text.sources import SourceList, list_sources
from nce_train.text.token_rules import TokenRules
from nce_train.text.vocabulary import Vocabulary
from nce_train.text.word_runs import vocabulary_run
from nce_train.training.rounds import shard_cuts
from nce_train.training.settings import Settings


def no_progress(done, total, phase):
    assert 0 <= done <= total


def settings_with(**changes):
    return Settings(**{"deterministic": True, "shards": 5, "min_count": 3, **changes}).resolved()


@pytest.fixture
def reader_of(workers):
    def make(corpus, part_bytes, settings=None, progress=no_progress):
        return CorpusReader(workers, list_sources(corpus), settings or settings_with(), progress, part_bytes)

    return make


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"line_breaks": "ignore", "unknown": "UNK", "max_vocab": 60},
        {"tokens": "words", "lowercase": True, "normalize": "nfc", "unknown": "wort3"},
    ],
)
def test_workers_read_what_one_machine_reads(changes, corpus, workers, reader_of, tmp_path):
    settings = settings_with(**changes)
    names = ("tokens", "lowercase", "normalize", "line_breaks", "min_count", "max_vocab", "unknown")
    options = {name: getattr(settings, name) for name in names}
    expected = encode_corpus(corpus, tmp_path, cache=False, **options)
    calls = []
    reader = reader_of(corpus, 12_000, settings, lambda *each: calls.append(each))
    assert len(reader.parts) > 6
    vocabulary = reader.count()
    assert vocabulary.words == expected.vocabulary.words
    assert vocabulary.counts.tolist() == expected.vocabulary.counts.tolist()

    job = Job(settings, vocabulary, reader.parts)
    shards = reader.encode(job)
    assert shards.tokens == expected.token_count
    assert reader.text_and_warnings(shards.tokens, vocabulary, False) == (expected.text, expected.warnings)
    assert shards.checksum == checksum(expected.stream)
    assert shards.cuts == shard_cuts(expected.stream, settings.shards)
    (worker, _) = workers.usable()
    tasks = [workers.submit_with_copy(job, worker, shard_ids, *each) for each in enumerate(shards.segments)]
    for ids, (begin, end) in zip(workers.results(tasks), shards.cuts, strict=True):
        assert ids.tolist() == expected.stream[begin:end].tolist()
    assert reader.describe() == expected.sources
    total = sum(source["bytes"] for source in expected.sources)
    for phase in ("vocabulary", "encode"):
        done = [bytes_done for bytes_done, whole, of_phase in calls if of_phase == phase and whole == total]
        assert len(done) == len(reader.parts) and done == sorted(done) and done[-1] == total


def test_many_small_parts_are_merged_by_few_tasks(corpus, reader_of, tmp_path):
    expected = encode_corpus(corpus, tmp_path, cache=False, min_count=3).vocabulary
    reader = reader_of(corpus, 500)
    assert len(reader.parts) * (len(reader._bucket_edges()) - 1) <= 256 < len(reader.parts) * 16
    vocabulary = reader.count()
    assert vocabulary.fingerprint == expected.fingerprint


@pytest.mark.parametrize(("unknown", "room"), [(None, None), ("UNK", 5)])
def test_a_vocabulary_is_extended_as_on_one_machine(unknown, room, corpus, reader_of, tmp_path):
    words = ["nowhere", "Wort3", "Wort7", "rare", "Wort250"]  # `rare` is in the text once
    old = Vocabulary([unknown, *words] if unknown else words, np.arange(6 if unknown else 5)[::-1] + 40, unknown)
    room = room and len(old) + room
    settings = settings_with(max_vocab=room, unknown=unknown)
    options = {"min_count": 3, "max_vocab": room, "extend": old}
    expected = encode_corpus(corpus, tmp_path, cache=False, **options)
    reader = reader_of(corpus, 12_000, settings)
    vocabulary = reader.count(old)
    _, warnings = reader.text_and_warnings(expected.token_count, vocabulary, False)
    assert vocabulary.words == expected.vocabulary.words
    assert vocabulary.counts.tolist() == expected.vocabulary.counts.tolist()
    assert set(old.words) <= set(vocabulary.words) and len(vocabulary) > len(old)
    assert warnings == expected.warnings
    assert any("were left out" in warning for warning in warnings) == (room is not None)


@pytest.mark.parametrize("tokens", ["whitespace", "words"])
def test_workers_tell_about_the_text_what_one_machine_tells(reader_of, tmp_path, tokens):
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "a.txt").write_bytes("été à la plage, naïve\n".encode("cp1252") * 3000 + b"rare%d\n" * 5)
    (texts / "b.jsonl").write_text('{"text": "il dit"}\n' * 500)
    (texts / "none").symlink_to("nowhere")
    settings = settings_with(tokens=tokens, max_vocab=2)
    options = {"tokens": tokens, "min_count": settings.min_count, "max_vocab": 2}
    expected = encode_corpus(texts, tmp_path, cache=False, **options)
    assert len(expected.warnings) == 4  # the link, JSON, the encoding, --max-vocab
    reader = reader_of(texts, 10_000, settings)
    vocabulary = reader.count()
    assert reader.text_and_warnings(expected.token_count, vocabulary, False) == (expected.text, expected.warnings)

    given = Vocabulary(["la", "il"], np.array([9, 9]))
    reader = reader_of(texts, 10_000, settings)
    shards = reader.encode(Job(settings, given, reader.parts))
    text, warnings = reader.text_and_warnings(shards.tokens, given, True)
    expected = encode_corpus(texts, tmp_path, cache=False, vocabulary=given, **options)
    assert text == (None, expected.text.tokens)
    assert set(warnings) <= set(expected.warnings)
    assert any("are not in the given vocabulary" in warning for warning in warnings)
    assert any("not UTF-8" in warning for warning in warnings) == (tokens == "words")


def shard_ids(job, number, segments):
    return np.array(job.state().shard(number, segments))


def test_a_shard_is_encoded_again_where_its_parts_were_dropped(corpus, workers, reader_of, tmp_path):
    settings = settings_with()
    expected = encode_corpus(corpus, tmp_path, cache=False, min_count=3)
    reader = reader_of(corpus, 20_000, settings)
    job = Job(settings, expected.vocabulary, reader.parts)
    shards = reader.encode(job)
    workers.results([workers.submit_with_copy(job, worker, drop_parts) for worker in workers.usable()])
    owner = shards.part_owners[shards.segments[2][0].part]
    (ids,) = workers.results([workers.submit_with_copy(job, owner, shard_ids, 2, shards.segments[2])])
    begin, end = shards.cuts[2]
    assert ids.tolist() == expected.stream[begin:end].tolist()


def test_the_text_is_read_once(corpus, workers, reader_of, monkeypatch):
    """Counted parts are encoded without reading them again, and a shard's ids are sent from other workers."""
    parts_read = []

    def count_and_note(source, *arguments):
        parts_read.append((source.name, source.span))
        return count_part(source, *arguments)

    monkeypatch.setattr("nce_train.cluster.job.count_part", count_and_note)
    monkeypatch.setattr("nce_train.cluster.worker.count_part", count_and_note)
    settings = settings_with(shards=3, dim=8).with_rounds(300, 10_000)
    reader = reader_of(corpus, 12_000, settings)
    vocabulary = reader.count()
    job = Job(settings, vocabulary, reader.parts)
    shards = reader.encode(job)
    ClusterTrainer(workers, job, shards, vocabulary.counts, settings, None, print).compile()
    owners = [{shards.part_owners[segment.part] for segment in segments} for segments in shards.segments]
    assert any(len(each) == 2 for each in owners)  # where the parts of the two workers meet
    assert sorted(parts_read, key=str) == sorted(((part.name, part.span) for part in reader.parts), key=str)


def test_the_state_of_a_worker_outlives_the_broadcast_job(workers):
    """Dask removes all copies but one of a broadcast object that is not in use; ids and base must stay."""
    job = Job(settings_with(), Vocabulary(["one", "two"], np.array([2, 2])), [])

    def scratch_directories():
        tasks = [workers.submit_with_copy(job, worker, scratch_directory) for worker in workers.usable()]
        return workers.results(tasks)

    first = scratch_directories()
    assert len(set(first)) == 2
    sent = workers.broadcast(job)
    deadline = time.monotonic() + 20
    while sum(map(len, workers.client.who_has([sent]).values())) > 1:
        assert time.monotonic() < deadline, "Dask keeps all copies now"
        time.sleep(0.2)
    assert scratch_directories() == first


def scratch_directory(job):
    return job.state()._scratch.name


def test_a_counted_part_is_encoded_once_and_only_where_it_was_counted(tmp_path):
    path = tmp_path / "text"
    path.write_text("one two two\nthree one\n")
    (source,) = list_sources(str(path)).sources
    without, with_unknown, travelled = (count_part(source, tmp_path, TokenRules(), "sentence") for _ in range(3))
    ids, token_count = without.encode(vocabulary_run(["two", "one"]), has_unknown=False)
    assert ids.tolist() == [1, 0, 0, -1, 1, -1] and token_count == 4
    ids, token_count = with_unknown.encode(vocabulary_run(["UNK", "one"]), has_unknown=True)
    assert ids.tolist() == [1, 0, 0, -1, 0, 1, -1] and token_count == 5
    assert travelled.has_ids and not without.has_ids
    there = pickle.loads(pickle.dumps(travelled))
    assert not there.has_ids and there.source.sha256 == travelled.source.sha256 != ""
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_changes_between_counting_and_encoding_is_refused(reader_of, tmp_path):
    path = tmp_path / "growing.txt"
    path.write_text("one two two one\n" * 2000)
    reader = reader_of(str(path), 10_000)
    with path.open("a") as file:
        file.write("three\n")
    job = Job(settings_with(), Vocabulary(["one", "two"], np.array([2, 2])), reader.parts)
    with pytest.raises(RuntimeError, match="changed while it was read"):
        reader.encode(job)


def test_a_corpus_that_workers_cannot_open_is_refused(reader_of):
    for unreadable in ("-", [["one", "two"]]):
        with pytest.raises(InputError, match="write it to a file"):
            reader_of(unreadable, None)


def test_a_url_is_read_like_its_file(corpus, reader_of, tmp_path):
    url = f"file://{corpus[0]}"
    reader = reader_of([url], 10_000)
    assert len(reader.parts) > 3
    vocabulary = reader.count()
    of_file = encode_corpus(corpus[0], tmp_path / "file", cache=False, min_count=3)
    of_url = encode_corpus(url, tmp_path / "url", cache=False, min_count=3)
    assert vocabulary.fingerprint == of_file.vocabulary.fingerprint
    assert of_url.stream.tolist() == of_file.stream.tolist()
    assert reader.describe() == of_url.sources
    with pytest.raises(InputError, match="cannot read the corpus file:///nowhere"):
        list_sources(["file:///nowhere"])


@hypothesis_settings(max_examples=80, deadline=None)
@given(
    content=st.text("ab \n\r", max_size=300),
    part_bytes=st.integers(1, 80),
    at_lines=st.booleans(),
)
def test_parts_cover_a_file_and_end_after_white_space(content, part_bytes, at_lines, tmp_path_factory):
    path = tmp_path_factory.mktemp("parts", numbered=True) / "file"
    path.write_bytes(content.encode())
    (source,) = list_sources(str(path)).sources
    parts = split_source(source, part_bytes, at_lines)
    spans = [part.span or (0, len(content)) for part in parts]
    assert [begin for begin, _ in spans] == [0, *(end for _, end in spans[:-1])]
    assert spans[-1][1] == len(content)
    for _, end in spans[:-1]:
        assert content[end - 1] in ("\n\r" if at_lines else " \n\r")
    blocks = [block for part in parts for block in read_blocks(SourceList([part]), 16)]
    assert b" ".join(block.text[: block.end].tobytes() for block in blocks).split() == content.encode().split()
