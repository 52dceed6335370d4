"""The kernels compiled in a process of their own, while this one reads the text.

Numba compiles one function at a time in a process, so that on a fresh installation the kernels of training would wait
for those of reading. What the other process leaves in Numba's cache is loaded from there; whatever goes wrong with it,
the kernels are compiled here as if it had not been.
"""

import gc
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import numpy as np

from nce_train.training.settings import Settings, load_settings

if TYPE_CHECKING:
    from nce_train.training.trainer import BaseTrainer


def trainer_type(settings: Settings) -> "type[BaseTrainer]":
    """The kind of trainer that the settings ask for; loads the compiler."""
    if settings.deterministic:
        from nce_train.training.rounds import RoundTrainer

        return RoundTrainer
    from nce_train.training.hogwild import Trainer

    return Trainer


def compile_kernels(settings: Settings) -> None:
    """Compile, or load from the cache, all that training with these settings needs."""
    stream = np.array([0, 1, -1], np.int32)
    stream.flags.writeable = False  # as the token file is mapped: another type to the compiler
    smallest = settings.model_copy(update={"unique": False, "threads": 1}).with_rounds(2, 2)
    trainer_type(settings)(stream, 2, np.array([1, 1]), smallest).compile()


def compile_elsewhere(settings: Settings) -> None:
    """Have another process fill the cache of kernels if there is one that lacks them; wait for it.

    That process ends with this one, whatever ends it.
    """
    if not sys.executable or not _is_to_be_compiled(settings):
        return
    command = [sys.executable, "-P", "-m", __name__]  # -P: what lies in the working directory is not imported
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    if not settings.deterministic:
        # the kernel's vector code is written out: higher levels gain nothing, and take a twelfth of the time
        environment.setdefault("NUMBA_OPT", "1")
    try:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return
    assert process.stdin is not None
    try:
        process.stdin.write(settings.to_yaml().encode() + b"\0")
        process.stdin.flush()  # and stays open: its end tells the other process that this one is gone
        process.wait()
    except OSError:
        process.kill()
    finally:
        process.stdin.close()


def _is_to_be_compiled(settings: Settings) -> bool:
    """Whether nothing of the kind that these settings need is in the cache, and there is one."""
    from nce_train.compiled import is_missing_from_cache
    from nce_train.kernel.train import train_blocks

    kernel = train_blocks
    if settings.deterministic:  # whose other kernels tell that `train_blocks` is there for it too
        from nce_train.kernel.combine import add_changes

        kernel = add_changes
    return is_missing_from_cache(kernel)


def _end_with_the_other_process() -> None:
    # not through sys.stdin: its lock would still be held in the end, and Python waits a second for it, then aborts
    while os.read(0, 1):
        pass
    os._exit(1)


def _main() -> None:
    import yaml

    gc.disable()  # this process ends with its work; looking for cycles would take a fourteenth of the time

    content = bytearray()
    while (byte := os.read(0, 1)) not in (b"\0", b""):
        content += byte
    settings = load_settings(None, yaml.safe_load(bytes(content)))
    threading.Thread(target=_end_with_the_other_process, daemon=True).start()
    compile_kernels(settings)


if __name__ == "__main__":
    _main()
