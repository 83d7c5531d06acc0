"""Unexpected errors: one sentence, a special exit code, and a report without secrets."""

import errno
import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from mosaic_crds.errors import PassingError
from mosaic_crds.names import API_VERSION
from mosaic_crds.reports import BROKEN_PIPE, INTERRUPTED, UNEXPECTED, guarded, report_of, scrubbed, sentence_of
from mosaic_worker import cli, pod
from mosaic_worker.local.processes import run_ranges

MOSAIC = Path(sys.executable).parent / "mosaic"
PASSWORD = "hunter2-hunter2"


def fails(error: BaseException) -> int:
    password = PASSWORD  # noqa: F841 (a value of a variable, which no report shows)
    raise error


def nested(level: int = 0) -> int:
    return nested(level + 1)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (KeyError("x"), "unexpected error KeyError: 'x'"),
        (ValueError(), "unexpected error ValueError"),
        (MemoryError(), "possibly out of memory; use fewer workers, or a machine with more memory"),
        (OSError(errno.ENOSPC, "No space left on device", "/data/a.tif"), "the disk is full: /data/a.tif; free some"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "the disk is full; free some space and run it again"),
        (PermissionError(errno.EACCES, "Permission denied", "/root/x"), "permission denied: /root/x"),
        (OSError(errno.EIO, "Input/output error", "/data/a"), "input/output error: /data/a"),
        (
            UnicodeEncodeError("ascii", "ö", 0, 1, "ordinal"),
            "the encoding ascii of this environment lacks",
        ),
        (RecursionError("maximum recursion depth exceeded"), "the input is nested too deeply"),
    ],
)
def test_an_unexpected_error_causes_one_sentence_and_a_report(temporary, capsys, error, sentence):
    assert guarded("mosaic", lambda: fails(error)) == UNEXPECTED
    (report,) = temporary.iterdir()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"mosaic: {sentence}")
    assert printed.err.endswith(f"; the full report is in {report}\n")
    assert printed.err.count("\n") == 1
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    text = report.read_text()
    assert "in fails" in text
    assert type(error).__name__ in text
    assert PASSWORD not in text


def test_endless_recursion_has_a_short_report(temporary):
    assert guarded("mosaic", nested) == UNEXPECTED
    (report,) = temporary.iterdir()
    assert 0 < len(report.read_text().splitlines()) < 500


def test_prints_a_report_that_cannot_be_saved(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    assert guarded("mosaic", lambda: fails(KeyError("x"))) == UNEXPECTED
    printed = capsys.readouterr().err
    assert printed.startswith("Traceback")
    assert printed.endswith("mosaic: unexpected error KeyError: 'x'; the full report is above\n")


def test_ctrl_c_causes_the_exit_code_of_shells(capsys):
    assert guarded("mosaic_api", lambda: fails(KeyboardInterrupt())) == INTERRUPTED
    assert capsys.readouterr().err == "mosaic_api: interrupted\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://mosaic:geheim@db:5432/x", "postgresql://***@db:5432/x"),
        ("GET https://h.org/a.tif?sig=abc&se=1 failed", "GET https://h.org/a.tif?*** failed"),
        ("Authorization: Bearer abcdef.ghi", "Authorization: Bearer ***"),
        ("AccountKey=abc==;EndpointSuffix=x", "AccountKey=***;EndpointSuffix=x"),
        ("{'password': 'geheim', 'a': 1}", "{'password': '***', 'a': 1}"),
        ("the value s3cret-of-env is wrong", "the value *** is wrong"),
        ("KeyError: 'monkeys'", "KeyError: 'monkeys'"),
    ],
)
def test_hides_text_that_looks_like_a_secret(text, shown):
    assert scrubbed(text, {"AWS_SECRET_ACCESS_KEY": "s3cret-of-env", "HOME": "KeyError"}) == shown


def test_hides_a_secret_of_a_message_in_the_sentence_and_the_report():
    error = RuntimeError("cannot connect to postgresql://u:geheim@db/x")
    error.__cause__ = ValueError("https://h.org/?token=geheim")
    assert "geheim" not in sentence_of(error) + report_of(error)


