"""Code that took over the process which reads what people send: what it tries from inside of a real one."""

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
from attacks import ATTACKS
from mosaic_worker.isolation import landlock, report, seccomp

SERVER = """
import sys
from mosaic_worker.isolation import hide_memory
from mosaic_api.entries.conversion import convert
from mosaic_api.entries.job import Job
from mosaic_api.problems import Invalid

hide_memory()
folder = sys.argv[1]
try:
    convert(Job(path=f"{folder}/original.png", name="x", format="PNG", max_pixels=1, corners=(1, 1, 2, 2),
                display=f"{folder}/display.tif", outcome=f"{folder}/outcome.json"))
except Invalid as error:
    print(error)
"""
USERS = ("root", "nobody") if os.geteuid() == 0 else (pwd.getpwuid(os.geteuid()).pw_name,)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user gets to."""
    made = Path(tempfile.mkdtemp(prefix="mosaic-attack-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def attacked(place: Path, user: str) -> dict[str, str]:
    """What comes of each attack from the process that a server of a user starts for an upload."""
    inside, library = place / "upload", place / "library/PIL"
    inside.mkdir()
    library.mkdir(parents=True)
    (place / "secret").write_text("the key")
    (place / "secret").chmod(0o600)
    (inside / "original.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with ExitStack() as servers:
        tcp = servers.enter_context(socket.create_server(("127.0.0.1", 0)))
        unix = servers.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(str(place / "socket"))
        unix.listen()
        known = {name: str(place / name) for name in ("secret", "elsewhere", "socket")}
        known |= {"told": str(inside / "told.json"), "port": tcp.getsockname()[1]}
        (library / "__init__.py").write_text(ATTACKS.format(known=json.dumps(known)))
        for path in (place, *place.rglob("*")):
            shutil.chown(path, user)
        done = subprocess.run(
            [sys.executable, "-c", SERVER, inside],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(place / "library"), "MOSAIC_SESSION_SECRET": "s" * 32},
            user=None if user == pwd.getpwuid(os.geteuid()).pw_name else user,
            cwd=place,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert (inside / "told.json").exists(), done.stdout + done.stderr
    return json.loads((inside / "told.json").read_text())


@pytest.mark.parametrize("user", USERS)
def test_code_in_the_reader_of_uploads_reaches_nothing(place: Path, user: str):
    if not landlock.version() or not seccomp.is_available():
        pytest.skip(f"this kernel ({platform.release()}) lacks Landlock or seccomp: {landlock.version()=}")
    if user == "nobody":
        real = Path(sys.executable).resolve()
        if subprocess.run(["/usr/bin/test", "-x", real], user=user, check=False).returncode:
            pytest.skip(f"the user nobody cannot run {real}")
    outcomes = attacked(place, user)
    assert len(outcomes) == 13
    assert {attack: outcome for attack, outcome in outcomes.items() if outcome == "done"} == {}
    assert not (place / "elsewhere").exists()


def test_what_is_missing_is_said():
    whole = ["namespaces without a network", "no capabilities", "Landlock 7", "seccomp"]
    assert report(whole) == "isolated by namespaces without a network, no capabilities, Landlock 7, seccomp"
    assert report(whole[:2]).endswith("; this system does not offer Landlock, seccomp")
    assert report([]).startswith("not isolated")


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_jump_of_the_filter_stays_within_it(machine: str):
    for families, alone in (((), 1), (seccomp.INTERNET, None)):
        program = seccomp.program(machine, families=families, alone=alone)
        assert len(program) < 4096
        for place, (operation, yes, no, _) in enumerate(program):
            if operation & 0x07 == 0x05:
                assert place + 1 + max(yes, no) < len(program)
        assert program[-1] == (0x06, 0, 0, 0x7FFF0000)
