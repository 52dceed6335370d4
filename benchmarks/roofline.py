"""How much of the processor's multiply-add peak training reaches, over its whole time.

    python -m benchmarks.roofline --corpus corpus.txt.xz --dim 128 [--sweep]

A centre against a row of the output table takes 6 · dim operations: the logit, and the two gradients. Useful are
those of (centre, context) pairs and of a centre's noise words, pairs + centres · num_sampled; masked are those that the
blocks of the kernel compute beside these and throw away (where a noise word drawn twice in a block is computed once,
that counts against them). The peak is measured before and after training, in this run.

Inside and outside the block arithmetic: training is repeated at a half and a quarter of dim, and a straight line laid
through the seconds a token. What grows with dim is inside (the products, and the rows they move), what is left
at dim 0 is outside (subsampling, blocks, noise, masks, the logistic). All figures are of training without the
compiling.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._common import new_parser, positive, say, table, write_results
from benchmarks._fma_peak import fma_peak
from benchmarks._line_transfer import line_round_trip
from benchmarks._setting import plain_text, setting, setting_lines
from nce_train.text.corpus import EncodedCorpus, encode_corpus
from nce_train.training.hogwild import HogwildTrainer
from nce_train.training.settings import Settings
from nce_train.training.settings_files import load_settings

DIMS = (50, 100, 128, 200, 300, 512)
WINDOWS = (2, 5, 10)
GIGA = 1e9


def main() -> None:
    """Measure, print, write."""
    parser = new_parser("benchmarks.roofline", __doc__ or "")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--dim", type=positive, default=128)
    parser.add_argument("--window", type=positive, default=5)
    parser.add_argument("--epochs", type=positive, default=1)
    parser.add_argument("--repeats", type=positive, default=3, help="trainings, of which the median counts")
    parser.add_argument("--sweep", action="store_true", help=f"dims {DIMS} by windows {WINDOWS} too, an epoch each")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="benchmarks-") as name,
        plain_text(options.corpus, Path(name)) as (text, corpus),
    ):
        described = setting(corpus)
        encoded = encode_corpus(text, name, threads=options.threads, cache=False)
        result: dict[str, Any] = {"preset": options.preset, "threads": options.threads}
        result["peak_before"] = peaks(options.threads)
        result["trainings"] = [measure(encoded, chosen(options)) for _ in range(options.repeats)]
        result["training"] = sorted(result["trainings"], key=lambda run: run["seconds"])[options.repeats // 2]
        result["parts"] = parts(encoded, options, result["training"])
        if options.sweep:
            result["sweep"] = [
                measure(encoded, chosen(options, dim=dim, window=window, epochs=1))
                for dim in DIMS
                for window in WINDOWS
            ]
        result["peak_after"] = peaks(options.threads)
        del encoded
    write_results(options.out, "roofline", report(result, setting_lines(described)), {**described, **result})


def peaks(threads: int) -> dict[str, float | None]:
    """Operations a second of one core, and of all threads together; ns that a cache line takes there and back."""
    say("measuring the multiply-add peak")
    return {"one": fma_peak(1), "all": fma_peak(threads), "line_round_trip": line_round_trip()}


def chosen(options: argparse.Namespace, **changes: int) -> Settings:
    """The preset's settings with those of the command line."""
    given = {
        "ngrams": "off",
        "dim": options.dim,
        "window": options.window,
        "epochs": options.epochs,
        "threads": options.threads,
    }
    return load_settings(options.preset, {**given, **changes}).resolved()


def measure(encoded: EncodedCorpus, settings: Settings) -> dict[str, Any]:
    """Train, and count the operations; those that the trainer does not count are None."""
    say(f"training: dim {settings.dim}, window {settings.window}, {settings.epochs} epochs")
    trainer = HogwildTrainer(encoded.stream, encoded.token_count, encoded.vocabulary.counts, settings)
    trainer.compile()
    trained = trainer.run()
    totals, seconds = trained.totals, trained.seconds
    centres, products = getattr(totals, "centres", None), getattr(totals, "products", None)
    operations = 6 * settings.dim
    useful = None if centres is None else operations * (totals.pairs + centres * settings.num_sampled)
    computed = None if products is None else operations * products
    return {
        "dim": settings.dim,
        "window": settings.window,
        "seconds": seconds,
        "tokens": totals.tokens,
        "tokens_per_second": totals.tokens / seconds,
        "pairs": totals.pairs,
        "centres": centres,
        "products": products,
        "useful_flop": useful,
        "masked_flop": None if useful is None or computed is None else computed - useful,
    }


