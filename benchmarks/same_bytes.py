"""Whether training still computes the same parameters, to the last bit: short deterministic runs and their checksums.

    python -m benchmarks.same_bytes --write      # on the code before a change
    python -m benchmarks.same_bytes              # after it: exit code 1 where a checksum differs

Each run trains on the project's sample with one thread or in rounds, so the same code gives the same bytes. The
checksum is the SHA-256 over those of `input.npy`, `output.npy`, `bias.npy`, `vocab.tsv` and the n-grams. Other vector
instructions and other versions of Numba may round differently: checksums can be compared on the kind of machine that
wrote them, which the file names.
"""

import argparse
import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import nce_train
from benchmarks._common import RESULTS, SAMPLE, say
from benchmarks._setting import machine, versions
from nce_train.files import atomic_write

CHECKSUMS = RESULTS / "same_bytes.json"
PARAMETERS = ("input.npy", "output.npy", "bias.npy", "vocab.tsv", "ngrams.npy", "ngram_buckets.npy")
ALWAYS = {"ngrams": "off", "epochs": 1, "min_count": 1, "threads": 1, "seed": 7}
ROUNDS = {"deterministic": True, "threads": 2}

# Runs by name: settings over ALWAYS. `init` and `continue_from` name an earlier run, whose model they start from.
RUNS: dict[str, dict[str, Any]] = {
    "window": {},
    "window, two epochs": {"epochs": 2, "seed": 8},
    "window, dim 20": {"dim": 20},
    "window, dim 300": {"dim": 300},
    "window, radius by centre": {"dynamic_window": "centre", "window": 3},
    "window, fixed radius, mean": {"dynamic_window": "none", "reduction": "mean", "lr": 0.5, "window": 2},
    "window, one long line": {"line_breaks": "ignore", "block_size": 32},
    "window, hits removed": {"remove_accidental_hits": True, "num_sampled": 100},
    "window, much noise": {"num_sampled": 200, "noise_reuse": 1},
    "window, constant rate, max_steps": {"lr_schedule": "constant", "max_steps": 5000, "subsample": 0},
    "window, initial values": {
        "input_init": "normal(0.01)",
        "output_init": "truncated-normal(0.02)",
        "bias_init": "zero",
    },
    "window, unknown": {"min_count": 200, "unknown": "UNK"},
    "pairs": {"objective": "pairs"},
    "pairs, unique log-uniform": {"objective": "pairs", "sampler": "log-uniform", "unique": True},
    "pairs, hits removed": {"objective": "pairs", "remove_accidental_hits": True, "sampler": "uniform", "dim": 64},
    "unique unigram": {"unique": True, "distortion": 0.5, "num_sampled": 64},
    "TensorFlow's tutorial": {"config": "tf_word2vec_basic", "max_steps": 2000},
    "rounds": ROUNDS,
    "rounds, pairs, unique": {**ROUNDS, "objective": "pairs", "unique": True, "sampler": "log-uniform", "shards": 4},
    "cluster local:2": {"deterministic": True, "cluster": "local:2", "shards": 4},
    "warm start": {"init": "window", "seed": 9},
    "continued": {"continue_from": "window", "seed": 10},
    "n-grams": {"ngrams": "5"},
    "n-grams, pairs, two epochs": {"ngrams": "3-6", "buckets": 5000, "objective": "pairs", "epochs": 2, "dim": 20},
    "n-grams in rounds": {**ROUNDS, "ngrams": "5"},
    "n-grams on a cluster local:2": {"deterministic": True, "cluster": "local:2", "shards": 4, "ngrams": "3-4"},
    "n-grams continued": {"continue_from": "n-grams", "ngrams": "5", "seed": 11},
    "CBOW": {"model": "cbow"},
    "CBOW with n-grams, fixed radius": {"model": "cbow", "ngrams": "3-6", "dynamic_window": "none", "window": 3},
    "CBOW in rounds": {**ROUNDS, "model": "cbow", "unique": True},
}


def main() -> None:
    """Run, compare or write."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.same_bytes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--write", action="store_true", help="write the checksums instead of comparing them")
    parser.add_argument("--file", type=Path, default=CHECKSUMS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nce-train-") as scratch:
        sums = {name: checksum_of_run(name, Path(scratch)) for name in RUNS}
    here = {"machine": machine(), "versions": versions()}
    if options.write:
        with atomic_write(options.file, "w", encoding="utf-8") as file:
            json.dump({**here, "checksums": sums}, file, indent=1)
            file.write("\n")
        return
    written = json.loads(options.file.read_text(encoding="utf-8"))
    differ = [name for name in RUNS if sums[name] != written["checksums"].get(name)]
    for name in RUNS:
        print(f"{'differs' if name in differ else 'same':8}{name}")
    print(f"{len(RUNS) - len(differ)} of {len(RUNS)} runs have the same bytes")
    for part in ("machine", "versions"):
        if written[part] != here[part]:
            print(f"The checksums were written with other {part}: {written[part]}; here: {here[part]}")
    sys.exit(1 if differ else 0)


def checksum_of_run(name: str, scratch: Path) -> str:
    """Train one run into a directory of `scratch`, and digest its parameters."""
    say(name)
    settings = {**ALWAYS, **RUNS[name]}
    for start in ("init", "continue_from"):
        if start in settings:
            settings[start] = scratch / settings[start]
    output = scratch / name.replace("/", " ")
    nce_train.train(SAMPLE / "sample.txt.xz", output=output, progress=False, cache=False, **settings)
    files = json.loads((output / "manifest.json").read_text(encoding="utf-8"))["files"]
    return hashlib.sha256("\n".join(files[part] for part in PARAMETERS if part in files).encode()).hexdigest()


if __name__ == "__main__":
    main()