def test_the_command_has_a_last_handler(temporary, capsys, monkeypatch):
    monkeypatch.setattr(cli.mosaic, "main", lambda **_: fails(KeyError("x")))
    monkeypatch.setattr(cli, "keep_interrupts", lambda: None)
    monkeypatch.setattr("gc.freeze", lambda: None)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == UNEXPECTED
    assert capsys.readouterr().err.startswith("mosaic: unexpected error KeyError: 'x'; the full report is in ")


def test_a_pod_writes_the_sentence_to_its_termination_message_and_the_report_to_its_log(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(pod, "open_store", lambda _: fails(KeyError("x")))
    log = tmp_path / "log"
    log.write_text("")
    environment = {"MOSAIC_STORE": "x", "MOSAIC_TERMINATION_LOG": str(log)}
    assert pod.main(["plan"], environment) == 1
    assert json.loads(log.read_text()) == {
        "message": "unexpected error KeyError: 'x'; the full report is in the pod's log"
    }
    assert "Traceback" in capsys.readouterr().err


class Breaks:
    """Work that raises an error which is not one of ours."""

    def __call__(self, index: int, report: Any) -> None:
        raise KeyError("x")


def test_an_unexpected_error_in_a_range_is_reported_without_a_traceback(capfd):
    with pytest.raises(
        PassingError, match=r"range 0 lost its worker process 2 times \(unexpected error KeyError: 'x'; the"
    ):
        run_ranges([0], Breaks(), 1, attempts=2, seconds_per_range=60, on_tile=lambda _: None)
    assert "Traceback" not in capfd.readouterr().err


DEPTH = 10_000


class DeepAnswers(BaseHTTPRequestHandler):
    """An API server with one MosaicRequest that contains 10,000 nested lists."""

    def do_GET(self) -> None:
        metadata = {"name": "deep", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
        text = json.dumps({"metadata": metadata, "status": {"phase": "Failed", "message": "too deep", "deep": "@"}})
        deep = text.replace('"@"', "[" * DEPTH + "]" * DEPTH)
        body = f'{{"metadata": {{"resourceVersion": "1"}}, "items": [{deep}]}}'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[Path]:
    with ThreadingHTTPServer(("127.0.0.1", 0), DeepAnswers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        path = tmp_path / "kubeconfig"
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {}}],
        }
        path.write_text(yaml.safe_dump(document))
        yield path
        server.shutdown()


def test_an_object_with_10000_nested_lists_hides_no_request(kubeconfig):
    def get(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(MOSAIC), "get", "--context", "c", *arguments]
        environment = os.environ | {"KUBECONFIG": str(kubeconfig)}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)

    listed, one = get(), get("deep")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "too deep" in listed.stdout
    assert (one.returncode, one.stderr) == (0, "")
    assert json.loads(one.stdout)["message"] == "too deep"


def test_replaces_characters_that_the_terminal_cannot_print(tmp_path):
    request = {
        "apiVersion": API_VERSION,
        "kind": "MosaicRequest",
        "metadata": {"name": "x"},
        "spec": {"source": {"files": {"scenes": [{"bands": {"red": "x.tif"}}]}}, "product": {"index": "größer"}},
    }
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(request, allow_unicode=True), encoding="utf-8")
    environment = os.environ | {"LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    command = [str(MOSAIC), "validate", "x.yaml"]
    ended = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=tmp_path, check=False, env=environment)
    assert ended.returncode == 42
    assert ended.stderr.startswith("mosaic: x.yaml: spec.product.index is ")


def test_a_server_prints_ascii_only():
    script = "import sys; from mosaic_crds.reports import guarded; sys.exit(guarded('x', lambda: print('größer') or 0))"
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-c", script]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "gr\\xf6\\xdfer\n", "")


def test_a_closed_pipe_ends_the_command_quietly(capfd):
    script = (
        "import sys\n"
        "from mosaic_crds.reports import guarded\n"
        "sys.exit(guarded('mosaic', lambda: [print('x' * 100) for _ in range(10_000)] and 0))"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.stderr is not None
        assert running.stderr.read() == b""
        assert running.wait() == BROKEN_PIPE
