"""Reading on workers gives what `encode_corpus` gives: vocabulary, ids, checksum, shards, descriptions of the files."""

import pickle
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from nce_train.cluster.job import Job
from nce_train.cluster.reading import Reading, cuts_of
from nce_train.cluster.trainer import ClusterTrainer
from nce_train.errors import InputError
from nce_train.runs.state_file import checksum
from nce_train.text.blocks import read_blocks, split_source
from nce_train.text.corpus import encode_corpus
from nce_train.text.counted_part import count_part
from nce_train.text.sources import SourceList, list_sources
from nce_train.text.vocabulary import Vocabulary
from nce_train.text.word_runs import vocabulary_run
from nce_train.training.rounds import shard_cuts
from nce_train.training.settings import Settings


def no_progress(done, total, phase):
    assert 0 <= done <= total


def settings_with(**changes):
    return Settings(**{"deterministic": True, "shards": 5, "min_count": 3, **changes}).resolved()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"line_breaks": "ignore", "unknown": "UNK", "max_vocab": 60},
        {"tokens": "words", "lowercase": True, "unknown": "wort3"},
    ],
)
def test_workers_read_what_one_machine_reads(changes, corpus, workers, tmp_path):
    settings = settings_with(**changes)
    names = ("tokens", "lowercase", "line_breaks", "min_count", "max_vocab", "unknown")
    options = {name: getattr(settings, name) for name in names}
    expected = encode_corpus(corpus, tmp_path, cache=False, **options)
    told = []
    reading = Reading(workers, list_sources(corpus), settings, lambda *each: told.append(each), part_bytes=12_000)
    assert len(reading.parts) > 6
    vocabulary, warnings = reading.count()
    assert vocabulary.words == expected.vocabulary.words
    assert vocabulary.counts.tolist() == expected.vocabulary.counts.tolist()
    assert warnings == expected.warnings

    job = Job(settings.model_dump(), vocabulary, reading.parts)
    shards = reading.encode(job)
    assert shards.tokens == expected.token_count
    assert shards.checksum == checksum(expected.stream)
    assert shards.cuts == shard_cuts(expected.stream, settings.shards)
    (home, _) = workers.usable()
    tasks = [
        workers.submit(ids_of, workers.own(job, home), k, segments, workers=[home])
        for k, segments in enumerate(shards.segments)
    ]
    for ids, (begin, end) in zip(workers.results(tasks), shards.cuts, strict=True):
        assert ids.tolist() == expected.stream[begin:end].tolist()
    assert reading.describe() == expected.sources
    total = sum(source["bytes"] for source in expected.sources)
    for phase in ("vocabulary", "encode"):
        done = [so_far for so_far, whole, of_phase in told if of_phase == phase and whole == total]
        assert len(done) == len(reading.parts) and done == sorted(done) and done[-1] == total


def test_many_small_parts_are_merged_by_few_tasks(corpus, workers, tmp_path):
    expected = encode_corpus(corpus, tmp_path, cache=False, min_count=3).vocabulary
    reading = Reading(workers, list_sources(corpus), settings_with(), no_progress, part_bytes=500)
    assert len(reading.parts) * (len(reading._edges_of_groups()) - 1) <= 256 < len(reading.parts) * 16
    vocabulary, _ = reading.count()
    assert vocabulary.fingerprint == expected.fingerprint


