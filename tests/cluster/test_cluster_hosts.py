"""Scheduler and workers as if on three machines: on three loopback addresses, and in three network namespaces."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import threading

import pytest
from cluster_case import SETTINGS, files_and_losses, kill_at_work
from distributed import Client

import nce_train

PORT_OF_NAMESPACES = 8786  # each namespace has ports of its own


@contextlib.contextmanager
def loopback_addresses():
    """Three addresses of this machine, a free port of the first, and the command prefix for a process at each."""
    addresses = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
    try:
        with socket.create_server((addresses[0], 0)) as server:
            port = server.getsockname()[1]
    except OSError as error:
        pytest.skip(f"this machine has one loopback address only ({error})")
    yield addresses, port, [[], [], []]


@contextlib.contextmanager
def network_namespaces():
    """Addresses in three network namespaces on a bridge, a port, and the command prefix for a process in each."""
    if shutil.which("ip") is None:
        pytest.skip("needs the system package iproute2")
    number = os.getpid() % 10_000
    network, bridge = f"10.213.{number % 250}", f"nce{number}b"
    names = [f"nce{number}n{host}" for host in range(3)]
    addresses = [f"{network}.{host + 2}" for host in range(3)]

    def ip(*arguments):
        subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)

    with contextlib.ExitStack() as stack:
        undo = {"check": False, "capture_output": True}
        try:
            ip("link", "add", bridge, "type", "bridge")
            stack.callback(subprocess.run, ["ip", "link", "del", bridge], **undo)
            ip("addr", "add", f"{network}.1/24", "dev", bridge)
            ip("link", "set", bridge, "up")
            for host, name in enumerate(names):
                ip("netns", "add", name)
                stack.callback(subprocess.run, ["ip", "netns", "del", name], **undo)
                ip("link", "add", f"{name}v", "type", "veth", "peer", "name", "eth0", "netns", name)
                ip("link", "set", f"{name}v", "master", bridge, "up")
                ip("-n", name, "addr", "add", f"{addresses[host]}/24", "dev", "eth0")
                ip("-n", name, "link", "set", "eth0", "up")
                ip("-n", name, "link", "set", "lo", "up")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces may not be made here ({error.stderr.strip()})")
        yield addresses, PORT_OF_NAMESPACES, [["ip", "netns", "exec", name] for name in names]


@pytest.mark.slow
@pytest.mark.parametrize("hosts", [loopback_addresses, network_namespaces])
def test_a_host_that_dies_in_mid_round_changes_nothing(hosts, corpus, expected, tmp_path, capsys):
    options = {"heldout": corpus[1], **SETTINGS}
    with hosts() as (addresses, port, prefixes), contextlib.ExitStack() as stack:
        scheduler = f"tcp://{addresses[0]}:{port}"

        def start(host, module, *arguments):
            command = [*prefixes[host], sys.executable, "-m", f"distributed.cli.{module}", *arguments]
            command += ["--host", addresses[host], "--no-dashboard"]
            log = stack.enter_context((tmp_path / f"host-{host}.log").open("w"))
            process = stack.enter_context(subprocess.Popen(command, stdout=log, stderr=log))
            stack.callback(process.kill)

        start(0, "dask_scheduler", "--port", str(port))
        for host in (1, 2):
            start(host, "dask_worker", scheduler, "--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path))
        with Client(scheduler, timeout=30) as client:
            client.wait_for_workers(2, timeout=30)
            pids = client.run(os.getpid)
            assert sorted(address.split("//")[1].split(":")[0] for address in pids) == addresses[1:]
            killer = threading.Thread(target=kill_at_work, args=(scheduler, pids), daemon=True)
            killer.start()
            nce_train.train(corpus, output=tmp_path / "model", cluster=scheduler, **options)
            killer.join(timeout=1)
            assert not killer.is_alive()
    (lost,) = re.findall(r"The worker (\S+) is lost; others take over its shards\.", capsys.readouterr().err)
    assert lost in pids
    assert files_and_losses(tmp_path / "model") == expected
