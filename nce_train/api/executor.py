"""Reading and training on a Dask cluster instead of in this process: the settings that it takes, and the connection."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nce_train.errors import InputError
from nce_train.text.sources import list_sources

if TYPE_CHECKING:
    from nce_train.api.progress import ProgressDisplay
    from nce_train.runs.protocols import Executor
    from nce_train.text.sources import Corpus


def settings_for(cluster: str | None, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The given settings, with `deterministic` when a cluster trains; refuse the opposite."""
    if cluster is None:
        return given
    if given.get("deterministic") is False:
        raise InputError("A cluster trains in rounds, as --deterministic does: leave --no-deterministic out.")
    return {**given, "deterministic": True}


@contextlib.contextmanager
def open_executor(
    cluster: str | None, display: "ProgressDisplay", corpus: "Corpus | None"
) -> "Iterator[Executor | None]":
    """Connect to a cluster; None when this process reads and trains. Refuse a corpus that workers cannot read."""
    if cluster is None:
        yield None
        return
    if not isinstance(cluster, str) or not cluster:
        raise InputError(f"cluster is {cluster!r}; give the address of a scheduler, or 'local:2'")
    try:
        import distributed  # noqa: F401 - slow, and an extra
    except ImportError:
        raise InputError("--cluster needs an extra: pip install 'nce-train[cluster]'") from None
    from nce_train.cluster.cluster import connect
    from nce_train.cluster.reading import refuse_unreadable

    if corpus is not None:
        refuse_unreadable(list_sources(corpus))
    with connect(cluster, display.note, display.say) as executor:
        yield executor