@pytest.mark.parametrize(("unknown", "room"), [(None, None), ("UNK", 5)])
def test_words_are_added_as_one_machine_adds_them(unknown, room, corpus, workers, tmp_path):
    words = ["nowhere", "Wort3", "Wort7", "rare", "Wort250"]  # `rare` is in the text once
    old = Vocabulary([unknown, *words] if unknown else words, np.arange(6 if unknown else 5)[::-1] + 40, unknown)
    room = room and len(old) + room
    settings = settings_with(max_vocab=room, unknown=unknown)
    options = {"min_count": 3, "max_vocab": room, "extend": old}
    expected = encode_corpus(corpus, tmp_path, cache=False, **options)
    reading = Reading(workers, list_sources(corpus), settings, no_progress, part_bytes=12_000)
    vocabulary, warnings = reading.count(old)
    assert vocabulary.words == expected.vocabulary.words
    assert vocabulary.counts.tolist() == expected.vocabulary.counts.tolist()
    assert set(old.words) <= set(vocabulary.words) and len(vocabulary) > len(old)
    assert warnings == expected.warnings
    assert any("were left out" in warning for warning in warnings) == (room is not None)


def ids_of(job, number, segments):
    return np.array(job.desk().shard(number, segments))


def test_a_shard_is_encoded_anew_where_its_parts_are_gone(corpus, workers, tmp_path):
    settings = settings_with()
    expected = encode_corpus(corpus, tmp_path, cache=False, min_count=3)
    reading = Reading(workers, list_sources(corpus), settings, no_progress, part_bytes=20_000)
    job = Job(settings.model_dump(), expected.vocabulary, reading.parts)
    shards = reading.encode(job)
    workers.results([workers.submit(drop, workers.own(job, worker), workers=[worker]) for worker in workers.usable()])
    home = shards.homes[shards.segments[2][0].part]
    task = workers.submit(ids_of, workers.own(job, home), 2, shards.segments[2], workers=[home])
    (ids,) = workers.results([task])
    begin, end = shards.cuts[2]
    assert ids.tolist() == expected.stream[begin:end].tolist()


def drop(job):
    job.desk().drop_parts()


def test_the_text_is_read_once(corpus, workers, tmp_path, monkeypatch):
    """What was counted is encoded, and what a shard has in parts of another worker is sent to it."""
    read = []

    def count_and_note(source, *arguments):
        read.append((source.name, source.span))
        return count_part(source, *arguments)

    monkeypatch.setattr("nce_train.cluster.reading.count_part", count_and_note)
    monkeypatch.setattr("nce_train.cluster.job.count_part", count_and_note)
    settings = settings_with(shards=3, dim=8).with_rounds(300, 10_000)
    reading = Reading(workers, list_sources(corpus), settings, no_progress, part_bytes=12_000)
    vocabulary, _ = reading.count()
    job = Job(settings.model_dump(), vocabulary, reading.parts)
    shards = reading.encode(job)
    trainer = ClusterTrainer(workers, job, shards, vocabulary.counts, settings, print)
    trainer.compile()
    homes = [{shards.homes[segment.part] for segment in segments} for segments in shards.segments]
    assert any(len(each) == 2 for each in homes)  # where the parts of the two workers meet
    assert sorted(read, key=str) == sorted(((part.name, part.span) for part in reading.parts), key=str)


def test_what_a_worker_has_of_a_run_stays_there(corpus, workers):
    """Dask takes back what several workers have and nobody asks for; ids and base must not go with it."""
    job = Job(settings_with().model_dump(), Vocabulary(["one", "two"], np.array([2, 2])), [])

    def desks():
        tasks = [workers.submit(desk_of, workers.own(job, worker), workers=[worker]) for worker in workers.usable()]
        return workers.results(tasks)

    first = desks()
    assert len(set(first)) == 2
    spread = workers.spread(job)
    deadline = time.monotonic() + 20
    while sum(map(len, workers.client.who_has([spread]).values())) > 1:
        assert time.monotonic() < deadline, "Dask keeps all copies now"
        time.sleep(0.2)
    assert desks() == first


def desk_of(job):
    return job.desk()._scratch.name