def parts(encoded: EncodedCorpus, options: argparse.Namespace, training: dict[str, Any]) -> dict[str, Any]:
    """Seconds inside and outside the block arithmetic, by a line through the seconds a token at several dims."""
    smaller = [max(16, options.dim // divisor // 16 * 16) for divisor in (4, 2)]
    runs = [measure(encoded, chosen(options, dim=dim, epochs=1)) for dim in smaller] + [training]
    dims = [run["dim"] for run in runs]
    seconds_a_token = [run["seconds"] / run["tokens"] for run in runs]
    at_dim_0 = float(np.polyfit(dims, seconds_a_token, 1)[-1])
    outside = min(max(0.0, at_dim_0) * training["tokens"], training["seconds"])
    return {"dims": dims, "inside_seconds": training["seconds"] - outside, "outside_seconds": outside}


def report(result: dict[str, Any], about: list[str]) -> list[str]:
    """The Markdown."""
    training, divided = result["training"], result["parts"]
    useful, masked, total = training["useful_flop"], training["masked_flop"], training["seconds"]
    inside, outside = divided["inside_seconds"], divided["outside_seconds"]
    peak = {name: max(result["peak_before"][name], result["peak_after"][name]) for name in ("one", "all")}
    rows = [
        ["peak of one core", _rate(peak["one"], 1), ""],
        [f"peak of {result['threads']} threads", _rate(peak["all"], 1), "100 %"],
        ["useful, over the whole training time", *_both(useful, total, peak["all"])],
        ["masked, over the whole training time", *_both(masked, total, peak["all"])],
        [
            "useful, inside the block arithmetic",
            *_both(training["useful_flop"], divided["inside_seconds"], peak["all"]),
        ],
    ]
    lines = [
        f"# Roofline: dim {training['dim']}, window {training['window']}, preset {result['preset']}, "
        f"{result['threads']} threads",
        "",
        *table(["float32 multiply-adds", "GF/s", "share of the peak"], rows),
        "",
        f"{_spread(result['trainings'], peak['all'])} It took {total:.1f} s for {training['tokens']:,} tokens, "
        f"{training['tokens_per_second'] / 1e6:.2f} M/s: {inside:.1f} s ({inside / total:.0%}) inside the block "
        f"arithmetic, {outside:.1f} s outside (a line through dims {', '.join(map(str, divided['dims']))}). "
        f"The peak of all threads was {_rate(result['peak_before']['all'], 1)} GF/s before and "
        f"{_rate(result['peak_after']['all'], 1)} after; the greater one counts. A cache line took "
        f"{_line(result['peak_before'])} to the other core and back before, {_line(result['peak_after'])} after.",
    ]
    if "sweep" in result:
        heads = ["dim", "window", "tokens/s", "useful GF/s", "share of the peak", "masked GF/s"]
        lines += ["", *table(heads, [_sweep_row(run, peak["all"]) for run in result["sweep"]])]
    return [*lines, "", *about]


def _spread(trainings: list[dict[str, Any]], peak: float) -> str:
    shares = [run["useful_flop"] / run["seconds"] / peak for run in trainings if run["useful_flop"] is not None]
    if not shares:
        return f"The median of {len(trainings)} trainings counts."
    return f"The median of {len(trainings)} trainings counts; they reached {min(shares):.0%} to {max(shares):.0%}."


def _line(peak: dict[str, float | None]) -> str:
    trip = peak["line_round_trip"]
    return "an unknown time" if trip is None else f"{trip:.0f} ns"


def _sweep_row(run: dict[str, Any], peak: float) -> list[str]:
    speed = f"{run['tokens_per_second'] / 1e6:.2f} M"
    masked = _rate(run["masked_flop"], run["seconds"])
    return [str(run["dim"]), str(run["window"]), speed, *_both(run["useful_flop"], run["seconds"], peak), masked]


def _both(flop: float | None, seconds: float, peak: float) -> tuple[str, str]:
    share = "n/a" if flop is None or seconds == 0 else f"{flop / seconds / peak:.0%}"
    return _rate(flop, seconds), share


def _rate(flop: float | None, seconds: float) -> str:
    return "n/a" if flop is None or seconds == 0 else f"{flop / seconds / GIGA:.1f}"


if __name__ == "__main__":
    main()
