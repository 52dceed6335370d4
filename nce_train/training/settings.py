"""The settings of a run: one definition, from which come the options, the YAML keys, the Python keywords and the docs.

`Settings` is the pydantic model. `load_settings` joins defaults, a YAML file or preset, and what the caller gave,
in that order, and turns every refusal into one sentence.
"""

import difflib
import importlib.resources
import math
import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from nce_train.errors import InputError, NceTrainWarning
from nce_train.flat_yaml import MAX_BYTES, parse_flat_yaml

PRESETS = "nce_train.configs"
DEFAULT_PRESET = "default"
HOGWILD_LR = 0.05
# Of K shards in rounds: HOGWILD_LR * K to this power, for what a row learns from its shards is partly averaged. Fitted
# to K = 4, 8 and 16 (benchmarks/STUDY.md, "Rounds").
ROUNDS_LR_POWER = 1 / 6
ROUNDS_LR_AT_MOST = 0.1
# Tokens of a shard's round by words of the vocabulary, so that rows change alike in a round of any vocabulary.
ROUND_TOKENS_A_WORD = 1.35
ROUND_TOKENS_AT_LEAST = 1000
ROUND_TOKENS_AT_MOST = 200_000
ROUNDS_AT_LEAST = 10  # in an epoch
ROUND_TAU = 60.0
# Rounds are known to be stable up to this learning rate, measured for 1,000 to 1,000,000 words (benchmarks/results/
# margin.md), and up to so many times the automatic tokens and tau, tried in a prototype with 74,000 words
STABLE_LR = 0.14
STABLE_ROUNDS = 2
MOST_THREADS = 1024

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h)?", re.ASCII)
_SECONDS = {"ms": 1e-3, "s": 1.0, None: 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_TOKENS = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kMG]?)\s*tokens|([kMG]))", re.ASCII)
_EPOCHS = re.compile(r"(\d+(?:\.\d+)?)\s*epochs?", re.ASCII)
_MULTIPLES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
_NUMBER = r"(\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)"
_INIT = re.compile(rf"(zero)|(uniform|normal|truncated-normal)\(\s*{_NUMBER}\s*(/\s*dim)?\s*\)", re.ASCII)


def _number(value: Any) -> Any:
    # YAML 1.1 reads 1e-4 (no point) as a string
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _seconds(value: Any) -> Any:
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if match is None:
            raise ValueError("it should be a duration such as 5s, 2min or 1h")
        return float(match[1]) * _SECONDS[match[2]]
    return value


def _interval(value: Any, epoch_tokens: int = 0) -> Any:
    # a number alone would be taken for tokens by one user and for seconds by the next
    if not isinstance(value, str) or max(*parse_interval(value, epoch_tokens), 0) == 0:
        or_epochs = " or of epochs such as 1epoch" if epoch_tokens else ""
        raise ValueError(f"it should be a duration such as 30s or 5min, or a number of tokens such as 20M{or_epochs}")
    return value.strip()


def _interval_or_epochs(value: Any) -> Any:
    return value if value is None else _interval(value, epoch_tokens=1)


def _paths(value: Any) -> Any:
    several = [value] if isinstance(value, (str, os.PathLike)) else value
    if not isinstance(several, (list, tuple)):
        return value
    return [os.fspath(path) if isinstance(path, os.PathLike) else path for path in several]


def _init(value: Any) -> Any:
    if not isinstance(value, str) or _INIT.fullmatch(value.strip()) is None:
        raise ValueError("it should be zero, uniform(A), normal(SIGMA) or truncated-normal(SIGMA), A also as 0.5/dim")
    return value.strip()


# settings of earlier versions: files that still have them are read, with one warning
_REMOVED = {"smoothing": "vectors are no longer smoothed after training"}

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

Number = Annotated[float, BeforeValidator(_number)]
Seconds = Annotated[float, BeforeValidator(_seconds)]
Interval = Annotated[str, BeforeValidator(lambda value: _interval(value))]
IntervalOrEpochs = Annotated[str, BeforeValidator(_interval_or_epochs)]
Paths = Annotated[list[str], BeforeValidator(_paths)]
Initialiser = Annotated[str, BeforeValidator(_init)]


