"""Attacks by code that took over the process which reads untrusted files, run inside a real process."""

import json
import os
import platform
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from mosaic_worker.isolation import landlock, network_files, report, seccomp

from support.scenes.attacks import ATTACKS

SERVER = """
import sys
from mosaic_worker.isolation import hide_memory
from mosaic_api.datasets.reader.launcher import convert
from mosaic_api.datasets.reader.job import Job
from mosaic_api.web.problems import Invalid

hide_memory()
folder = sys.argv[1]
try:
    convert(Job(path=f"{folder}/original.png", name="x", format="PNG", max_pixels=1, corners=(1, 1, 2, 2),
                display=f"{folder}/display.tif", outcome=f"{folder}/outcome.json"))
except Invalid as error:
    print(error)
"""
EXECUTOR = """
import os, sys, time
from mosaic_worker.isolation import hide_memory
from mosaic_api.executor.child import Job
from mosaic_api.executor.events import Ended, Inbox
from mosaic_api.executor.fork_servers import ForkServers
from mosaic_api.executor.process import RequestProcess

hide_memory()
metadata = dict(name="x", namespace="default", uid="1")
inbox, deadline = Inbox(), time.monotonic() + 120
if "{target}" == "the executor":
    os.environ["MOSAIC_ATTACKED"] = str(os.getpid())
servers = ForkServers("attacked_child")
process = RequestProcess(Job(dict(metadata=metadata), sys.argv[1] + "/../store", "", [], 1), inbox, servers)
while not isinstance(inbox.next(deadline), Ended) and time.monotonic() < deadline:
    pass
process.end()
servers.close()
"""
ATTACKED_CHILD = """
from mosaic_api.executor import child

def attack(*_):
    import attack

child.make_mosaic = attack
child.main()
"""
"""The fork server of an executor whose processes run the attacks when they are isolated, instead of making a mosaic."""
OF_ITS_WORK = {"connect_by_tcp", "send_by_udp", "start_a_program"}
"""What the process of a request needs: sources and stores, and its worker processes."""
USERS = ("root", "nobody") if os.geteuid() == 0 else (pwd.getpwuid(os.geteuid()).pw_name,)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user can enter."""
    made = Path(tempfile.mkdtemp(prefix="mosaic-attack-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def run_attacks(place: Path, user: str, server: str, library: str, outcome: str) -> dict[str, str]:
    """Run each attack in the process that a server of a user starts, and return their results.

    Args:
        place: A folder.
        user: The user that the server runs as.
        server: Its program.
        library: A library that the process imports after it is isolated.
        outcome: The file to which the attack writes its results.
    """
    inside, package = place / "upload", place / "library" / library
    for folder in (inside, package, place / "store/datasets/of-others", (place / outcome).parent):
        folder.mkdir(parents=True, exist_ok=True)
    secret = place / "store/datasets/of-others/original.tif"
    secret.write_text("the key")
    secret.chmod(0o600)
    (inside / "original.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with ExitStack() as servers:
        tcp = servers.enter_context(socket.create_server(("127.0.0.1", 0)))
        unix = servers.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(str(place / "socket"))
        unix.listen()
        known = {name: str(place / name) for name in ("elsewhere", "socket")}
        known |= {"report": str(place / outcome), "port": tcp.getsockname()[1], "secret": str(secret)}
        (package / "__init__.py").write_text(ATTACKS.format(known=json.dumps(known)))
        (place / "library/attacked_child.py").write_text(ATTACKED_CHILD)
        for path in (place, *place.rglob("*")):
            shutil.chown(path, user)
        done = subprocess.run(
            [sys.executable, "-c", server, inside],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(place / "library"), "MOSAIC_SESSION_SECRET": "s" * 32},
            user=None if user == pwd.getpwuid(os.geteuid()).pw_name else user,
            cwd=place,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert (place / outcome).exists(), done.stdout + done.stderr
    return json.loads((place / outcome).read_text())


def require_isolation(version: int) -> None:
    if landlock.version() < version or not seccomp.is_available():
        pytest.skip(f"this kernel ({platform.release()}) has Landlock {landlock.version()}, or lacks seccomp")


@pytest.mark.slow
@pytest.mark.parametrize("user", USERS)
def test_code_in_the_reader_of_uploads_cannot_access_anything(place: Path, user: str):
    require_isolation(1)
    if user == "nobody":
        real = Path(sys.executable).resolve()
        if subprocess.run(["/usr/bin/test", "-x", real], user=user, check=False).returncode:
            pytest.skip(f"the user nobody cannot run {real}")
    outcomes = run_attacks(place, user, SERVER, "PIL", "upload/report.json")
    assert len(outcomes) == 13
    assert {attack: outcome for attack, outcome in outcomes.items() if outcome == "done"} == {}
    assert not (place / "elsewhere").exists()


@pytest.mark.slow
@pytest.mark.parametrize("target", ["the executor", "the fork server"])
def test_code_in_the_process_of_a_request_can_only_access_sources_and_its_own_folders(place: Path, target: str):
    require_isolation(landlock.SCOPES_VERSION)
    server = EXECUTOR.format(target=target)
    outcomes = run_attacks(place, USERS[0], server, "attack", "store/work/1/report.json")
    assert len(outcomes) == 13
    assert {attack for attack, outcome in outcomes.items() if outcome == "done"} <= OF_ITS_WORK
    assert not (place / "elsewhere").exists()


def test_processes_of_a_server_inherit_no_secrets():
    code = (
        "import os, subprocess, sys; from mosaic_api.settings.secrets import guard_secrets; "
        "whole = guard_secrets(os.environ); "
        "assert whole['MOSAIC_CENTRAL_TOKEN'] == 'x'; subprocess.run(['env'], check=True)"
    )
    names = ("MOSAIC_CENTRAL_TOKEN", "MOSAIC_SESSION_SECRET_FILE", "MOSAIC_DATABASE_URL", "MOSAIC_STORE")
    environment = {"PATH": os.environ["PATH"]} | dict.fromkeys(names, "x")
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert [name for name in names if f"{name}=x" in done.stdout] == ["MOSAIC_STORE"]


def test_the_report_names_missing_kernel_features():
    whole = ["namespaces without a network", "no capabilities", "Landlock 7", "seccomp"]
    assert report(whole) == "isolated by namespaces without a network, no capabilities, Landlock 7, seccomp"
    assert report(whole[:2]).endswith("; this system does not offer Landlock, seccomp")
    assert report([]).startswith("not isolated")


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_jump_of_the_filter_stays_within_the_filter(machine: str):
    for families, alone in (((), 1), (seccomp.INTERNET, None)):
        program = seccomp.program(machine, families=families, alone=alone)
        assert len(program) < 4096
        for place, (operation, yes, no, _) in enumerate(program):
            if operation & 0x07 == 0x05:
                assert place + 1 + max(yes, no) < len(program)
        assert program[-1] == (0x06, 0, 0, 0x7FFF0000)


def test_requests_can_read_aws_profiles_only_on_a_server_of_one_user(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/ada")
    environment = {"HOME": "/home/ada", "AWS_CONFIG_FILE": "/etc/aws"}
    own, shared = (set(network_files(environment, of_user=of_user)) for of_user in (True, False))
    assert {Path("/home/ada/.aws"), Path("/etc/aws")} <= own
    assert Path("/home/ada/.aws") not in shared
