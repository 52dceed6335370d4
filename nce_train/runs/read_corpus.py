"""From a corpus and settings to ids and a trainer."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nce_train.errors import InputError
from nce_train.runs.compiling import BackgroundCompilation, report_if_slow, trainer_type
from nce_train.runs.context import RunContext
from nce_train.runs.limits import TableSizes, refuse_without_memory, shortage_of_room
from nce_train.runs.protocols import Executor, Watcher
from nce_train.runs.warm_start import WarmStart
from nce_train.text.corpus import EncodedCorpus, encode_corpus
from nce_train.text.language import share_of_letters
from nce_train.text.sources import Corpus
from nce_train.text.token_rules import normal_form_warnings
from nce_train.text.vocabulary import Vocabulary
from nce_train.training.settings import Settings

if TYPE_CHECKING:
    from nce_train.training.ngram_rows import NgramRows
    from nce_train.training.trainer import Trainer


class ReadCorpus(NamedTuple):
    """A corpus as ids, and what follows from its vocabulary."""

    encoded: EncodedCorpus
    settings: Settings  # without any `auto` that depends on the vocabulary
    ngrams: "NgramRows | None"

    @property
    def sizes(self) -> TableSizes:
        """How many rows of parameters a run on it has."""
        return TableSizes.of(self.encoded.vocabulary, self.ngrams)


def with_ngram_rows(encoded: EncodedCorpus, settings: Settings) -> ReadCorpus:
    """Choose the settings that depend on the vocabulary, and lay out the rows of its n-grams."""
    from nce_train.training.ngram_rows import ngram_rows  # with the compiler

    vocabulary = encoded.vocabulary
    settings = settings.with_ngrams(vocabulary.words).with_rounds(len(vocabulary), encoded.token_count)
    return ReadCorpus(encoded, settings, ngram_rows(vocabulary.words, vocabulary.counts, settings))


def read_corpus(
    corpus: Corpus,
    settings: Settings,
    directory: Path,
    watcher: Watcher,
    *,
    cache: bool,
    start: WarmStart | None,
    cluster: Executor | None,
    scanning: Callable[[int, int | None, str], None] | None = None,
) -> ReadCorpus:
    """Read the corpus as the (resolved) settings say, and refuse what will not fit into memory or on the disk.

    `directory` is for the token file. A `start` that continues a model keeps the words of that model. `scanning` is
    called in the place of `watcher.scanning`. Raises InputError when the corpus cannot be read, holds no words, or is
    too large.
    """
    scanning = scanning or watcher.scanning
    given = None if settings.vocab is None else Vocabulary.load(settings.vocab, unknown=settings.unknown)
    if given is not None and not given.counts.any():
        raise InputError(f"{settings.vocab}: all counts are 0; the start and the noise of training need them.")
    extend = None if start is None else start.to_extend
    if cluster is not None:
        encoded = cluster.encode(corpus, settings, given, extend, directory, scanning)
    else:
        encoded = encode_corpus(
            corpus,
            directory,
            tokens=settings.tokens,
            lowercase=settings.lowercase,
            normalize=settings.normalize,
            line_breaks=settings.line_breaks,
            min_count=settings.min_count,
            max_vocab=settings.max_vocab,
            unknown=settings.unknown,
            vocabulary=given,
            extend=extend,
            threads=int(settings.threads),
            cache=cache,
            progress=scanning,
        )
    vocabulary = encoded.vocabulary
    for warning in [*encoded.warnings, *normal_form_warnings(vocabulary.words)]:
        watcher.note(warning)
    watcher.scanned(encoded)
    corpus_read = with_ngram_rows(encoded, settings)
    if settings.ngrams_are_automatic:
        watcher.chose_ngrams(corpus_read.settings, share_of_letters(vocabulary.words))
    refuse_without_memory(corpus_read.sizes, settings, cluster)
    if shortage := shortage_of_room(directory, corpus_read.sizes, settings):
        watcher.note(shortage)
    return corpus_read


def read_and_compile(context: RunContext, corpus: Corpus, settings: Settings, start: WarmStart | None) -> ReadCorpus:
    """Read the corpus of a run while its kernel is compiled."""
    watcher = context.watcher
    with BackgroundCompilation(settings) as kernel:

        def scanning(done: int, total: int | None, phase: str) -> None:
            kernel.start()
            watcher.scanning(done, total, phase)

        corpus_read = read_corpus(
            corpus,
            settings,
            context.directory,
            watcher,
            cache=context.record.cache,
            start=start,
            cluster=context.cluster,
            scanning=scanning,
        )
        kernel.wait(watcher.compiling)
    refuse_without_memory(corpus_read.sizes, settings, context.cluster)  # once more, with the compiler loaded
    context.timings.add("compile", kernel.seconds)  # though reading went on beside it
    for part in ("vocabulary", "encode"):
        context.timings.add(part, corpus_read.encoded.timings[part])
    return corpus_read


def new_trainer(corpus: ReadCorpus) -> "Trainer":
    """The trainer on this machine that the settings ask for."""
    encoded, settings, ngrams = corpus
    return trainer_type(settings)(encoded.stream, encoded.token_count, encoded.vocabulary.counts, settings, ngrams)


def compiled_trainer(context: RunContext, corpus: ReadCorpus) -> "Trainer":
    """The trainer of a run, ready to train."""
    with context.timings.measure("compile"):
        if context.cluster is not None:  # whose time goes to sending parameters too
            trainer = context.cluster.trainer(*corpus)
            trainer.compile()
        else:
            trainer = new_trainer(corpus)
            with report_if_slow(context.watcher.compiling):
                trainer.compile()
    return trainer
