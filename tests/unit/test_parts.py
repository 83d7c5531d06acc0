"""How `make test` runs its parts."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from parts import AT_A_TIME, LOWER_PRIORITY, Parts, main

TESTS = Path(__file__).parents[1]


def test_a_failing_part_stops_no_other(capfd: pytest.CaptureFixture[str]):
    outcomes = Parts({"bad": ["sh", "-c", "echo oh; exit 3"], "good": ["echo", "fine"]}).run()
    assert [(outcome.name, outcome.code) for outcome in outcomes] == [("bad", 3), ("good", 0)]
    output = capfd.readouterr().out
    for line in ("test: bad starts\n", "oh\ntest: bad           FAILED ", "fine\ntest: good          passed "):
        assert line in output


def test_parts_run_in_parallel(tmp_path: Path):
    os.mkfifo(pipe := tmp_path / "pipe")
    outcomes = Parts({"reader": ["cat", str(pipe)], "writer": ["sh", "-c", f"echo > {pipe}"]}).run()
    assert [outcome.code for outcome in outcomes] == [0, 0]
    assert AT_A_TIME > 1


def test_all_parts_but_the_first_have_a_lower_priority(capfd: pytest.CaptureFixture[str]):
    own = os.nice(0)
    Parts({"first": ["nice"], "second": ["nice"]}).run()
    output = capfd.readouterr().out
    assert f"\n{own}\ntest: first" in output
    assert f"\n{min(own + LOWER_PRIORITY, 19)}\ntest: second" in output


def test_a_termination_stops_running_parts_and_starts_no_more():
    program = (
        "import signal, sys; from parts import Parts; signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)); "
        f"Parts({{str(n): ['sleep', '1000'] for n in range({AT_A_TIME + 1})}}).run()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=TESTS) as running:
        started = [running.stdout.readline() for _ in range(AT_A_TIME)]
        running.send_signal(signal.SIGTERM)
        rest = running.stdout.read()
    assert running.returncode == 143
    assert sorted(started) == [f"test: {n} starts\n" for n in range(AT_A_TIME)]
    assert f"test: {AT_A_TIME} starts" not in rest


def test_the_exit_code_tells_whether_all_parts_passed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "Makefile").write_text("good:\n\ttrue\nbad:\n\tfalse\n")
    monkeypatch.chdir(tmp_path)
    assert main(["good"]) == 0
    assert main(["good", "bad"]) == 1
