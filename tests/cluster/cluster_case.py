"""What the tests of whole runs on workers share."""

import json
import os
import signal
import time

from distributed import Client

SETTINGS = {"dim": 16, "epochs": 4, "min_count": 3, "shards": 4, "num_sampled": 5, "round_tokens": 500}
FILES = ("input.npy", "output.npy", "bias.npy", "vocab.tsv")


def files_of(model):
    """The bytes of the model's files."""
    return [(model / name).read_bytes() for name in FILES]


def files_and_losses(model):
    """The bytes of the model's files, and the held-out losses after each epoch."""
    return files_of(model), json.loads((model / "manifest.json").read_text())["heldout"]


def kill_at_work(address, pids, function="train_shard"):
    """Stop one of the workers while it runs a function, so that it cannot finish, and kill it."""
    with Client(address) as client:
        while True:
            for worker, tasks in client.processing().items():
                if any(function in str(task) for task in tasks):
                    os.kill(pids[worker], signal.SIGSTOP)
                    time.sleep(0.3)
                    os.kill(pids[worker], signal.SIGKILL)
                    return
            time.sleep(0.002)
