"""What the processor can do at most: multiply-adds a second of independent chains held in registers.

A chain is a vector v ← v·x + y; enough chains hide the latency of a multiply-add. Vectors of 256 and of 512 bits are
tried with several numbers of chains, since processors differ in what suits them; the best counts. Written as LLVM
instructions, so that no C compiler is needed.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

SHAPES = ((8, 10), (8, 12), (16, 8), (16, 12))  # numbers a vector, chains
ROUNDS = 5
SECONDS = 0.1  # of one round

Chains = Callable[[int, float, float], float]


def fma_peak(threads: int) -> float:
    """Floating-point operations a second (a multiply-add is two) of float32, on `threads` threads at once.

    The best of some rounds: what else runs on the machine can only lower it.
    """
    return max(_rate(_compiled(lanes, chains), lanes * chains, threads) for lanes, chains in SHAPES)


_kernels: dict[tuple[int, int], Chains] = {}


def _compiled(lanes: int, chains: int) -> Chains:
    if (lanes, chains) not in _kernels:
        _kernels[lanes, chains] = _new_kernel(lanes, chains)
        _kernels[lanes, chains](1, 0.5, 0.5)
    return _kernels[lanes, chains]


def _new_kernel(lanes: int, chains: int) -> Chains:
    """Compile f(repeats, x, y): `repeats` steps of all chains; returns their sum, or the work would be dropped."""

    @intrinsic
    def run_chains(typing_context: Any, repeats: Any, x: Any, y: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            vector = ir.VectorType(ir.FloatType(), lanes)
            signature_of_fma = ir.FunctionType(vector, [vector] * 3)
            fma = cgutils.get_or_insert_function(builder.module, signature_of_fma, f"llvm.fma.v{lanes}f32")
            factor, summand = (_broadcast(builder, vector, number) for number in arguments[1:])
            start = [ir.Constant(vector, [float(chain)] * lanes) for chain in range(chains)]
            cells = [cgutils.alloca_once_value(builder, value) for value in start]
            with cgutils.for_range(builder, arguments[0]):
                for cell in cells:
                    builder.store(builder.call(fma, [builder.load(cell), factor, summand]), cell)
            total = builder.load(cells[0])
            for cell in cells[1:]:
                total = builder.fadd(total, builder.load(cell))
            result = builder.extract_element(total, ir.Constant(ir.IntType(32), 0))
            for lane in range(1, lanes):
                result = builder.fadd(result, builder.extract_element(total, ir.Constant(ir.IntType(32), lane)))
            return result

        return types.float32(types.int64, types.float32, types.float32), generate

    @njit(types.float32(types.int64, types.float32, types.float32), nogil=True)
    def kernel(repeats, x, y):
        return run_chains(repeats, x, y)  # type: ignore[call-arg]

    return kernel


def _broadcast(builder: Any, vector: Any, number: Any) -> Any:
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    return builder.shuffle_vector(first, first, zeros)


def _rate(kernel: Chains, numbers: int, threads: int) -> float:
    """The best rate of some rounds, each on all threads from a common start."""
    repeats = 1_000_000
    started = time.perf_counter()
    kernel(repeats, 0.5, 0.5)
    repeats = int(repeats * SECONDS / (time.perf_counter() - started)) + 1
    return max(_round(kernel, repeats, threads) for _ in range(ROUNDS)) * 2 * numbers


def _round(kernel: Chains, repeats: int, threads: int) -> float:
    """Steps a second of all threads together."""
    barrier = threading.Barrier(threads)
    times = np.empty((threads, 2))

    def work(number: int) -> None:
        barrier.wait()
        times[number, 0] = time.perf_counter()
        kernel(repeats, 0.5, 0.5)
        times[number, 1] = time.perf_counter()

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return float(threads * repeats / (times[:, 1].max() - times[:, 0].min()))
