"""The settings of a run: one definition, from which come the options, the YAML keys, the Python keywords and the docs.

`Settings` is the pydantic model; `settings_files` fills it from files, presets and what the caller gives.
"""

import math
import os
from collections.abc import Sequence
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from nce_train.control_groups import cpu_quota
from nce_train.text.language import LANGUAGE_SHARE, share_of_letters
from nce_train.text.token_rules import TokenRules
from nce_train.training.setting_types import (
    AUTOMATIC,
    File,
    Initialiser,
    Interval,
    IntervalOrEpochs,
    Ngrams,
    Number,
    Paths,
    Seconds,
    parse_initialiser,
    without_dim,
)

HOGWILD_LR = 0.05
CBOW_LR = 2  # times the learning rate of skip-gram: an input row takes a part of each step only
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
MOST_BUCKETS = 2**24


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
        "only; auto:MIN-MAX = where the words look like those of a language, else off; "
        f"auto = auto:{NGRAMS_OF_LANGUAGE}.",
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
        f"`deterministic`, and {CBOW_LR * HOGWILD_LR:g} for CBOW (meant for reduction sum).",
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
    def ngrams_are_automatic(self) -> bool:
        """Whether the words decide whether there are n-grams."""
        return self.ngrams == "auto" or self.ngrams.startswith(AUTOMATIC)

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
                "input_init": without_dim(self.input_init, self.dim),
                "output_init": without_dim(self.output_init, self.dim),
                "eval_set": [os.path.abspath(path) for path in self.eval_set],  # resume may come from elsewhere
            }
        )

    def with_ngrams(self, words: Sequence[str]) -> "Settings":
        """The same settings with lengths or off where `ngrams` is auto, which depends on the words."""
        if not self.ngrams_are_automatic:
            return self
        lengths = self.ngrams.removeprefix(AUTOMATIC) if self.ngrams != "auto" else NGRAMS_OF_LANGUAGE
        return self.model_copy(update={"ngrams": lengths if share_of_letters(words) >= LANGUAGE_SHARE else "off"})

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
        return round(ROUND_TAU * min(1.0, self._automatic_lr() / max(self.lr, 1e-9)), 2)

    def _automatic_lr(self) -> float:
        lr = rounds_lr(self.shards) if self.deterministic else HOGWILD_LR
        return min(ROUNDS_LR_AT_MOST, CBOW_LR * lr) if self.model == "cbow" else lr

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
        if self.model == "cbow" and self.objective != self._default("objective"):
            found.append("With model cbow objective has no effect: a centre has one target.")
        if self.lr == 0:
            found.append("With lr 0 no parameter moves: the run only measures the loss.")
        elif self.reduction == "mean" and self.lr == self._automatic_lr():
            found.append(f"With reduction mean lr {self.lr:g} is small: each step is divided by a block's pairs.")
        elif self.model == "cbow" and self.lr != "auto" and self.lr < self._automatic_lr() / 2:
            found.append(f"With model cbow lr {self.lr:g} is small: lr auto is {self._automatic_lr():g}.")
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


def rounds_lr(shards: int) -> float:
    """The automatic learning rate of rounds."""
    return min(ROUNDS_LR_AT_MOST, round(HOGWILD_LR * shards**ROUNDS_LR_POWER, 3))


def usable_cpus() -> int:
    """How many CPUs this process may use: those of its affinity, or fewer by its control groups' quota."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return cpus if quota is None else min(cpus, max(1, math.ceil(quota)))
