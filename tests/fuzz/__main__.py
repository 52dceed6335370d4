"""Read damaged files with every reader for a given time: `python -m tests.fuzz --minutes 10 [--seed 1]`.

Prints a table, and exits with code 1 when a reader did anything but return or raise InputError. The seed and number
that are printed with a fault identify the case.
"""

import argparse
import collections
import faulthandler
import random
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.fuzz.readers import IN_MEMORY, TARGETS, Fault, mutated_files, try_files

HANGS = 60  # seconds for one small file


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", choices=sorted(TARGETS), help="only this reader")
    options = parser.parse_args()
    chosen = {name: TARGETS[name] for name in ([options.target] if options.target else TARGETS)}
    valid = {name: target.files() for name, target in chosen.items()}
    cases: collections.Counter[str] = collections.Counter()
    accepted: collections.Counter[str] = collections.Counter()
    faults: dict[tuple[str, str], int] = {}
    until = time.monotonic() + 60 * options.minutes
    number = 0
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as scratch:
        while time.monotonic() < until:
            number += 1
            for name, target in chosen.items():
                rng = random.Random(f"{options.seed} {number} {name}")
                faulthandler.dump_traceback_later(HANGS, exit=True)
                cases[name] += 1
                try:
                    accepted[name] += try_files(target, mutated_files(valid[name], rng), Path(scratch))
                except Fault as fault:
                    place = traceback.extract_tb((fault.__cause__ or fault).__traceback__)[-1]
                    kind = f"{type(fault.__cause__ or fault).__name__} in {place.filename}:{place.lineno}"
                    if (name, kind) not in faults:
                        print(f"{name}, seed {options.seed}, case {number}: {fault} ({kind})", file=sys.stderr)
                    faults[name, kind] = faults.get((name, kind), 0) + 1
        faulthandler.cancel_dump_traceback_later()
    print(f"{'reader':28} {'cases':>9} {'read':>9} {'refused':>9} {'faults':>9}")
    for name in chosen:
        wrong = sum(times for (target, _), times in faults.items() if target == name)
        print(f"{name:28} {cases[name]:9} {accepted[name]:9} {cases[name] - accepted[name] - wrong:9} {wrong:9}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
