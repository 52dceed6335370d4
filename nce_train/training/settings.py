"""The settings of a run: one definition, from which come the options, the YAML keys, the Python keywords and the docs.

`Settings` is the pydantic model; `settings_files` fills it from files, presets and what the caller gives.
"""

import math
import os
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from nce_train.arguments import is_plain_number
from nce_train.control_groups import cpu_quota
from nce_train.errors import InputError
from nce_train.text.language import LANGUAGE_SHARE, share_of_letters
from nce_train.text.token_rules import TokenRules

HOGWILD_LR = 0.05
# Of K shards in rounds: HOGWILD_LR * K to this power, for what a row learns from its shards is partly averaged. Fitted
# to K = 4, 8 and 16 (benchmarks/STUDY.md, "Rounds").
ROUNDS_LR_POWER = 1 / 6
ROUNDS_LR_AT_MOST = 0.1
# Tokens of a shard's longest rounds by words of the vocabulary, so that rows change alike in a round of any vocabulary.
ROUND_TOKENS_A_WORD = 2.7
ROUND_TOKENS_AT_LEAST = 1000
ROUND_TOKENS_AT_MOST = 200_000
ROUNDS_AT_LEAST = 10  # in an epoch
ROUND_TAU = 60.0
NGRAMS_OF_LANGUAGE = "5-5"
# Rounds are known to be stable up to this learning rate, measured for 1,000 to 1,000,000 words, and there up to so many
# times the automatic tokens (benchmarks/STUDY.md, "Rounds"). At lower rates tau may be greater in proportion.
STABLE_LR = 0.14
STABLE_ROUND_TOKENS = 1.4
STABLE_TAU = 2
MOST_THREADS = 1024
MOST_INITIAL = 1000.0  # scale of initial values; vectors have numbers below 10

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h)?", re.ASCII)
_SECONDS = {"ms": 1e-3, "s": 1.0, None: 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_TOKENS = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kMG]?)\s*tokens|([kMG]))", re.ASCII)
_EPOCHS = re.compile(r"(\d+(?:\.\d+)?)\s*epochs?", re.ASCII)
_NGRAMS = re.compile(r"(\d{1,4})(?:\s*-\s*(\d{1,4}))?", re.ASCII)
MOST_NGRAM = 50  # characters: longer ones are whole words and sentences
MOST_BUCKETS = 2**24
_MULTIPLES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
_NUMBER = r"(\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)"
_INIT = re.compile(rf"(zero)|(uniform|normal|truncated-normal)\(\s*{_NUMBER}\s*(/\s*dim)?\s*\)", re.ASCII)


def _number(value: Any) -> Any:
    # YAML 1.1 reads 1e-4 (no point) as a string
    if isinstance(value, str) and is_plain_number(value):
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


def _ngrams(value: Any) -> Any:
    if value is False:  # what YAML 1.1 makes of off
        return "off"
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value in ("auto", "off"):
        return value
    match = _NGRAMS.fullmatch(value.strip()) if isinstance(value, str) else None
    least, most = (0, 0) if match is None else (int(match[1]), int(match[2] or match[1]))
    if not 1 <= least <= most <= MOST_NGRAM:
        raise ValueError(f"it should be lengths such as 3-6 or 5, from 1 to {MOST_NGRAM}, or auto or off")
    return f"{least}-{most}"


def _not_empty(value: str) -> str:
    if not value:
        raise ValueError("it names no file (is a variable unset?)")
    return value


def _init(value: Any) -> Any:
    match = _INIT.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("it should be zero, uniform(A), normal(SIGMA) or truncated-normal(SIGMA), A also as 0.5/dim")
    if match[3] is not None and float(match[3]) > MOST_INITIAL:
        raise ValueError(f"numbers above {MOST_INITIAL:g} let training explode at once")
    return match[0].strip()


Number = Annotated[float, BeforeValidator(_number)]
Seconds = Annotated[float, BeforeValidator(_seconds)]
Interval = Annotated[str, BeforeValidator(lambda value: _interval(value))]
IntervalOrEpochs = Annotated[str, BeforeValidator(_interval_or_epochs)]
File = Annotated[str, AfterValidator(_not_empty)]
Paths = Annotated[list[File], BeforeValidator(_paths)]
Initialiser = Annotated[str, BeforeValidator(_init)]
Ngrams = Annotated[str, BeforeValidator(_ngrams)]


