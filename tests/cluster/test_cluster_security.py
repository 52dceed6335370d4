"""Nobody gets in: what outsiders find of a cluster of this machine, and a scheduler with TLS certificates."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest
from cluster_case import SETTINGS, files_and_losses
from distributed import Security
from distributed.comm import core as comm_core

import nce_train
from nce_train.cluster.cluster import connect
from nce_train.errors import InputError


def listening_ports():
    """The addresses on which this process and those that it started accept connections."""
    me = psutil.Process()
    connections = [each for process in (me, *me.children(recursive=True)) for each in process.net_connections()]
    return {each.laddr for each in connections if each.status == psutil.CONN_LISTEN}


@pytest.mark.slow
def test_outsiders_are_refused_by_the_processes_of_a_local_cluster():
    before, said = listening_ports(), []
    directories = set(Path(tempfile.gettempdir()).iterdir())
    with connect("local:2", said.append, said.append):
        (scratch,) = (path for path in set(Path(tempfile.gettempdir()).iterdir()) - directories if path.is_dir())
        assert scratch.stat().st_mode & 0o777 == 0o700 and list(scratch.rglob("worker-*"))
        ports = listening_ports() - before
        assert len(ports) >= 3 and {port.ip for port in ports} == {"127.0.0.1"}
        addresses = [f"127.0.0.1:{port.port}" for port in ports]
        assert asyncio.run(outsiders_let_in(addresses)) == []
        assert {answer_of(address) for address in addresses} <= {None, 404}
    assert len(said) == 1 and said[0].startswith("cluster tls://127.0.0.1:") and said[0].endswith("workers, 2 threads")


async def outsiders_let_in(addresses):
    """The addresses where a program of Dask is answered that has no certificate, or one of its own."""

    async def is_let_in(address, arguments):
        try:
            comm = await asyncio.wait_for(comm_core.connect(address, timeout=2, **arguments), 4)
        except OSError:
            return False
        comm.abort()
        return True

    let_in = []
    for protocol, arguments in (("tcp", {}), ("tls", Security.temporary().get_connection_args("client"))):
        names = [f"{protocol}://{address}" for address in addresses]
        answers = await asyncio.gather(*(is_let_in(name, arguments) for name in names))
        let_in += [name for name, answer in zip(names, answers, strict=True) if answer]
    return let_in


def answer_of(address):
    """The status with which a port answers a browser; None when it does not speak HTTP."""
    try:
        return urllib.request.urlopen(f"http://{address}/info/main/workers.html", timeout=2).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


@pytest.fixture
def certificate(tmp_path):
    """The environment in which Dask's programs use a certificate, as its documentation has it."""
    security = Security.temporary()
    environment = {"DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True"}
    for name, pem in (("cert", security.tls_scheduler_cert), ("key", security.tls_scheduler_key)):
        (tmp_path / f"{name}.pem").write_text(pem)
    environment["DASK_DISTRIBUTED__COMM__TLS__CA_FILE"] = str(tmp_path / "cert.pem")
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        for name in ("cert", "key"):
            environment[f"DASK_DISTRIBUTED__COMM__TLS__{role}__{name.upper()}"] = str(tmp_path / f"{name}.pem")
    return {**os.environ, **environment}


@pytest.mark.slow
def test_a_scheduler_with_a_certificate_trains_and_an_open_one_is_reported(corpus, expected, certificate, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(environment, address, model):
        scheduler, worker, *rest = (
            [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", address, "--dashboard-address", ":0"],
            [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny"],
            [sys.executable, "-m", "nce_train.cli.train", *corpus, "-o", model, "--cluster", address, "--no-cache"],
        )
        options = [f"--{name.replace('_', '-')}={value}" for name, value in SETTINGS.items()]
        with contextlib.ExitStack() as stack:
            for command in (scheduler, [*worker, "--local-directory", str(tmp_path)]):
                process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
                stack.callback(process.wait)
                stack.callback(process.kill)
            command = [*rest[0], "--heldout", corpus[1], *options]
            return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    done = run(certificate, f"tls://127.0.0.1:{port}", "closed.nce")
    assert done.returncode == 0, done.stderr
    assert "is open" not in done.stderr and f"cluster tls://127.0.0.1:{port}" in done.stderr
    assert files_and_losses(tmp_path / "closed.nce") == expected
    done = run(dict(os.environ), f"tcp://127.0.0.1:{port}", "open.nce")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("is open: whoever can connect to it can run code on its machines") == 1


def test_a_tls_address_without_certificates_is_refused_in_one_sentence(corpus):
    with pytest.raises(InputError, match=r"^tls://127\.0\.0\.1:1 needs certificates, and Dask's"):
        nce_train.train(corpus, cluster="tls://127.0.0.1:1", progress=False)
