"""The losses of PyTorch's tensors and JAX's arrays beyond the golden cases: NumPy's functions are the specification."""

import subprocess
import sys

import numpy as np
import pytest
from frameworks_case import FULL, SAMPLED, run
from test_nce_bad_input import LOSS_CASES, valid_call

from nce_train import nce

BATCH, DIM, CLASSES, SAMPLES, CASES = 4, 3, 6, 5, 1000


def random_call(rng):
    """(name of a loss, its arguments): any form of labels, any option; few classes, so that hits are frequent."""
    name = rng.choice(SAMPLED + FULL) if rng.random() < 0.8 else "nce_loss"
    rows = [rng.integers(0, CLASSES, rng.integers(0, 4)).tolist() for _ in range(BATCH)]
    matrix = rng.integers(0, CLASSES, (BATCH, 2))
    flat, width = np.array([label for row in rows for label in row], np.int64), sum(map(len, rows))
    forms = {
        "matrix": (matrix, (BATCH, 2)),
        "one count an example": (matrix, (BATCH, 1)),
        "list": (rows, (width,)),
        "pair": ((flat, np.cumsum([0, *map(len, rows)])), (width,)),
        "padded": (nce.pad_labels(rows, 3), (BATCH, 3)),
    }
    labels, shape = forms[rng.choice(list(forms))]
    strategy = str(rng.choice(["mod", "div"]))
    call = {
        "weights": rng.normal(size=(CLASSES, DIM)) * rng.choice([0.1, 1, 10]),
        "biases": rng.normal(size=CLASSES),
        "labels": labels,
        "inputs": rng.normal(size=(BATCH, DIM)),
        "num_true": 2,
        "partition_strategy": strategy,
    }
    if isinstance(labels, list) and {len(row) for row in labels} == {2}:
        shape = (BATCH, 2)  # such a list is the matrix
    for table in ("weights", "biases"):
        parts = rng.choice([1, 1, 4])
        call[table] = nce.partition(call[table], parts, strategy) if parts > 1 else call[table]
    if name in FULL:
        return name, {**call, "normalise_targets": bool(rng.integers(2))}
    noise = [(SAMPLES,), (BATCH, SAMPLES)][: rng.integers(1, 3)]
    values = (
        rng.integers(0, CLASSES, noise[-1]),
        rng.uniform(0.05, 3, shape),
        rng.uniform(0.05, 3, noise[rng.integers(len(noise))]),
    )
    drawn = rng.random() < 0.2
    return name, {
        **call,
        "num_sampled": SAMPLES,
        "num_classes": CLASSES,
        "sampled_values": None if drawn else values,
        "seed": int(rng.integers(100)) if drawn else None,
        "rng": str(rng.choice(["nce_train", "tensorflow"])) if drawn else "nce_train",
        "remove_accidental_hits": bool(rng.integers(2)),
        "strict": bool(rng.integers(2)),
        "target": str(rng.choice(["share", "one"])),
        "noise_ratio": str(rng.choice(["per_example", "per_target"])),
        "log_z": float(rng.choice([0.0, 1.25])),
    }


def assert_near(result, expected, tolerance):
    pairs = zip(result, expected, strict=True) if isinstance(expected, list) else [(result, expected)]
    for one, other in pairs:
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        scale = max(1, np.abs(other).max(initial=0))
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * scale)


def test_a_thousand_random_cases(framework):
    rng = np.random.default_rng(23)
    for number in range(CASES):
        name, call = random_call(rng)
        expected, expected_gradients = getattr(nce, f"{name}_and_gradients")(**call)
        losses, gradients = run(framework, name, **call)
        try:
            assert_near(losses, expected, 1e-12)
            for gradient, other in zip(gradients, expected_gradients, strict=True):
                assert_near(gradient, other, 1e-12)
        except AssertionError as error:
            raise AssertionError(f"case {number}, {name}, {call}") from error


def fixed_call(dtype=np.float64, **changes):
    rng = np.random.default_rng(3)
    call = {
        "weights": rng.normal(size=(20, 6)).astype(dtype),
        "biases": rng.normal(size=20).astype(dtype),
        "labels": rng.integers(0, 20, (5, 2)),
        "inputs": rng.normal(size=(5, 6)).astype(dtype),
        "num_sampled": 8,
        "num_classes": 20,
        "num_true": 2,
        "sampled_values": (rng.permutation(20)[:8], rng.uniform(0.1, 1, (5, 2)), rng.uniform(0.1, 1, 8)),
    }
    return {**call, **changes}


