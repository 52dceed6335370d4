"""Runs on worker processes: the same bytes on two and four, after one was killed, after an interruption; refusals."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
from click.testing import CliRunner
from cluster_case import SETTINGS, files_and_losses, kill_at_work
from distributed import Client, LocalCluster

import nce_train
from nce_train.cli.train import main
from nce_train.errors import InputError, RunError

LOCAL = {"threads_per_worker": 1, "processes": True, "dashboard_address": ":0", "memory_limit": 0, "silence_logs": 60}


@pytest.mark.slow
def test_the_same_bytes_on_two_and_four_and_after_one_was_killed(corpus, expected, tmp_path, capsys):
    with LocalCluster(n_workers=2, **LOCAL) as cluster, Client(cluster) as client:
        options = {"cluster": cluster.scheduler_address, "overwrite": True, "heldout": corpus[1], **SETTINGS}
        options["output"] = tmp_path / "model"
        nce_train.train(corpus, **options)
        assert files_and_losses(tmp_path / "model") == expected
        messages = capsys.readouterr().err
        assert "2 workers, 2 threads" in messages
        assert "a round trains 4 × " in messages
        assert "is lost" not in messages

        cluster.scale(4)
        client.wait_for_workers(4)
        pids = client.run(os.getpid)
        killer = threading.Thread(target=kill_at_work, args=(cluster.scheduler_address, pids))
        killer.start()
        nce_train.train(corpus, **options)
        killer.join()
        assert files_and_losses(tmp_path / "model") == expected
        messages = capsys.readouterr().err
        assert "4 workers, 4 threads" in messages
        (lost,) = re.findall(r"The worker (\S+) is lost; others take over its shards\.", messages)
        assert lost in pids


@pytest.mark.slow
@pytest.mark.parametrize("function", ["count_words", "encode_part", "train_trial"])
def test_a_worker_killed_before_training_changes_nothing(function, corpus, expected, tmp_path, capsys):
    with LocalCluster(n_workers=3, **LOCAL) as cluster, Client(cluster) as client:
        client.wait_for_workers(3)
        pids = client.run(os.getpid)
        arguments = (cluster.scheduler_address, pids, function)
        killer = threading.Thread(target=kill_at_work, args=arguments, daemon=True)
        killer.start()
        options = {"cluster": cluster.scheduler_address, "heldout": corpus[1], **SETTINGS}
        nce_train.train(corpus, output=tmp_path / "model", **options)
        killer.join(timeout=1)
        assert not killer.is_alive()
        assert files_and_losses(tmp_path / "model") == expected
        assert re.search(r"The worker \S+ is lost", capsys.readouterr().err)


@pytest.mark.slow
def test_a_run_interrupted_on_workers_resumes_without_them(corpus, expected, tmp_path):
    options = [f"--{name.replace('_', '-')}={value}" for name, value in SETTINGS.items()]
    arguments = [*corpus, "-o", "model", "--cluster", "local:2", "--checkpoint-every", "1s", "--log-every", "0.1"]
    arguments += ["--heldout", corpus[1]]
    command = [sys.executable, "-m", "nce_train.cli.train", *arguments, *options]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True)
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith("epoch"):
            os.killpg(process.pid, signal.SIGHUP)  # as a closed terminal does: to the workers and helpers too
            break
    lines += process.stderr.readlines()
    assert process.wait(60) == 129, "".join(lines)
    assert lines[-1].startswith("Error: interrupted; resume from the last checkpoint (")
    assert lines[-1].endswith(" tokens) with: nce-train --resume model\n")
    assert "Traceback" not in "".join(lines)
    nce_train.train(resume=tmp_path / "model", progress=False)
    assert files_and_losses(tmp_path / "model") == expected


@pytest.mark.slow
def test_workers_with_other_versions_or_without_the_corpus_are_refused(corpus, tmp_path, monkeypatch):
    other = tmp_path / "nce_train-0.0.1.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: nce-train\nVersion: 0.0.1\n")
    command = [sys.executable, "-m", "distributed.cli.dask_worker", "--no-nanny", "--no-dashboard"]
    with LocalCluster(n_workers=0, **LOCAL) as cluster:
        address = cluster.scheduler_address
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        with subprocess.Popen([*command, address], env=environment, cwd=tmp_path, stderr=subprocess.DEVNULL) as worker:
            with pytest.raises(
                InputError, match=r"^The worker tcp://\S+ has nce-train 0\.0\.1 where this machine has "
            ):
                nce_train.train(corpus, cluster=address, progress=False)
            worker.terminate()
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "corpus.txt").write_text("one two\n" * 100)
    with (
        LocalCluster(n_workers=1, **LOCAL) as cluster,
        pytest.raises(InputError, match=r"^The worker tcp://\S+ cannot open /proc/self/cwd/corpus.txt \(FileNotFound"),
    ):
        monkeypatch.chdir(tmp_path / "here")
        nce_train.train("/proc/self/cwd/corpus.txt", cluster=cluster.scheduler_address, progress=False)


def dask(name, *arguments, **environment):
    """Start a process of Dask's command line."""
    command = [sys.executable, "-m", f"distributed.cli.dask_{name}", "--no-dashboard", *arguments]
    return subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.DEVNULL)


