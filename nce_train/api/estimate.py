"""Estimate what a training run would take, without training."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nce_train.api.executor import open_executor, settings_for
from nce_train.api.start import settings_and_start
from nce_train.arguments import PathLike
from nce_train.embeddings import Embeddings

if TYPE_CHECKING:
    from nce_train.api.progress import ProgressDisplay
    from nce_train.runs.estimate import Estimate


def estimate(
    corpus: Any,
    config: PathLike | None,
    settings: Mapping[str, Any],
    display: "ProgressDisplay",
    *,
    init: PathLike | Embeddings | None = None,
    continue_from: PathLike | None = None,
    cache: bool = True,
    cluster: str | None = None,
) -> "Estimate":
    """Estimate memory, disk space and time of a run, from a count of the corpus and a short trial.

    Parameters
    ----------
    corpus, config, init, continue_from, cache, cluster
        See `train`.
    settings : mapping
        Settings by name; they override `config`.
    display : ProgressDisplay

    Returns
    -------
    Estimate

    Raises
    ------
    InputError
        As `train`.
    """
    from nce_train.runs.estimate import estimate as estimate_run

    chosen, start = settings_and_start(config, settings_for(cluster, settings), init, continue_from)
    with open_executor(cluster, display, corpus) as executor:
        return estimate_run(corpus, chosen, display, cache=cache, start=start, cluster=executor)