def test_what_was_counted_is_encoded_once_and_where_it_is(tmp_path):
    path = tmp_path / "text"
    path.write_text("one two two\nthree one\n")
    (source,) = list_sources(str(path)).sources
    without, with_unknown, travelled = (count_part(source, tmp_path, "whitespace", False, "sentence") for _ in range(3))
    ids, token_count = without.encode(vocabulary_run(["two", "one"]), has_unknown=False)
    assert ids.tolist() == [1, 0, 0, -1, 1, -1] and token_count == 4
    ids, token_count = with_unknown.encode(vocabulary_run(["UNK", "one"]), has_unknown=True)
    assert ids.tolist() == [1, 0, 0, -1, 0, 1, -1] and token_count == 5
    assert travelled.has_ids and not without.has_ids
    there = pickle.loads(pickle.dumps(travelled))
    assert not there.has_ids and there.source.sha256 == travelled.source.sha256 != ""
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_changes_meanwhile_is_told(corpus, workers, tmp_path):
    path = tmp_path / "growing.txt"
    path.write_text("one two two one\n" * 2000)
    reading = Reading(workers, list_sources(str(path)), settings_with(), no_progress, part_bytes=10_000)
    with path.open("a") as file:
        file.write("three\n")
    job = Job(settings_with().model_dump(), Vocabulary(["one", "two"], np.array([2, 2])), reading.parts)
    with pytest.raises(RuntimeError, match="changed while it was read"):
        reading.encode(job)


def test_what_workers_cannot_open_is_refused(workers):
    for unreadable in ("-", [["one", "two"]]):
        with pytest.raises(InputError, match="write it to a file"):
            Reading(workers, list_sources(unreadable), settings_with(), no_progress)


def test_a_url_is_read_as_its_file_is(corpus, workers, tmp_path):
    url = f"file://{corpus[0]}"
    listed = list_sources([url])
    reading = Reading(workers, listed, settings_with(), no_progress, part_bytes=10_000)
    assert len(reading.parts) > 3
    vocabulary, _ = reading.count()
    expected = encode_corpus(corpus[0], tmp_path / "file", cache=False, min_count=3)
    assert vocabulary.fingerprint == expected.vocabulary.fingerprint
    assert encode_corpus(url, tmp_path / "url", cache=False, min_count=3).stream.tolist() == expected.stream.tolist()
    with pytest.raises(InputError, match="cannot read the corpus file:///nowhere"):
        list_sources(["file:///nowhere"])


@hypothesis_settings(max_examples=80, deadline=None)
@given(
    content=st.text("ab \n\r", max_size=300),
    part_bytes=st.integers(1, 80),
    at_lines=st.booleans(),
)
def test_parts_cover_a_file_and_end_behind_white_space(content, part_bytes, at_lines, tmp_path_factory):
    path = tmp_path_factory.mktemp("parts", numbered=True) / "file"
    path.write_bytes(content.encode())
    (source,) = list_sources(str(path)).sources
    parts = split_source(source, part_bytes, at_lines)
    spans = [part.span or (0, len(content)) for part in parts]
    assert [begin for begin, _ in spans] == [0, *(end for _, end in spans[:-1])]
    assert spans[-1][1] == len(content)
    for _, end in spans[:-1]:
        assert content[end - 1] in ("\n" if at_lines else " \n\r")
    blocks = [block for part in parts for block in read_blocks(SourceList([part]), 16)]
    assert b" ".join(block.text[: block.end].tobytes() for block in blocks).split() == content.encode().split()


@hypothesis_settings(max_examples=100, deadline=None)
@given(lengths=st.lists(st.integers(1, 40), max_size=30), shards=st.integers(1, 12))
def test_cuts_are_those_of_one_machine(lengths, shards):
    stream = np.array([word for length in lengths for word in [*[0] * (length - 1), -1]], np.int32)

    def behind_line_end(target, limit):
        if target == 0:
            return 0
        found = np.flatnonzero(stream[target - 1 : limit] == -1)
        return target + int(found[0]) if len(found) else target

    assert cuts_of(len(stream), shards, behind_line_end) == shard_cuts(stream, shards)