@pytest.mark.slow
def test_a_worker_with_another_processor_is_refused(corpus, tmp_path):
    with LocalCluster(n_workers=0, **LOCAL) as cluster, Client(cluster) as client:
        arguments = ("worker", cluster.scheduler_address, "--no-nanny", "--local-directory", str(tmp_path))
        with dask(*arguments) as native, dask(*arguments, NUMBA_CPU_NAME="generic") as generic:
            try:
                client.wait_for_workers(2, timeout=60)
                complaint = r"has a \S+ processor where others have \S+, .* NUMBA_CPU_NAME=generic on all\.$"
                with pytest.raises(InputError, match=rf"^The worker tcp://\S+ {complaint}"):
                    nce_train.train(corpus, cluster=cluster.scheduler_address, progress=False)
            finally:
                native.terminate()
                generic.terminate()


@pytest.mark.slow
def test_a_run_resumes_after_the_scheduler_was_lost(corpus, expected, tmp_path, capfd):
    with socket.create_server(("127.0.0.1", 0)) as server:  # a port that is free
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    killed_at = []

    def kill(state):
        if state.epoch == 1 and not killed_at:
            killed_at.append(state.step)
            scheduler.kill()

    message = r"^The scheduler of the cluster is lost; resume from the .* with: nce-train --resume .*model$"
    options = {"cluster": address, "callback": kill, "log_every_steps": 1, "heldout": corpus[1]}
    with (
        dask("scheduler", "--host", address) as scheduler,
        dask("worker", address, "--no-nanny", "--local-directory", str(tmp_path)) as worker,
    ):
        try:
            with Client(address, timeout=60) as client:
                client.wait_for_workers(1, timeout=60)
            with pytest.raises(RunError, match=message):
                nce_train.train(corpus, output=tmp_path / "model", **options, **SETTINGS)
        finally:
            scheduler.kill()
            worker.kill()
    messages = capfd.readouterr().err
    assert "Traceback" not in messages and "distributed" not in messages
    nce_train.train(resume=tmp_path / "model")
    assert files_and_losses(tmp_path / "model") == expected
    step = int(re.search(r"resuming from step ([\d,]+)", capfd.readouterr().err)[1].replace(",", ""))
    assert step >= killed_at[0]  # no checkpoint was due before


def test_a_scheduler_without_workers_is_refused(corpus, monkeypatch):
    monkeypatch.setattr("nce_train.cluster.cluster.CONNECT_SECONDS", 0.5)
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as cluster,
        pytest.raises(InputError, match=r"^The scheduler at inproc://\S+ has no workers: start some with dask worker"),
    ):
        nce_train.train(corpus, cluster=cluster.scheduler_address, progress=False)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("elsewhere", "--cluster elsewhere is neither tcp://HOST:PORT (or tls://) of a scheduler nor local:N."),
        ("local:none", "--cluster local:none: local:N needs a number of worker processes, at least 1."),
        ("tcp://127.0.0.1:1", "No Dask scheduler answers at tcp://127.0.0.1:1: "),
    ],
)
def test_a_wrong_address_is_refused_in_one_sentence(address, message, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("nce_train.cluster.cluster.CONNECT_SECONDS", 0.5)
    result = CliRunner().invoke(main, [*corpus, "-o", str(tmp_path / "model"), "--cluster", address])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {message}")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "model").exists()


def test_a_corpus_that_workers_cannot_read_is_refused_before_they_are_started(tmp_path):
    result = CliRunner().invoke(main, ["-", "-o", str(tmp_path / "model"), "--cluster", "local:2"], input="a b\n")
    assert result.exit_code == 2
    assert result.stderr == "Error: The workers of a cluster cannot read -: write it to a file they can open.\n"
    with pytest.raises(InputError, match="cannot read token sequences from Python"):
        nce_train.train([["a", "b"]], cluster="local:2", progress=False)


def test_no_deterministic_is_refused_on_a_cluster(corpus, tmp_path):
    options = ["-o", str(tmp_path / "model"), "--cluster", "local:2", "--no-deterministic"]
    result = CliRunner().invoke(main, [*corpus, *options])
    assert result.exit_code == 2
    assert "leave --no-deterministic out" in result.stderr


@pytest.mark.slow
def test_a_run_that_is_not_in_rounds_is_not_resumed_on_a_cluster(corpus, tmp_path):
    nce_train.train(corpus, output=tmp_path / "model", progress=False, keep_checkpoint=True, **SETTINGS)
    with pytest.raises(InputError, match="resume it without --cluster"):
        nce_train.train(resume=tmp_path / "model", epochs=5, cluster="local:1", progress=False)
    assert np.load(tmp_path / "model" / "input.npy").shape[1] == 16
