"""What the tests of runs on worker processes share."""

import json
import os
import signal
import time

from distributed import Client

SETTINGS = {"dim": 16, "epochs": 4, "min_count": 3, "shards": 4, "num_sampled": 5, "round_tokens": 500}
FILES = ("input.npy", "output.npy", "bias.npy", "vocab.tsv")


def contents(model):
    """The files, and the held-out losses after each epoch."""
    looks = json.loads((model / "manifest.json").read_text())["heldout"]
    return [*((model / name).read_bytes() for name in FILES), looks]


def freeze_at_work_and_kill(address, pids, work="train_shard"):
    """Stop one of the workers while it has such a task, so that it cannot finish, and kill it."""
    with Client(address) as client:
        while True:
            for worker, tasks in client.processing().items():
                if any(work in str(task) for task in tasks):
                    os.kill(pids[worker], signal.SIGSTOP)
                    time.sleep(0.3)
                    os.kill(pids[worker], signal.SIGKILL)
                    return
            time.sleep(0.002)
