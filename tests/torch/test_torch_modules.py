"""The modules of PyTorch: what they compute, their gradients, their state, and how they work with PyTorch's tools."""

import copy
import subprocess
import sys
import warnings

import numpy as np
import pytest

from nce_train import nce

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'nce-train[torch]'")

from nce_train.torch import NCELoss, NegativeSamplingLoss, SampledSoftmaxLoss  # noqa: E402

MODULES = {
    "nce_loss": NCELoss,
    "negative_sampling_loss": NegativeSamplingLoss,
    "sampled_softmax_loss": SampledSoftmaxLoss,
}
DIM, CLASSES, SAMPLED = 8, 200, 16
COUNTS = np.arange(CLASSES, 0, -1.0)


def hidden_vectors(batch=5, **options):
    return torch.randn(batch, DIM, generator=torch.Generator().manual_seed(2), **options)


LABELS = torch.tensor([3, 0, 17, 8, 199])


@pytest.mark.parametrize("name", MODULES)
def test_a_module_computes_the_loss_of_its_name(name):
    module = MODULES[name](DIM, CLASSES, SAMPLED, seed=7, log_z=0.5)
    stream, hidden = nce.SamplerStream(7), hidden_vectors()
    for labels in (LABELS, LABELS.reshape(-1, 1), LABELS.numpy()):
        expected = getattr(nce, name)(
            module.weight.detach().numpy(),
            module.bias.detach().numpy(),
            np.asarray(LABELS).reshape(-1, 1),
            hidden.numpy(),
            SAMPLED,
            CLASSES,
            seed=stream,
            log_z=0.5,
        )
        torch.testing.assert_close(module(hidden, labels).detach().numpy(), expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize(
    ("options", "sampler"),
    [
        ({"counts": COUNTS}, nce.sampler_from_counts(COUNTS)),
        ({"counts": COUNTS, "distortion": 1.0}, nce.sampler_from_counts(COUNTS, distortion=1.0)),
        ({"sampler": "log-uniform"}, nce.CandidateSampler("log-uniform", CLASSES)),
        ({"sampler": "uniform"}, nce.CandidateSampler("uniform", CLASSES)),
        ({"sampler": nce.sampler_from_counts(COUNTS)}, nce.sampler_from_counts(COUNTS)),
    ],
)
def test_the_noise_is_that_of_numpys_sampler(options, sampler):
    module = NCELoss(DIM, CLASSES, SAMPLED, seed=7, **options)
    given = sampler(LABELS.reshape(-1, 1).numpy(), 1, SAMPLED, True, 7)
    torch.testing.assert_close(module(hidden_vectors(), LABELS), module(hidden_vectors(), LABELS, given))


def test_a_learned_sampler_learns():
    module = NCELoss(DIM, CLASSES, SAMPLED, sampler="learned-unigram", seed=7)
    other = nce.LearnedUnigramCandidateSampler(CLASSES, 7)
    for _ in range(3):
        given = other(LABELS.reshape(-1, 1).numpy(), 1, SAMPLED, True)
        again = copy.deepcopy(module)
        torch.testing.assert_close(module(hidden_vectors(), LABELS), again(hidden_vectors(), LABELS, given))
    assert module.sampler.weights[3] == 4


@pytest.mark.parametrize("module", MODULES.values())
def test_any_number_of_labels(module):
    options = {"seed": 7, "target": "one", "noise_ratio": "per_target"}
    rows = [[3, 4], [], [17], [8, 8, 9], [199]]
    results = []
    for labels in (rows, nce.pad_labels(rows, 4), (np.array(sum(rows, [])), [0, 2, 2, 3, 6, 7])):  # noqa: RUF017
        torch.manual_seed(1)
        results.append(module(DIM, CLASSES, SAMPLED, **options)(hidden_vectors(), labels))
    for result in results:
        torch.testing.assert_close(result, results[0])
        assert result[1] == 0


@pytest.mark.parametrize("hits", [False, True])
@pytest.mark.parametrize("module", MODULES.values())
def test_sparse_gradients_are_the_dense_ones_and_touch_what_the_batch_touches(module, hits):
    gradients = {}
    for sparse in (False, True):
        torch.manual_seed(1)
        loss = module(DIM, CLASSES, SAMPLED, sampler="uniform", sparse=sparse, seed=7, remove_accidental_hits=hits)
        rows = nce.pad_labels([[3], [], [17, 4], [8], [199]])
        loss(hidden_vectors(), rows).sum().backward()
        assert [parameter.grad.is_sparse for parameter in loss.parameters()] == [sparse, sparse]
        gradients[sparse] = [parameter.grad for parameter in loss.parameters()]
    noise = nce.uniform_candidate_sampler([[0]], 1, SAMPLED, True, CLASSES, 7).sampled_candidates
    assert 0 not in noise  # the id in the padding
    for dense, sparse in zip(*gradients.values(), strict=True):
        torch.testing.assert_close(sparse.to_dense(), dense)
        assert set(sparse.coalesce().indices()[0].tolist()) == {3, 17, 4, 8, 199, *noise.tolist()}


def test_no_dense_gradient_is_made_anywhere():
    """Of a million classes a dense gradient would be 2 GB; a step must not allocate a tenth of the table."""
    loss = NCELoss(16, 1_000_000, 64, sparse=True, seed=1)
    optimisers = [torch.optim.SparseAdam(loss.parameters()), torch.optim.SGD(loss.parameters(), lr=0.1)]
    hidden, labels = torch.randn(32, 16, requires_grad=True), torch.arange(32) * 1000
    for optimiser in optimisers:
        optimiser.zero_grad()
        loss(hidden, labels).mean().backward()
        optimiser.step()  # SparseAdam's own moments are as large as the table, made in the first step
        with torch.profiler.profile(profile_memory=True) as profile:
            optimiser.zero_grad()
            loss(hidden, labels).mean().backward()
            optimiser.step()
        largest = max(abs(event.cpu_memory_usage) for event in profile.events())
        assert 0 < largest < 1_000_000 * 16 * 4 / 10


@pytest.mark.parametrize("seed", [None, 7])
@pytest.mark.parametrize("sampler", ["log-uniform", "learned-unigram"])
def test_a_resumed_training_repeats_the_noise(tmp_path, sampler, seed):
    def make():
        module = NCELoss(DIM, CLASSES, SAMPLED, sampler=sampler, seed=seed, sparse=True)
        return module, torch.optim.SGD(module.parameters(), lr=0.5)

    def train(module, optimiser, steps):
        for _ in range(steps):
            optimiser.zero_grad()
            module(hidden_vectors(), LABELS).mean().backward()
            optimiser.step()

    module, optimiser = make()
    train(module, optimiser, 3)
    torch.save(module.state_dict(), tmp_path / "state.pt")
    train(module, optimiser, 3)
    resumed, optimiser = make()
    resumed.load_state_dict(torch.load(tmp_path / "state.pt"))  # with weights_only, PyTorch's default
    train(resumed, optimiser, 3)
    torch.testing.assert_close(resumed.weight, module.weight, rtol=0, atol=0)
    assert not torch.equal(make()[0].weight, module.weight)


def test_each_rank_keeps_its_own_noise():
    """A state that is loaded by all ranks gives none the seed of another."""
    ranks = [NCELoss(DIM, CLASSES, SAMPLED, seed=(1, rank)) for rank in range(2)]
    for rank in ranks:
        rank.load_state_dict(ranks[0].state_dict())
    losses = [rank(hidden_vectors(), LABELS) for rank in ranks]
    assert not torch.equal(*losses)
    torch.manual_seed(3)
    first = NCELoss(DIM, CLASSES, SAMPLED).stream
    torch.manual_seed(3)
    second, third = NCELoss(DIM, CLASSES, SAMPLED).stream, NCELoss(DIM, CLASSES, SAMPLED).stream
    assert (first.seed, first.seed2) == (second.seed, second.seed2) != (third.seed, third.seed2)


@pytest.mark.parametrize("module", MODULES.values())
def test_autocast_keeps_the_loss_in_float32(module):
    torch.manual_seed(1)
    layer, loss = torch.nn.Linear(DIM, DIM), module(DIM, CLASSES, SAMPLED, seed=7)
    other = copy.deepcopy(loss)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = layer(hidden_vectors())
        result = loss(hidden, LABELS)
        scores = loss.log_prob(hidden)
    assert hidden.dtype == torch.bfloat16
    assert result.dtype == scores.dtype == torch.float32
    torch.testing.assert_close(result, other(hidden.float(), LABELS), rtol=0, atol=0)
    result.mean().backward()
    assert layer.weight.grad.dtype == loss.weight.grad.dtype == torch.float32
    half = module(DIM, CLASSES, SAMPLED, dtype=torch.bfloat16)
    assert half(hidden, LABELS).dtype == torch.bfloat16


@pytest.mark.parametrize("name", ["nce_loss", "sampled_softmax_loss"])
def test_compiled(name):
    """Equal losses and gradients, in three steps, so that the noise is not frozen."""
    torch.manual_seed(1)
    plain = MODULES[name](DIM, CLASSES, SAMPLED, seed=7, remove_accidental_hits=True)
    compiled_from = copy.deepcopy(plain)
    compiled = torch.compile(compiled_from, backend="aot_eager")
    losses = []
    for _ in range(3):
        for module, owner in ((plain, plain), (compiled, compiled_from)):
            owner.zero_grad()
            losses.append(module(hidden_vectors(), LABELS))
            losses[-1].sum().backward()
        torch.testing.assert_close(losses[-1], losses[-2])
        torch.testing.assert_close(compiled_from.weight.grad, plain.weight.grad)
    assert not torch.equal(losses[0], losses[2])

    def function(weight, bias, hidden):
        values = (np.arange(SAMPLED), np.ones((5, 1)), np.ones(SAMPLED))
        return getattr(nce, name)(weight, bias, LABELS[:, None], hidden, SAMPLED, CLASSES, sampled_values=values)

    arguments = (plain.weight, plain.bias, hidden_vectors())
    torch.testing.assert_close(torch.compile(function, backend="aot_eager")(*arguments), function(*arguments))


def test_log_prob_and_predict():
    hidden = hidden_vectors()
    for module in MODULES.values():
        loss = module(DIM, CLASSES, SAMPLED, counts=COUNTS, unique=False, seed=1, log_z=0.25)
        log_p = loss.log_prob(hidden)
        assert log_p.shape == (5, CLASSES)
        torch.testing.assert_close(log_p.exp().sum(1), torch.ones(5))
        assert torch.equal(loss.predict(hidden), log_p.argmax(1))
        name = {NCELoss: "nce", NegativeSamplingLoss: "negative_sampling", SampledSoftmaxLoss: "softmax"}[module]
        counts = SAMPLED * loss.sampler.probability(np.arange(CLASSES)) if name == "negative_sampling" else None
        arrays = (loss.weight.detach().numpy(), loss.bias.detach().numpy(), hidden.numpy())
        scores = nce.log_probabilities(*arrays, loss=name, expected_count=counts, log_z=0.25)
        if module is SampledSoftmaxLoss:
            torch.testing.assert_close(log_p.detach().numpy(), scores, rtol=1e-5, atol=1e-5)
            with pytest.raises(ValueError, match="normalised must be True"):
                loss.log_prob(hidden, normalised=False)
        else:
            result = loss.log_prob(hidden, normalised=False).detach().numpy()
            torch.testing.assert_close(result, scores, rtol=1e-5, atol=1e-5)
    odds = NCELoss(DIM, CLASSES, SAMPLED, remove_accidental_hits=True)
    expected = nce.log_probabilities(odds.weight.detach(), odds.bias.detach(), hidden, loss="sampled_logistic")
    torch.testing.assert_close(odds.log_prob(hidden, normalised=False).detach().numpy(), expected, rtol=1e-5, atol=1e-5)


def test_biases_of_nce_begin_normalised():
    loss = NCELoss(DIM, CLASSES, SAMPLED, counts=COUNTS, log_z=0.5)
    log_p = loss.log_prob(torch.zeros(1, DIM), normalised=False)[0].detach()
    torch.testing.assert_close(log_p.exp().numpy(), ((COUNTS + 1) / (COUNTS + 1).sum()).astype(np.float32))


def test_ids_that_are_not_sorted_by_frequency_are_reported():
    with pytest.warns(UserWarning, match="class 1 has count 200 and class 0 only 1"):
        NCELoss(DIM, CLASSES, SAMPLED, sampler="log-uniform", counts=np.roll(COUNTS, 1))
    rng = np.random.default_rng(1)
    skewed = nce.unigram_probability(COUNTS**2)
    for probability, reported in ((skewed, False), (skewed[::-1], True), (rng.permutation(skewed), True)):
        loss = NCELoss(DIM, CLASSES, SAMPLED, seed=1)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(20):
                labels = torch.as_tensor(rng.choice(CLASSES, 100, p=probability))
                loss(hidden_vectors(100), labels)
        assert len(caught) == reported, str([str(each.message) for each in caught])
        assert all("log-uniform sampler assumes class ids sorted" in str(each.message) for each in caught)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "dim must be at least 1, not 0"),
        ({"num_sampled": 1.5}, "num_sampled must be an integer"),
        ({"sampler": "zipf"}, "sampler must be one of .*'learned-unigram'.*'zipf'"),
        ({"sampler": "unigram"}, "counts, .* are missing"),
        ({"counts": COUNTS[:-1]}, "counts must be num_classes 200 numbers, not 199"),
        ({"sampler": nce.sampler_from_counts(COUNTS[:-1])}, "range_max of num_classes 200, not 199"),
        ({"sampler": nce.sampler_from_counts(COUNTS), "counts": COUNTS}, "counts must not be given together"),
        ({"target": "two"}, "target must be one of"),
        ({"noise_ratio": "x"}, "noise_ratio must be one of"),
        ({"inclusion": "x"}, "inclusion must be one of"),
        ({"log_z": float("nan")}, "log_z must be finite"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        NCELoss(**{"dim": DIM, "num_classes": CLASSES, "num_sampled": SAMPLED, **options})


def test_bad_batches():
    loss = NCELoss(DIM, CLASSES, SAMPLED)
    with pytest.raises(ValueError, match=r"true_classes must lie in \[0, 200\)"):
        loss(hidden_vectors(), LABELS + 1)
    with pytest.raises(ValueError, match="labels and inputs must have the same batch"):
        loss(hidden_vectors(4), LABELS)
    with pytest.raises(ValueError, match=r"inputs must be \[batch, 8\]"):
        loss(torch.zeros(5, 7), LABELS)
    other = NCELoss(DIM, CLASSES, SAMPLED, seed=(1, 2), rng="tensorflow")
    with pytest.raises(ValueError, match="rng 'nce_train', but the module's of 'tensorflow'"):
        other.load_state_dict(loss.state_dict())


WORKERS = """
import multiprocessing
import numpy as np, torch
from nce_train import nce
from nce_train.torch import NCELoss

class Noisy(torch.utils.data.Dataset):
    sampler = nce.sampler_from_counts(np.arange(200, 0, -1.0))

    def __len__(self):
        return 6

    def __getitem__(self, number):
        labels = np.full((5, 1), number)
        return labels, tuple(self.sampler(labels, 1, 16, True, (7, number)))

multiprocessing.set_start_method("fork")
loss, hidden = NCELoss(8, 200, 16), torch.ones(5, 8)
loader = torch.utils.data.DataLoader(Noisy(), batch_size=None, num_workers=2)
losses = [loss(hidden, *batch) for batch in loader]
assert len(losses) == 6
for number, each in enumerate(losses):
    torch.testing.assert_close(each, loss(hidden, *Noisy()[number]))
assert not torch.equal(losses[0], losses[1])
"""


def test_noise_from_workers_of_a_data_loader():
    """Batches whose noise is drawn where they are loaded, in two processes: the noise of one process."""
    subprocess.run([sys.executable, "-c", WORKERS], timeout=100, check=True)


RANK = """
import sys
import numpy as np, torch
from nce_train.torch import NCELoss

rank, folder = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
torch.manual_seed(1)
loss = NCELoss(8, 200, 16, seed=(1, rank))
parallel = torch.nn.parallel.DistributedDataParallel(loss)
losses = parallel(torch.ones(5, 8), torch.arange(5))
losses.mean().backward()
np.savez(f"{folder}/{rank}.npz", losses=losses.detach(), gradient=loss.weight.grad)
torch.distributed.destroy_process_group()
"""


def test_distributed_data_parallel(tmp_path):
    """Two processes: other noise in each, and the mean of both gradients in both."""
    ranks = [subprocess.Popen([sys.executable, "-c", RANK, str(rank), str(tmp_path)]) for rank in range(2)]
    assert [rank.wait(timeout=100) for rank in ranks] == [0, 0]
    (first, gradient), (second, other) = (
        (file["losses"], file["gradient"]) for file in (np.load(tmp_path / f"{rank}.npz") for rank in range(2))
    )
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(gradient, other)
    alone = []
    for rank in range(2):
        torch.manual_seed(1)
        loss = NCELoss(DIM, CLASSES, SAMPLED, seed=(1, rank))
        loss(torch.ones(5, DIM), torch.arange(5)).mean().backward()
        alone.append(loss.weight.grad.numpy())
    np.testing.assert_allclose(gradient, np.mean(alone, axis=0), rtol=1e-5, atol=1e-6)


def test_other_devices():
    """The device `meta` stands for an accelerator: shapes and devices are right, and no number is copied from it."""
    loss = NCELoss(DIM, CLASSES, SAMPLED, device="meta", seed=1)
    losses = loss(torch.zeros(5, DIM, device="meta", requires_grad=True), LABELS)
    assert losses.device.type == "meta"
    losses.sum().backward()
    assert loss.weight.grad.shape == (CLASSES, DIM)
    if torch.cuda.is_available():
        here, there = NCELoss(DIM, CLASSES, SAMPLED, seed=1), NCELoss(DIM, CLASSES, SAMPLED, seed=1).cuda()
        there.load_state_dict(here.state_dict())
        for labels in (LABELS, LABELS.cuda()):
            expected = here(hidden_vectors(), LABELS)
            torch.testing.assert_close(there(hidden_vectors().cuda(), labels).cpu(), expected, rtol=1e-4, atol=1e-4)
