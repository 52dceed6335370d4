"""Examples in docstrings are run, each module's in a directory of its own; and what people call has an example."""

import doctest
import importlib
import pkgutil

import pytest

import nce_train
from nce_train import api, nce

# Modules of a framework: where it is missing, pip install 'nce-train[torch]' or 'nce-train[jax]'.
FRAMEWORKS = {"torch": ("nce_train.torch", "nce_train.nce.torch_"), "jax": ("nce_train.jax", "nce_train.nce.jax_")}
MODULES = [module.name for module in pkgutil.walk_packages(nce_train.__path__, "nce_train.") if not module.ispkg]


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_the_results_shown(name, tmp_path, monkeypatch):
    for framework, prefixes in FRAMEWORKS.items():
        if name.startswith(prefixes):
            pytest.importorskip(framework, reason=f"needs {framework}: pip install 'nce-train[{framework}]'")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


@pytest.mark.parametrize(
    "public",
    [
        nce_train.train,
        nce_train.evaluate,
        nce_train.Model,
        nce_train.Embeddings,
        nce_train.Embeddings.most_similar,
        nce_train.Embeddings.doesnt_match,
        nce_train.Embeddings.save,
        api.export,
        nce.nce_loss,
        nce.nce_loss_and_gradients,
        nce.sigmoid_loss,
        nce.softmax_loss,
        nce.log_uniform_candidate_sampler,
        nce.fixed_unigram_candidate_sampler,
        nce.LearnedUnigramCandidateSampler,
        nce.sampler_from_counts,
        nce.compute_accidental_hits,
        nce.SamplerStream,
        nce.log_probabilities,
        nce.partition,
        nce.pad_labels,
        nce.locate,
        nce.expected_count,
    ],
    ids=lambda public: public.__qualname__,
)
def test_what_people_call_has_an_example(public):
    assert ">>>" in public.__doc__