class Settings(BaseModel):
    """Everything that can be set for a run. A setting's name is its long option with `_` for `-`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    # text
    tokens: Literal["whitespace", "words"] = Field(
        "whitespace",
        description="What a token is: a run of bytes between white space, or of Unicode letters and digits.",
    )
    lowercase: bool = Field(False, description="Fold words to lower case (Unicode).")
    line_breaks: Literal["sentence", "ignore"] = Field(
        "sentence", description="A line is a sentence, or line and file ends are white space like any other."
    )
    min_count: int = Field(5, ge=1, description="Drop words that occur less often.")
    max_vocab: int | None = Field(
        None, ge=2, description="Keep at most this many rows, `unknown` included; the most frequent stay."
    )
    unknown: str | None = Field(
        None,
        min_length=1,
        description="A word that stands for every dropped word, as row 0; without it they vanish.",
    )
    vocab: str | None = Field(
        None, description="Take the vocabulary from this file (word<TAB>count) instead of counting."
    )
    # model
    dim: int = Field(128, ge=1, le=4096, description="Numbers in an embedding.")
    window: int = Field(5, ge=1, le=1000, description="Greatest distance of a context word from its centre (radius).")
    dynamic_window: Literal["block", "centre", "none"] = Field(
        "block",
        description="Draw the radius from 1 to `window` for each block or centre, or use `window` throughout.",
    )
    subsample: Number = Field(
        1e-4,
        ge=0,
        le=1,
        description="Subsampling threshold: drop words of a relative frequency above this at random; 0 = off.",
    )
    objective: Literal["window", "pairs"] = Field(
        "window",
        description="A centre's contexts are m data samples against one noise set, or m examples of nce_loss.",
    )
    reduction: Literal["sum", "mean"] = Field(
        "sum", description="A block's gradient is the sum over its pairs, or divided by their number."
    )
    # noise
    num_sampled: int = Field(32, ge=1, le=65536, description="Noise samples shared by the centres of a block.")
    noise_reuse: int = Field(
        2,
        ge=1,
        le=65536,
        description="Consecutive blocks that a noise sample serves, at most `num_sampled`; 1 = all are drawn anew for "
        "each block, as always with `unique`.",
    )
    sampler: Literal["log-uniform", "unigram", "uniform"] = Field(
        "unigram", description="The noise distribution over the frequency-sorted vocabulary."
    )
    distortion: Number = Field(0.75, ge=-5, le=5, description="Exponent of the counts for the unigram sampler.")
    unique: bool = Field(False, description="Draw the noise samples of a block without replacement.")
    remove_accidental_hits: bool = Field(False, description="Leave out noise samples that are the centre's contexts.")
    # start
    input_init: Initialiser = Field("uniform(0.5/dim)", description="Start of the input embeddings.")
    output_init: Initialiser = Field("zero", description="Start of the output embeddings.")
    bias_init: Literal["log-unigram", "zero"] = Field(
        "log-unigram", description="Start of the biases: log of the subsampled unigram probability, or 0."
    )
    # optimisation
    epochs: int = Field(5, ge=1, description="Passes over the corpus.")
    max_steps: int | None = Field(None, ge=1, description="Stop after this many blocks, if the epochs last longer.")
    block_size: int = Field(8, ge=1, le=4096, description="Centres that share a noise set and make one step.")
    lr: Number | Literal["auto"] = Field(
        "auto",
        description=f"Learning rate at the start; auto = {HOGWILD_LR}, with deterministic times the sixth root of "
        "shards: both are meant for reduction sum.",
        union_mode="left_to_right",
    )
    lr_schedule: Literal["linear", "constant"] = Field(
        "linear", description="Fall linearly to a ten-thousandth of lr, or stay."
    )
    threads: int | Literal["auto"] = Field(
        "auto", description="Threads; auto = the CPUs this process may use.", union_mode="left_to_right"
    )
    seed: int = Field(1, ge=0, le=2**63 - 1, description="Seed of every random draw.")
    # rounds
    deterministic: bool = Field(
        False, description="The same seed gives the same model on any number of threads: train in rounds."
    )
    shards: int = Field(8, ge=1, le=MOST_THREADS, description="Parts of the corpus that a round trains side by side.")
    round_tokens: int | Literal["auto"] = Field(
        "auto", description="Tokens of each shard in a round; auto = from the vocabulary.", union_mode="left_to_right"
    )
    round_tau: Number | Literal["auto"] = Field(
        "auto",
        description="Updates of a row in a round up to which the shards' changes are added, not averaged; "
        f"auto = {ROUND_TAU:g}.",
        union_mode="left_to_right",
    )
    # readings
    log_every: Seconds = Field(5.0, gt=0, description="Time between readings, such as 5s or 2min.")
    log_every_steps: int | None = Field(
        None, ge=1, description="Take readings at multiples of this many blocks instead."
    )
    checkpoint_every: Interval = Field(
        "5min", description="Time or tokens between checkpoints, such as 30s, 5min or 20M."
    )
    eval_every: IntervalOrEpochs | None = Field(
        None, description="Evaluate while training: time, tokens or epochs between, such as 5min, 20M or 1epoch."
    )
    eval_set: Paths = Field(
        [], description="A set for it, of analogies or similarities (repeatable); with none, the project's analogies."
    )
    heldout: str | None = Field(
        None, description="A text that is not trained on: its NCE loss is taken after each epoch."
    )
    patience: int | None = Field(
        None, ge=1, description="Stop after so many epochs without a lower held-out loss, and keep the best parameters."
    )

    @model_validator(mode="after")
    def _numbers_in_range(self) -> "Settings":
        if self.lr != "auto" and self.lr < 0:
            raise ValueError(f"lr cannot be {self.lr}: it should be greater than or equal to 0")
        if self.threads != "auto" and not 1 <= self.threads <= MOST_THREADS:
            raise ValueError(f"threads cannot be {self.threads}: it should be from 1 to {MOST_THREADS}, or auto")
        if self.round_tokens != "auto" and self.round_tokens < 1:
            raise ValueError(f"round_tokens cannot be {self.round_tokens}: it should be at least 1, or auto")
        if self.patience is not None and self.heldout is None:
            raise ValueError("patience needs a text to look at: give --heldout FILE too")
        if self.eval_set and self.eval_every is None:
            raise ValueError("eval_set needs to know when to evaluate: give --eval-every 1epoch too")
        if self.round_tau != "auto" and self.round_tau <= 0:
            raise ValueError(f"round_tau cannot be {self.round_tau}: it should be above 0, or auto")
        if parse_initialiser(self.input_init, self.dim)[1] == parse_initialiser(self.output_init, self.dim)[1] == 0:
            raise ValueError("input_init cannot be zero where output_init is zero: nothing would ever move")
        if self.max_vocab is not None and self.unique and self.num_sampled > self.max_vocab:
            raise ValueError(
                f"num_sampled cannot be {self.num_sampled}: with unique, max_vocab {self.max_vocab} gives no more"
            )
        return self

    def resolved(self) -> "Settings":
        """The same settings with every `auto` and every `/dim` replaced by its number, `eval_set` by absolute paths.

        But `round_tokens` and `round_tau`, which depend on the vocabulary: see `with_rounds`.
        """
        return self.model_copy(
            update={
                "lr": self._automatic_lr() if self.lr == "auto" else self.lr,
                "threads": usable_cpus() if self.threads == "auto" else self.threads,
                "input_init": _without_dim(self.input_init, self.dim),
                "output_init": _without_dim(self.output_init, self.dim),
                "eval_set": [os.path.abspath(path) for path in self.eval_set],  # resume may come from elsewhere
            }
        )

    def with_rounds(self, vocabulary: int, token_count: int) -> "Settings":
        """The same settings with numbers where `round_tokens` and `round_tau` are `auto`.

        Parameters
        ----------
        vocabulary : int
            Rows of the tables.
        token_count : int
            Tokens of an epoch.
        """
        tokens, tau = self.round_tokens, self.round_tau
        if tokens == "auto":
            fitting = min(ROUND_TOKENS_AT_MOST, max(ROUND_TOKENS_AT_LEAST, round(ROUND_TOKENS_A_WORD * vocabulary)))
            tokens = max(1, min(fitting, token_count // (self.shards * ROUNDS_AT_LEAST)))
        return self.model_copy(update={"round_tokens": tokens, "round_tau": ROUND_TAU if tau == "auto" else tau})

    def _automatic_lr(self) -> float:
        return rounds_lr(self.shards) if self.deterministic else HOGWILD_LR

    def _default(self, name: str) -> Any:
        return type(self).model_fields[name].default

    def doubts(self, vocabulary: int, token_count: int) -> list[str]:
        """Sentences on settings that have no effect, or that are beyond what rounds are known to be stable at.

        Parameters are those of `with_rounds`.
        """
        found = self._doubts_about_rounds(vocabulary, token_count)
        if self.unique and self.noise_reuse not in (1, self._default("noise_reuse")):
            found.append("With unique noise_reuse has no effect: each block draws all its noise samples.")
        elif self.noise_reuse > max(self.num_sampled, self._default("noise_reuse")):
            found.append(
                f"noise_reuse is {self.noise_reuse:,}, but no noise sample serves more than num_sampled "
                f"({self.num_sampled:,}) blocks: at least one is drawn for each."
            )
        if self.sampler != "unigram" and self.distortion != self._default("distortion"):
            found.append(f"With sampler {self.sampler} distortion has no effect.")
        if self.lr == 0:
            found.append("With lr 0 no parameter moves: the run only measures the loss.")
        elif self.reduction == "mean" and self.lr == self._automatic_lr():
            found.append(f"With reduction mean lr {self.lr:g} is little: it divides the steps by a block's pairs.")
        return found

    def _doubts_about_rounds(self, vocabulary: int, token_count: int) -> list[str]:
        automatic = self.model_copy(update={"round_tokens": "auto", "round_tau": "auto"})
        automatic = automatic.with_rounds(vocabulary, token_count)
        if not self.deterministic:
            without_effect = [
                name
                for name, usual in (
                    ("shards", self._default("shards")),
                    ("round_tokens", automatic.round_tokens),
                    ("round_tau", automatic.round_tau),
                )
                if getattr(self, name) not in (usual, "auto")
            ]
            return [f"Without --deterministic {name} has no effect." for name in without_effect]
        limits = {
            "lr": STABLE_LR,
            "round_tokens": STABLE_ROUNDS * float(automatic.round_tokens),
            "round_tau": STABLE_ROUNDS * ROUND_TAU,
        }
        if self.reduction == "mean":
            del limits["lr"]
        return [
            f"{name} is {getattr(self, name):g}; rounds of {vocabulary:,} words are known to be stable up to "
            f"{limit:g}: the loss may explode."
            for name, limit in limits.items()
            if getattr(self, name) != "auto" and getattr(self, name) > limit
        ]

    def to_yaml(self) -> str:
        """YAML that `load_settings` reads back as the same settings."""
        return yaml.safe_dump(self.model_dump(), sort_keys=False, allow_unicode=True)


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
    if removed:
        reasons = "; ".join(f"{setting} is ignored, {_REMOVED[setting]}" for setting in removed)
        warnings.warn(f"{name} is of an earlier version: {reasons}.", NceTrainWarning, stacklevel=2)
    return {setting: value for setting, value in values.items() if setting not in _REMOVED}


def preset_names() -> list[str]:
    """Names of the packaged presets."""
    entries = importlib.resources.files(PRESETS).iterdir()
    return sorted(entry.name.removesuffix(".yaml") for entry in entries if entry.name.endswith(".yaml"))


def settings_table() -> str:
    """The settings as a Markdown table (the README's)."""
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


def parse_initialiser(text: str, dim: int) -> tuple[str, float]:
    """`uniform(0.5/dim)` → ("uniform", 0.5 / dim); `zero` → ("zero", 0)."""
    match = _INIT.fullmatch(text)
    if match is None:
        raise InputError(
            f"{text!r} is no initialiser: give zero, uniform(A), normal(SIGMA) or truncated-normal(SIGMA)."
        )
    if match[1]:
        return "zero", 0.0
    return match[2], float(match[3]) / (dim if match[4] else 1)


def parse_interval(text: str, epoch_tokens: int = 0) -> tuple[float, int]:
    """`5min` → (300.0, 0), `20M` or `20Mtokens` → (0.0, 20_000_000): seconds and tokens; (0.0, 0) for no interval.

    `2epochs` is so many times `epoch_tokens`; no interval where these are 0.
    """
    duration, tokens = _DURATION.fullmatch(text.strip()), _TOKENS.fullmatch(text.strip())
    epochs = _EPOCHS.fullmatch(text.strip())
    if duration is not None and duration[2] is not None:
        return float(duration[1]) * _SECONDS[duration[2]], 0
    if tokens is not None:
        return 0.0, round(float(tokens[1]) * _MULTIPLES[tokens[2] or tokens[3] or ""])
    if epochs is not None and epoch_tokens and float(epochs[1]):
        return 0.0, max(1, round(float(epochs[1]) * epoch_tokens))
    return 0.0, 0


def rounds_lr(shards: int) -> float:
    """The automatic learning rate of rounds of so many shards."""
    return min(ROUNDS_LR_AT_MOST, round(HOGWILD_LR * shards**ROUNDS_LR_POWER, 3))


def usable_cpus() -> int:
    """How many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _without_dim(initialiser: str, dim: int) -> str:
    kind, scale = parse_initialiser(initialiser, dim)
    return kind if kind == "zero" else f"{kind}({scale!r})"


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
    shown = yaml_word(value) if _plain(value) else repr(value)
    return f"Setting {name}{where.get(name, '')} cannot be {shown}: {reason}."


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float, bool))
