"""Where settings come from: defaults, a YAML file or preset, and what the caller gives, in that order.

Every refusal is one sentence. The words and defaults that options and documentation show come from here too.
"""

import difflib
import importlib.resources
import math
import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import ValidationError

from nce_train.arguments import format_value
from nce_train.errors import InputError, NceTrainWarning
from nce_train.flat_yaml import MAX_BYTES, parse_flat_yaml
from nce_train.training.settings import Settings

PRESETS = "nce_train.configs"
# settings of earlier versions: files that still have them are read, with one warning
_REMOVED = {"smoothing": "vectors are no longer smoothed after training"}
# what settings were before there were such settings: in the config of a run or model, which has all of its version
_BEFORE = {"ngrams": "off"}
_warned: set[str] = set()
# what gensim, word2vec.c and others call our settings
_NAMES_ELSEWHERE = {
    "vector_size": "dim",
    "size": "dim",
    "workers": "threads",
    "negative": "num_sampled",
    "sample": "subsample",
    "alpha": "lr",
    "learning_rate": "lr",
    "iter": "epochs",
    "ns_exponent": "distortion",
    "max_final_vocab": "max_vocab",
    "shrink_windows": "dynamic_window",
}


def load_settings(config: str | os.PathLike[str] | None = None, given: Mapping[str, Any] | None = None) -> Settings:
    """Join defaults, a YAML file or preset, and given settings, the later ones winning.

    Parameters
    ----------
    config : str or path, optional
        A YAML file, or the name of a packaged preset (no slash, no ending).
    given : mapping, optional
        Settings by name, as from the command line or a Python call.

    Returns
    -------
    Settings

    Raises
    ------
    InputError
        One sentence: an unknown setting (with the nearest right name), a wrong type, a value out of range.
    """
    values: dict[str, Any] = {}
    where: dict[str, str] = {}
    if config is not None:
        values.update(read_config(config))
        where = dict.fromkeys(values, f" in {os.fspath(config)}")
    for name, value in (given or {}).items():
        values[name] = value.item() if type(value).__module__ == "numpy" else value
        where.pop(name, None)
    return _validated(values, where)


def read_config(config: str | os.PathLike[str]) -> dict[str, Any]:
    """The settings of a YAML file or packaged preset, unchecked but for being a mapping."""
    name = os.fspath(config)
    try:
        content = _config_bytes(name)
    except IsADirectoryError:
        raise InputError(f"{name} is a directory; the settings of a model are in its config.yaml.") from None
    except OSError as error:
        raise InputError(f"Cannot read the settings file {name}: {error.strerror}.") from None
    return without_removed(parse_flat_yaml(content, name)[0], name)


def without_removed(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Settings without those of earlier versions only; one warning names them and the file `name` where they stand."""
    removed = [setting for setting in values if setting in _REMOVED]
    if removed and name not in _warned:
        _warned.add(name)  # a file is read several times: for the checks before a run, and for the run
        reasons = "; ".join(f"{setting} is ignored, {_REMOVED[setting]}" for setting in removed)
        warnings.warn(f"{name} is of an earlier version: {reasons}.", NceTrainWarning, stacklevel=2)
    return {setting: value for setting, value in values.items() if setting not in _REMOVED}


def settings_of_run(
    config: str | os.PathLike[str] | Mapping[str, Any], given: Mapping[str, Any] | None = None
) -> Settings:
    """The settings of a run or model, from its `config.yaml` or a mapping, with given ones in their place.

    A run of an earlier version lacks settings that came later: they are what was usual before. Raises InputError as
    `load_settings`.
    """
    values = config if isinstance(config, Mapping) else read_config(config)
    missing = {name: value for name, value in _BEFORE.items() if name not in values}
    if isinstance(config, Mapping):
        return load_settings(None, {**missing, **config, **(given or {})})
    return load_settings(config, {**missing, **(given or {})})


def preset_names() -> list[str]:
    """Names of the packaged presets."""
    entries = importlib.resources.files(PRESETS).iterdir()
    return sorted(entry.name.removesuffix(".yaml") for entry in entries if entry.name.endswith(".yaml"))


def settings_table() -> str:
    """The settings as a Markdown table (that of `docs/settings.md`)."""
    lines = ["| option | default | what |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        choices = allowed_words(name)
        default = "" if field.default in (None, []) else yaml_word(field.default)
        meaning = field.description or ""
        if choices:
            meaning += " (" + ", ".join(f"`{choice}`" for choice in choices) + ")"
        lines.append(f"| `--{name.replace('_', '-')}` | {f'`{default}`' if default else ''} | {meaning} |")
    return "\n".join(lines)


def allowed_words(name: str) -> tuple[str, ...]:
    """The words a setting can take, or () when it is no choice of words."""
    annotation = Settings.model_fields[name].annotation
    if getattr(annotation, "__origin__", None) is Literal:
        return tuple(annotation.__args__)  # type: ignore[union-attr]
    return ()


def yaml_word(value: Any) -> str:
    """A value as YAML writes it on one line: true, 0.0001, block."""
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()


def _config_bytes(name: str) -> bytes:
    is_preset_name = not re.search(r"[/\\.]", name)
    if is_preset_name:
        if name not in preset_names():
            hint = f"; for the file write ./{name}" if Path(name).is_file() else ""
            raise InputError(f"There is no preset {name!r}; presets are {', '.join(preset_names())}{hint}.")
        return importlib.resources.files(PRESETS).joinpath(f"{name}.yaml").read_bytes()
    with open(name, "rb") as file:
        return file.read(MAX_BYTES + 1)


def _validated(values: dict[str, Any], where: Mapping[str, str]) -> Settings:
    known = list(Settings.model_fields)
    for name in values:
        if name not in known:
            elsewhere = _NAMES_ELSEWHERE.get(name.replace("-", "_"))
            nearest = [elsewhere] if elsewhere else difflib.get_close_matches(name.replace("-", "_"), known, n=1)
            hint = f"; did you mean {nearest[0]}?" if nearest else "."
            hint = f"; {_REMOVED[name]}." if name in _REMOVED else hint
            raise InputError(f"There is no setting {name!r}{where.get(name, '')}{hint}")
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise InputError(_sentence(error, where)) from None


def _sentence(error: ValidationError, where: Mapping[str, str]) -> str:
    first = error.errors()[0]
    if not first["loc"]:
        return f"Setting {first['msg'].removeprefix('Value error, ')}."
    name = str(first["loc"][0])
    value = first["input"]
    if isinstance(value, float) and not math.isfinite(value):
        return f"Setting {name}{where.get(name, '')} cannot be {value}: it should be a finite number."
    reason = first["msg"].removeprefix("Value error, ")
    for subject in ("Input ", "String "):
        if reason.startswith(subject):
            reason = "it " + reason.removeprefix(subject)
    if name in ("lr", "threads"):
        reason = "it should be a number or auto"
    shown = yaml_word(value) if _plain(value) else format_value(value)
    return f"Setting {name}{where.get(name, '')} cannot be {shown}: {reason}."


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float, bool))
