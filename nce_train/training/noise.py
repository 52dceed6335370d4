"""The noise distribution as the kernel wants it: an alias table and logarithms of the expected counts.

The probabilities are those of `nce_train.nce`'s samplers; words come in order of decreasing count.
"""

import numpy as np

from nce_train.errors import InputError
from nce_train.kernel.draws import alias_table
from nce_train.kernel.state import Noise
from nce_train.nce.probability import log_uniform_probability, uniform_probability, unigram_probability
from nce_train.training.settings import Settings


def noise_probability(counts: np.ndarray, settings: Settings) -> np.ndarray:
    """Probability of drawing each word as noise.

    Parameters
    ----------
    counts : int64 [vocabulary]
    settings : Settings
        Uses `sampler` and `distortion`.

    Returns
    -------
    float64 [vocabulary]
    """
    classes = len(counts)
    if settings.sampler == "unigram":
        # of the shares, not the counts: their powers cannot overflow
        return np.asarray(unigram_probability(counts / max(1, counts.max()), settings.distortion), np.float64)
    probability = log_uniform_probability if settings.sampler == "log-uniform" else uniform_probability
    return np.asarray(probability(np.arange(classes), classes), np.float64)


def merging_pays(counts: np.ndarray, settings: Settings) -> bool:
    """Whether noise words that a block draws several times should be one row to the kernel.

    Looking for them takes 4.4 ns a noise word (measured), a row about 60 ns (its share of a block's time). Expected are
    S − Σ_w (1 − (1 − q_w)^S) of them.
    """
    if settings.unique:
        return False
    probability, samples = noise_probability(counts, settings), settings.num_sampled
    repeats = samples + np.expm1(samples * np.log1p(-np.minimum(probability, 1 - 1e-12))).sum()
    return bool(repeats > samples * 4.4 / 60)


def noise_tables(counts: np.ndarray, settings: Settings) -> Noise:
    """Alias table and log expected counts of the run's noise distribution.

    Raises
    ------
    InputError
        When `unique` asks for more words than can be drawn.
    """
    probability = noise_probability(counts, settings)
    drawable = int(np.count_nonzero(probability))
    if settings.unique and settings.num_sampled > drawable:
        raise InputError(
            f"num_sampled {settings.num_sampled} with unique: only {drawable} words can be drawn as noise; "
            "lower --num-sampled."
        )
    with np.errstate(divide="ignore"):  # a word that is never noise has log Q = −inf, and an error below
        log_count = np.log(settings.num_sampled * probability)
    if drawable < len(counts):
        raise InputError(_never_drawn(counts, settings))
    return Noise(
        columns=alias_table(probability), log_count=log_count.astype(np.float32), log_miss=np.log1p(-probability)
    )


def _never_drawn(counts: np.ndarray, settings: Settings) -> str:
    number = int(np.count_nonzero(counts == 0))
    if settings.unknown is not None and number == 1 and counts[0] == 0:
        return (
            f"No word is dropped that {settings.unknown!r} could stand for, and the unigram sampler never draws it: "
            "leave --unknown out, or raise --min-count."
        )
    have = "1 word of the vocabulary has" if number == 1 else f"{number:,} words of the vocabulary have"
    return (
        f"{have} count 0, so the unigram sampler would never draw them and NCE is not defined for them; remove them "
        "from the vocabulary or choose another --sampler."
    )
