"""A fork server: its processes end with their session, with the server, and with its owner."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from mosaic_api.executor import fork_servers
from mosaic_api.executor.fork_servers import ForkServers
from mosaic_worker.local.fork_server import Child, ForkServer, ServerDiedError

PROGRAM = "support.forking"


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


@pytest.fixture
def server() -> Iterator[ForkServer]:
    server = ForkServer.spawn(PROGRAM)
    yield server
    server.close()


def started(server: ForkServer | ForkServers) -> tuple[Child, dict[str, Any]]:
    """A process of a server, and its report."""
    reading, writing = os.pipe()
    child = server.start([writing])
    os.close(writing)
    with os.fdopen(reading) as report:
        return child, json.load(report)


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_process_leads_a_session_and_holds_only_the_given_files(server):
    child, report = started(server)
    assert report["pids"][0] == report["session"] == child.pid
    assert len(set(report["opened"]) - {0, 1, 2}) == 2  # the given file, and the folder that lists them
    child.kill()
    child.wait()


def test_a_killed_process_ends_with_all_that_it_started(server):
    (first, report), (other, others) = started(server), started(server)
    first.kill()
    assert first.wait() == first.wait() == -signal.SIGKILL
    assert [exists(pid) for pid in report["pids"]] == [False, False]
    assert all(exists(pid) for pid in others["pids"])
    other.kill()
    other.wait()


def test_what_a_dead_process_started_ends_too(server):
    child, report = started(server)
    os.kill(child.pid, signal.SIGTERM)
    assert child.wait() == -signal.SIGTERM
    assert not exists(report["pids"][1])


def test_all_processes_end_with_the_owner():
    server = ForkServer.spawn(PROGRAM)
    reports = [started(server)[1] for _ in range(2)]
    server.close()
    assert not any(exists(pid) for report in reports for pid in report["pids"])


def test_the_death_of_the_server_is_noticed(server):
    child, report = started(server)
    os.kill(report["server"], signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    with pytest.raises(ServerDiedError):
        started(server)
    os.killpg(child.pid, signal.SIGKILL)


def test_an_executor_replaces_a_server_that_died():
    servers = ForkServers(PROGRAM)
    child, report = started(servers)
    os.kill(report["server"], signal.SIGKILL)
    other, after = started(servers)
    assert after["server"] != report["server"]
    os.killpg(child.pid, signal.SIGKILL)
    assert (servers.end(child), servers.end(other)) == (-signal.SIGKILL, -signal.SIGKILL)
    servers.close()


def test_an_executor_replaces_a_server_after_some_processes_and_those_that_run_continue(monkeypatch):
    monkeypatch.setattr(fork_servers, "MOST_PROCESSES", 2)
    servers = ForkServers(PROGRAM)
    begun = [started(servers) for _ in range(3)]
    first, second, third = (report["server"] for _, report in begun)
    assert first == second != third
    for child, report in begun:
        assert all(exists(pid) for pid in report["pids"])
        servers.end(child)
        assert not any(exists(pid) for pid in report["pids"])
    assert not exists(first)
    servers.close()


def test_a_rehearsal_leaves_no_thread_and_no_open_file():
    code = (
        "import os; from mosaic_worker.local.rehearsal import rehearse; before = os.listdir('/proc/self/fd');"
        "rehearse(); print(len(os.listdir('/proc/self/task')), os.listdir('/proc/self/fd') == before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1 True\n"