@pytest.mark.parametrize("name", LOSS_CASES)
@pytest.mark.parametrize("loss", [nce.nce_loss, nce.sampled_softmax_loss])
def test_bad_input_is_refused_as_numpys(framework, loss, name):
    changes, message = LOSS_CASES[name]
    call = valid_call(**changes)
    for argument in ("weights", "biases", "inputs"):
        call[argument] = tensors(framework, call[argument])
    with pytest.raises(ValueError, match=message):
        loss(**call)


def tensors(framework, value):
    """Arrays of numbers as tensors, also in a list or tuple of partitions; anything else as it is."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "fi":
        return framework.array(value)
    if isinstance(value, list | tuple) and value and isinstance(value[0], np.ndarray):
        return type(value)(framework.array(part) for part in value)
    return value


@pytest.mark.parametrize("name", SAMPLED)
def test_labels_and_noise_may_be_tensors_too(framework, name):
    call = fixed_call(np.float32)
    expected, _ = run(framework, name, **call)
    call["sampled_values"] = tuple(map(framework.array, call["sampled_values"]))
    for labels in (
        framework.array(call["labels"]),
        [framework.array(row) for row in call["labels"]],
        nce.PaddedLabels(framework.array(call["labels"]), framework.array(np.ones((5, 2), bool))),
    ):
        losses, _ = run(framework, name, **{**call, "labels": labels})
        np.testing.assert_allclose(losses, expected, rtol=1e-6)


@pytest.mark.parametrize("name", [*SAMPLED, *FULL])
def test_the_gradient_functions_refuse_tensors(framework, name):
    call = fixed_call(np.float32)
    if name in FULL:
        call = {key: call[key] for key in ("weights", "biases", "labels", "inputs", "num_true")}
    call["inputs"] = framework.array(call["inputs"])
    with pytest.raises(ValueError, match=r"NumPy arrays only.*losses\.sum\(\)\.backward\(\) in PyTorch, jax\.grad"):
        getattr(nce, f"{name}_and_gradients")(**call)


@pytest.mark.parametrize("name", SAMPLED)
def test_sixteen_bits_are_computed_in_float32_and_returned_as_they_came(framework, name):
    """Sums of 16 bits would differ in the first digits: the logits of this case have 400 terms."""
    for dtype in ("float16", "bfloat16"):
        rng = np.random.default_rng(5)
        call = fixed_call(np.float32, weights=rng.normal(size=(20, 400)), inputs=rng.normal(size=(5, 400)))
        sixteen = {key: half(framework, call[key], dtype) for key in ("weights", "biases", "inputs")}
        single = {key: np.asarray(widen(value)) for key, value in sixteen.items()}
        losses = getattr(nce, name)(**{**call, **sixteen})
        assert losses.dtype == sixteen["inputs"].dtype
        expected = getattr(nce, name)(**{**call, **single})
        np.testing.assert_allclose(np.asarray(widen(losses)), expected, rtol=2**-8)
        mixed = getattr(nce, name)(**{**call, **sixteen, "inputs": framework.array(single["inputs"])})
        assert str(mixed.dtype).endswith("float32")
        np.testing.assert_allclose(np.asarray(mixed), expected, rtol=1e-5)


def half(framework, array, dtype):
    array = framework.array(array.astype(np.float32))
    return array.to(getattr(framework.torch, dtype)) if hasattr(framework, "torch") else array.astype(dtype)


def widen(array):
    return array.float() if hasattr(array, "float") else array.astype("float32")


def test_what_is_masked_has_no_gradient_of_nan(framework):
    """Logits that overflow, in samples that are left out, in padding and in examples without labels."""
    weights = np.array([[1e30, -1e30], [1.0, 0.0], [-1e30, 0.0]], np.float32)
    call = {
        "weights": weights,
        "biases": np.zeros(3, np.float32),
        "labels": nce.pad_labels([[0, 2], [], [0]]),
        "inputs": np.array([[1.0, 0.0], [1e9, 1e9], [1.0, 0.0]], np.float32),  # 1e39 - 1e39 is NaN in float32
        "num_sampled": 2,
        "num_classes": 3,
        "sampled_values": (np.array([0, 1]), np.ones((3, 2)), np.ones(2)),
        "remove_accidental_hits": True,
        "noise_ratio": "per_target",
    }
    for name in SAMPLED:
        expected, expected_gradients = getattr(nce, f"{name}_and_gradients")(**call)
        losses, gradients = run(framework, name, **call)
        np.testing.assert_allclose(losses, expected, rtol=1e-6)
        for gradient, other in zip(gradients, expected_gradients, strict=True):
            assert np.isfinite(gradient).all()
            np.testing.assert_allclose(gradient, other, rtol=1e-6)


# --- PyTorch ----------------------------------------------------------------------------------------------------


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="needs PyTorch: pip install 'nce-train[torch]'")


@pytest.mark.parametrize("name", [*SAMPLED, *FULL])
def test_gradcheck(torch, name):
    """Numerical first and second derivatives, with hits and several labels."""
    call = fixed_call()
    tables = [torch.tensor(call.pop(each), requires_grad=True) for each in ("weights", "biases", "inputs")]
    labels = call.pop("labels")
    options = {"num_true": 2} if name in FULL else {**call, "remove_accidental_hits": True}

    def loss(weights, biases, inputs):
        return getattr(nce, name)(weights, biases, labels, inputs, **options)

    assert torch.autograd.gradcheck(loss, tables)
    assert torch.autograd.gradgradcheck(loss, tables)


def test_tensors_that_need_gradients_still_need_them(torch):
    call = fixed_call(np.float32)
    for name in ("weights", "biases", "inputs"):
        needed = {key: torch.tensor(call[key], requires_grad=key == name) for key in ("weights", "biases", "inputs")}
        losses = nce.nce_loss(**{**call, **needed})
        assert losses.requires_grad
        losses.sum().backward()
        assert [key for key, tensor in needed.items() if tensor.grad is not None] == [name]
        parameter = torch.nn.Parameter(needed[name].detach())  # a subclass of Tensor, of another module
        assert nce.nce_loss(**{**call, name: parameter}).requires_grad


def test_functional_transforms_of_pytorch(torch):
    call = fixed_call()
    weights, biases, inputs = (torch.tensor(call.pop(name)) for name in ("weights", "biases", "inputs"))
    labels = call.pop("labels")

    def summed(weights, biases, inputs):
        return nce.nce_loss(weights, biases, labels, inputs, **call).sum()

    gradients = torch.func.grad(summed, argnums=(0, 1, 2))(weights, biases, inputs)
    leaves = [each.clone().requires_grad_() for each in (weights, biases, inputs)]
    summed(*leaves).backward()
    for gradient, leaf in zip(gradients, leaves, strict=True):
        torch.testing.assert_close(gradient, leaf.grad)
    batch = torch.stack([inputs, 2 * inputs])
    result = torch.func.vmap(summed, in_dims=(None, None, 0))(weights, biases, batch)
    torch.testing.assert_close(result, torch.stack([summed(weights, biases, each) for each in batch]))


# --- JAX --------------------------------------------------------------------------------------------------------


@pytest.fixture
def jax():
    return pytest.importorskip("jax", reason="needs JAX: pip install 'nce-train[jax]'")


@pytest.mark.parametrize("form", ["matrix", "padded", "pair"])
@pytest.mark.parametrize("name", SAMPLED)
def test_jit_and_grad_and_vmap(jax, name, form):
    """Everything traced, labels and noise too: the same losses and gradients as outside."""
    call = fixed_call(np.float32, remove_accidental_hits=True, noise_ratio="per_target", target="one")
    sampled, true_count, sampled_count = call.pop("sampled_values")
    labels, splits = call.pop("labels"), np.arange(6) * 2
    tables = [jax.numpy.asarray(call.pop(each)) for each in ("weights", "biases", "inputs")]
    if form == "padded":
        labels = nce.PaddedLabels(labels, np.arange(10).reshape(5, 2) != 3)
    if form == "pair":
        labels, true_count = labels.reshape(-1), true_count.reshape(-1)

    def loss(weights, biases, inputs, labels, sampled, true_count, sampled_count):
        labels = (labels, splits) if form == "pair" else labels
        values = (sampled, true_count, sampled_count)
        return getattr(nce, name)(weights, biases, labels, inputs, **call, sampled_values=values)

    noise = [np.asarray(sampled, np.int32), true_count.astype(np.float32), sampled_count.astype(np.float32)]
    arguments = (*tables, labels, *noise)
    expected = loss(*arguments)
    close = {"rtol": 2e-6, "atol": 2e-6}
    np.testing.assert_allclose(jax.jit(loss)(*arguments), expected, **close)

    gradient = jax.grad(lambda *given: loss(*given).sum(), argnums=(0, 1, 2))
    outside = gradient(*arguments)
    for one, other in zip(jax.jit(gradient)(*arguments), outside, strict=True):
        np.testing.assert_allclose(one, other, **close)
    inside = jax.grad(lambda *given: jax.jit(loss)(*given).sum(), (0, 1, 2))(*arguments)
    for one, other in zip(inside, outside, strict=True):
        np.testing.assert_allclose(one, other, **close)

    twice = [np.stack([each, each[::-1]]) for each in (np.asarray(tables[2]), *noise)]
    mapped = jax.vmap(loss, in_axes=(None, None, 0, None, 0, 0, 0))(*tables[:2], twice[0], labels, *twice[1:])
    for number in range(2):
        inputs, *values = (each[number] for each in twice)
        np.testing.assert_allclose(mapped[number], loss(*tables[:2], inputs, labels, *values), **close)


def test_noise_is_not_frozen_into_a_compiled_function(jax):
    call = fixed_call(np.float32, sampled_values=None, seed=1)
    weights = jax.numpy.asarray(call.pop("weights"))
    assert np.isfinite(jax.grad(lambda w: nce.nce_loss(w, **call).sum())(weights)).all()  # no program, so no harm
    with pytest.raises(ValueError, match="sampled_values must be given in a compiled function"):
        jax.jit(lambda w: nce.nce_loss(w, **call))(weights)
    with pytest.raises(ValueError, match=r"fixed shape in a compiled function: give nce.pad_labels"):
        jax.jit(lambda rows: nce.nce_loss(weights, **{**call, **fixed_noise(), "labels": rows}))([[1], [2, 3]])
    with pytest.raises(ValueError, match=r"labels must have num_true 3 columns, but have 2"):  # shapes are known
        jax.jit(lambda y: nce.nce_loss(weights, **{**call, **fixed_noise(), "labels": y, "num_true": 3}))(
            call["labels"]
        )


def fixed_noise():
    return {"sampled_values": (np.arange(8), np.ones((5, 2)), np.ones(8))}


def test_a_traced_label_out_of_range_gives_nan(jax):
    call = fixed_call(np.float32)
    labels = call["labels"].copy()
    labels[1, 0] = 20
    tables = {name: jax.numpy.asarray(call[name]) for name in ("weights", "biases", "inputs")}
    losses = jax.jit(lambda labels: nce.nce_loss(**{**call, **tables, "labels": labels}))(labels)
    assert np.isnan(losses).tolist() == [False, True, False, False, False]


def test_jax_needs_no_64_bit_types(jax):
    """Ids of 64 bits and counts of float64 from NumPy, in JAX's default mode, without a warning."""
    program = (
        "import warnings; warnings.simplefilter('error')\n"
        "import jax, numpy as np\nfrom nce_train import nce\n"
        "assert not jax.config.jax_enable_x64\n"
        "w, b, x = jax.numpy.ones((9, 2)), jax.numpy.zeros(9), jax.numpy.ones((3, 2))\n"
        "y = np.array([[1], [2], [3]], np.int64)\n"
        "values = (np.array([4, 5], np.int64), np.full((3, 1), 1e-60), np.full(2, 1e-60))\n"  # below float32
        "loss = nce.nce_loss(w, b, y, x, 2, 9, sampled_values=values)\n"
        "assert loss.dtype == np.float32 and np.isfinite(loss).all() and float(loss[0]) > 200, loss\n"
        "assert nce.nce_loss(w, b, y, x, 2, 9, seed=1).shape == (3,)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_a_tensor_for_log_z_is_refused(framework):
    weights, biases, inputs = (framework.array(np.ones(shape, np.float32)) for shape in ((9, 2), 9, (1, 2)))
    with pytest.raises(ValueError, match=r"^log_z must be a number, not a tensor, since it is not learned"):
        nce.nce_loss(weights, biases, [[3]], inputs, 4, 9, seed=1, log_z=framework.array(np.float32(0)))