class Settings(BaseModel):
    """Everything that can be set for a run. A setting's name is its long option with `_` for `-`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    # text
    tokens: Literal["whitespace", "words"] = Field(
        "whitespace",
        description="What a token is: text between white space, or a word of Unicode letters and digits.",
    )
    lowercase: bool = Field(False, description="Convert words to lower case (Unicode).")
    normalize: Literal["none", "nfc"] = Field(
        "none", description="Bring words into Unicode's composed form (NFC), or leave them as they are."
    )
    line_breaks: Literal["sentence", "ignore"] = Field(
        "sentence", description="Whether a line is a sentence, or line and file ends are ordinary white space."
    )
    min_count: int = Field(5, ge=1, description="Drop words that occur less often.")
    max_vocab: int | None = Field(
        None, ge=2, description="Keep at most this many words, the most frequent ones, including `unknown`."
    )
    unknown: str | None = Field(
        None,
        min_length=1,
        description="Replace dropped words by this word, which becomes row 0, instead of removing them.",
    )
    vocab: File | None = Field(
        None, description="Read the vocabulary from this file (word<TAB>count) instead of counting."
    )
    # model
    model: Literal["skipgram", "cbow"] = Field(
        "skipgram",
        description="Predict the context words from their centre, or the centre from the mean of its context words.",
    )
    ngrams: Ngrams = Field(
        "auto",
        description="Learn vectors of the words' n-grams too, of so many characters, such as 3-6 or 5; off = of words "
        f"only; auto = {NGRAMS_OF_LANGUAGE} where the words look like those of a language, else off.",
    )
    buckets: int = Field(
        2_000_000,
        ge=1,
        le=MOST_BUCKETS,
        description="Hash buckets that n-grams share; only those in use take room.",
    )
    dim: int = Field(128, ge=1, le=4096, description="Length of the embedding vectors.")
    window: int = Field(5, ge=1, le=1000, description="Maximum distance of a context word from its centre (radius).")
    dynamic_window: Literal["block", "centre", "none"] = Field(
        "block",
        description="Draw the radius from 1 to `window` for each block or centre, or always use `window`.",
    )
    subsample: Number = Field(
        1e-4,
        ge=0,
        le=1,
        description="Randomly drop occurrences of words with a relative frequency above this; 0 = off.",
    )
    objective: Literal["window", "pairs"] = Field(
        "window",
        description="A centre's m contexts share one set of noise terms, or are m separate examples of nce_loss.",
    )
    reduction: Literal["sum", "mean"] = Field(
        "sum", description="Whether a block's gradient is the sum or the mean over its pairs."
    )
    # noise
    num_sampled: int = Field(32, ge=1, le=65536, description="Noise samples, shared by the centres of a block.")
    noise_reuse: int = Field(
        2,
        ge=1,
        le=65536,
        description="Use each noise sample in this many consecutive blocks (at most `num_sampled`); 1, and always with "
        "`unique` = new samples for each block.",
    )
    sampler: Literal["log-uniform", "unigram", "uniform"] = Field(
        "unigram", description="The noise distribution over the vocabulary, which is sorted by frequency."
    )
    distortion: Number = Field(0.75, ge=-5, le=5, description="Exponent of the word counts, for the unigram sampler.")
    unique: bool = Field(False, description="Draw the noise samples of a block without replacement.")
    remove_accidental_hits: bool = Field(False, description="Ignore noise samples that are contexts of the centre.")
    # start
    input_init: Initialiser = Field("uniform(0.5/dim)", description="Initial values of the input embeddings.")
    output_init: Initialiser = Field("zero", description="Initial values of the output embeddings.")
    bias_init: Literal["log-unigram", "zero"] = Field(
        "log-unigram", description="Initial biases: log of the subsampled unigram probability, or 0."
    )
    # optimisation
    epochs: int = Field(5, ge=1, le=10**9, description="Passes over the corpus.")
    max_steps: int | None = Field(
        None, ge=1, le=10**15, description="Stop after this many blocks, even if epochs are left."
    )
    block_size: int = Field(
        8, ge=1, le=4096, description="Centres that share noise samples and are trained in one step."
    )
    lr: Number | Literal["auto"] = Field(
        "auto",
        description=f"Initial learning rate; auto = {HOGWILD_LR}, multiplied by the sixth root of `shards` with "
        "`deterministic` (meant for reduction sum).",
        union_mode="left_to_right",
    )
    lr_schedule: Literal["linear", "constant"] = Field(
        "linear", description="Lower the learning rate linearly to a ten-thousandth, or keep it."
    )
    threads: int | Literal["auto"] = Field(
        "auto", description="Threads; auto = all CPUs this process may use.", union_mode="left_to_right"
    )
    seed: int = Field(1, ge=0, le=2**63 - 1, description="Seed of all random numbers.")
    # rounds
    deterministic: bool = Field(
        False, description="Train in rounds, which give the same model for the same seed on any number of threads."
    )
    shards: int = Field(8, ge=1, le=MOST_THREADS, description="Parts of the corpus that a round trains in parallel.")
    round_tokens: int | Literal["auto"] = Field(
        "auto",
        description="Tokens of each shard in a round, after shorter rounds at the start; auto = from the vocabulary's "
        "size.",
        union_mode="left_to_right",
    )
    round_tau: Number | Literal["auto"] = Field(
        "auto",
        description="Updates of a row in a round beyond which the shards' changes are averaged rather than added; "
        f"auto = {ROUND_TAU:g}, less at an lr above auto.",
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
        None, description="Time, tokens or epochs between evaluations in training, such as 5min, 20M or 1epoch."
    )
    eval_set: Paths = Field(
        [], description="Set for these evaluations (repeatable); without it, the project's analogies."
    )
    heldout: File | None = Field(
        None, description="A text that is not trained on; its NCE loss is measured after each epoch."
    )
    patience: int | None = Field(
        None, ge=1, description="Stop after this many epochs without a lower held-out loss; keep the best parameters."
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

    @property
    def ngram_lengths(self) -> tuple[int, int] | None:
        """Characters of the shortest and the longest n-grams; None for words only. `ngrams` must not be auto."""
        if self.ngrams == "off":
            return None
        least, _, most = self.ngrams.partition("-")
        return int(least), int(most)

    @property
    def token_rules(self) -> TokenRules:
        """The settings that decide what a token is and how it is spelled."""
        return TokenRules(self.tokens, self.lowercase, self.normalize)

    def resolved(self) -> "Settings":
        """The same settings with every `auto` and every `/dim` replaced by its number, `eval_set` by absolute paths.

        But `ngrams`, `round_tokens` and `round_tau`, which depend on the vocabulary: see `with_ngrams`, `with_rounds`.
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

    def with_ngrams(self, words: Sequence[str]) -> "Settings":
        """The same settings with lengths or off where `ngrams` is auto, which depends on the words."""
        if self.ngrams != "auto":
            return self
        chosen = NGRAMS_OF_LANGUAGE if share_of_letters(words) >= LANGUAGE_SHARE else "off"
        return self.model_copy(update={"ngrams": chosen})

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
        return self.model_copy(
            update={"round_tokens": tokens, "round_tau": self._automatic_tau() if tau == "auto" else tau}
        )

    def _automatic_tau(self) -> float:
        """ROUND_TAU, less in proportion where the learning rate is above its automatic value."""
        if not self.deterministic or self.reduction == "mean" or self.lr == "auto":
            return ROUND_TAU
        return round(ROUND_TAU * min(1.0, rounds_lr(self.shards) / max(self.lr, 1e-9)), 2)

    def _automatic_lr(self) -> float:
        return rounds_lr(self.shards) if self.deterministic else HOGWILD_LR

    def _default(self, name: str) -> Any:
        return type(self).model_fields[name].default

    def warnings(self, vocabulary: int, token_count: int) -> list[str]:
        """Sentences on settings that have no effect, or that are beyond what rounds are known to be stable at.

        Parameters are those of `with_rounds`.
        """
        found = self._warnings_about_rounds(vocabulary, token_count)
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
            found.append(f"With reduction mean lr {self.lr:g} is small: each step is divided by a block's pairs.")
        return found

    def _warnings_about_rounds(self, vocabulary: int, token_count: int) -> list[str]:
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
            "round_tokens": float(round(STABLE_ROUND_TOKENS * float(automatic.round_tokens))),
            "round_tau": float(round(ROUND_TAU * max(1, min(STABLE_TAU, STABLE_LR / (float(self.lr) or 1e-9))))),
        }
        if self.reduction == "mean":
            del limits["lr"]
            limits["round_tau"] = STABLE_TAU * ROUND_TAU
        return [
            f"{name} is {getattr(self, name):g}; rounds of {vocabulary:,} words are known to be stable up to "
            f"{limit:g}: the loss may explode."
            for name, limit in limits.items()
            if getattr(self, name) != "auto" and getattr(self, name) > limit
        ]

    def to_yaml(self) -> str:
        """YAML that `load_settings` reads back as the same settings."""
        return yaml.safe_dump(self.model_dump(), sort_keys=False, allow_unicode=True)


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

    `2epochs` is twice `epoch_tokens`; no interval where these are 0.
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
    """The automatic learning rate of rounds."""
    return min(ROUNDS_LR_AT_MOST, round(HOGWILD_LR * shards**ROUNDS_LR_POWER, 3))


def usable_cpus() -> int:
    """How many CPUs this process may use: those of its affinity, or fewer by its control groups' quota."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return cpus if quota is None else min(cpus, max(1, math.ceil(quota)))


def _without_dim(initialiser: str, dim: int) -> str:
    kind, scale = parse_initialiser(initialiser, dim)
    return kind if kind == "zero" else f"{kind}({scale!r})"
