"""What the tests of golden cases share: the cases, their arrays and tolerances, TensorFlow's optimisers."""

import json
from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).parent / "golden"
CASES = json.loads((GOLDEN / "golden_public.json").read_text())["cases"]
ARRAYS = np.load(GOLDEN / "golden_public.npz", allow_pickle=False)

# What TensorFlow answers with NaN or with wrong rows, we refuse.
REFUSED = {"nce_q0_true": "true_expected_count", "nce_part2_div_noncanonical": r"\[4, 2\].*\[3, 3\]"}


def cases(*kinds, output=None):
    return [
        pytest.param(case, id=case["id"])
        for case in CASES
        if case["kind"] in kinds and (output is None or output in case["outputs"])
    ]


def arrays(case):
    return {name: ARRAYS[f"{case['id']}/{name}"] for name in (*case["inputs"], *case["outputs"])}


def assert_close(result, expected, name, single=2e-5, double=1e-11):
    """Compare at the golden file's tolerances, or at others for float32 and float64."""
    assert result.dtype == expected.dtype, name
    assert result.shape == expected.shape, name
    tolerance = single if expected.dtype == np.float32 else double
    largest = np.abs(expected[np.isfinite(expected)]).max(initial=0)
    np.testing.assert_allclose(result, expected, rtol=0, atol=tolerance * max(1, largest), err_msg=name)


def table(data, prefix, count):
    parts = [data[f"{prefix}_{number}"] for number in range(count)]
    return parts if count > 1 else parts[0]


def step(optimizer, table, state, gradient, touched, rate, constants):
    """One update of `table` in place by the rules of TensorFlow 1's sparse optimisers."""
    if optimizer == "sgd":
        table -= rate * gradient
    elif optimizer == "adagrad":
        accumulated = state.setdefault("sum", np.full_like(table, constants["initial_accumulator_value"]))
        accumulated[touched] += gradient[touched] ** 2
        table[touched] -= rate * gradient[touched] / np.sqrt(accumulated[touched])
    else:
        beta1, beta2 = constants["beta1"], constants["beta2"]
        state["steps"] = state.get("steps", 0) + 1
        first = state.setdefault("first", np.zeros_like(table))
        second = state.setdefault("second", np.zeros_like(table))
        first *= beta1
        first += (1 - beta1) * gradient
        second *= beta2
        second += (1 - beta2) * gradient**2
        scale = rate * np.sqrt(1 - beta2 ** state["steps"]) / (1 - beta1 ** state["steps"])
        table -= scale * first / (np.sqrt(second) + constants["epsilon"])
