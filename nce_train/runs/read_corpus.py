"""From a corpus and settings to ids and a trainer."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nce_train.errors import InputError
from nce_train.runs.compiling import BackgroundCompilation, report_if_slow, trainer_type
from nce_train.runs.context import RunContext
from nce_train.runs.limits import refuse_without_memory, shortage_of_room
from nce_train.runs.protocols import Executor, Watcher
from nce_train.runs.warm_start import WarmStart
from nce_train.text.corpus import EncodedCorpus, encode_corpus
from nce_train.text.sources import Corpus
from nce_train.text.token_rules import normal_form_warnings
from nce_train.text.vocabulary import Vocabulary
from nce_train.training.settings import Settings

if TYPE_CHECKING:
    from nce_train.training.trainer import Trainer


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
) -> EncodedCorpus:
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
    refuse_without_memory(len(vocabulary), settings, cluster)
    if shortage := shortage_of_room(directory, len(vocabulary), settings):
        watcher.note(shortage)
    return encoded


def read_and_compile(context: RunContext, corpus: Corpus, settings: Settings, start: WarmStart | None) -> EncodedCorpus:
    """Read the corpus of a run while its kernel is compiled."""
    watcher = context.watcher
    with BackgroundCompilation(settings) as kernel:

        def scanning(done: int, total: int | None, phase: str) -> None:
            kernel.start()
            watcher.scanning(done, total, phase)

        encoded = read_corpus(
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
    refuse_without_memory(len(encoded.vocabulary), settings, context.cluster)  # once more, with the compiler loaded
    context.timings.add("compile", kernel.seconds)  # though reading went on beside it
    for part in ("vocabulary", "encode"):
        context.timings.add(part, encoded.timings[part])
    return encoded


def new_trainer(encoded: EncodedCorpus, settings: Settings) -> "Trainer":
    """The trainer on this machine that the settings ask for."""
    return trainer_type(settings)(encoded.stream, encoded.token_count, encoded.vocabulary.counts, settings)


def compiled_trainer(context: RunContext, encoded: EncodedCorpus, settings: Settings) -> "Trainer":
    """The trainer of a run, ready to train."""
    with context.timings.measure("compile"):
        if context.cluster is not None:  # whose time goes to sending parameters too
            trainer = context.cluster.trainer(encoded, settings)
            trainer.compile()
        else:
            trainer = new_trainer(encoded, settings)
            with report_if_slow(context.watcher.compiling):
                trainer.compile()
    return trainer
