"""Arguments that several functions of this room take."""

import os
from collections.abc import Iterable

from nce_train.arguments import check_path

PathLike = str | os.PathLike[str]


def as_list(paths: PathLike | Iterable[PathLike]) -> list[PathLike]:
    several = [paths] if isinstance(paths, (str, os.PathLike)) or not isinstance(paths, Iterable) else list(paths)
    for path in several:
        check_path("a set or model", path)
    return several
