"""Uploads are admitted by slots, quota and disk before their body is read; stalled and abandoned ones end."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from mosaic_api.settings import Settings

from support.api.central_pair import keep
from support.api.dataset_files import geotiff
from support.api.installations import Installation, serving, until
from support.ports import free_port

MIB = 2**20
HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nII*\0'


@contextmanager
def uploading(there: Installation, token: str, announced: int | None, content: bytes = HEAD) -> Iterator[socket.socket]:
    """A connection with a started upload. Its header announces this many bytes; None sends chunks."""
    length = "Transfer-Encoding: chunked" if announced is None else f"Content-Length: {announced}"
    head = (
        f"POST /api/v1/datasets HTTP/1.1\r\nHost: 127.0.0.1:{there.port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\n{length}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", there.port), timeout=30) as connection:
        connection.sendall(head.encode() + (content if announced is not None else b""))
        yield connection


def status(connection: socket.socket) -> int:
    """The status of the response, which arrives although the body is incomplete."""
    answer = b""
    while piece := connection.recv(4096):  # until the server closes the connection
        answer += piece
    return int(answer.split()[1])


@pytest.fixture
def there(settings: Settings) -> Iterator[Installation]:
    """An installation with a quota of 30 MiB for each user."""
    limited = replace(settings, max_stored_bytes=30 * MIB, max_scratch_bytes=100 * MIB, public_url="http://127.0.0.1")
    with serving(limited, free_port()) as running:
        yield running


def test_refuses_an_upload_over_the_quota_before_reading_its_body(there: Installation):
    """Otherwise many uploads that announce 390 MB and stall would fill the disk."""
    token = there.token("ann")
    for announced in (390 * MIB, None):
        with uploading(there, token, announced) as connection:
            assert status(connection) in {413, 507}


def test_limits_the_concurrent_uploads_of_each_user(there: Installation):
    ann, bob = there.token("ann"), there.token("bob")
    with ExitStack() as open_uploads:
        stalled = [open_uploads.enter_context(uploading(there, ann, 2 * MIB)) for _ in range(4)]
        until(lambda: any(_readable(each) for each in stalled))
        (refused,) = [each for each in stalled if _readable(each)]
        assert status(refused) == 429
        with there.client(bob) as other:
            keep(other, geotiff(), kind="image")
    with there.client(ann) as again:
        until(lambda: again.post("datasets", json={"name": "x"}).status_code == 422)


def test_concurrent_uploads_of_a_user_share_the_quota(there: Installation):
    ann = there.token("ann")
    with uploading(there, ann, 20 * MIB) as first, uploading(there, ann, 20 * MIB) as second:
        until(lambda: _readable(first) or _readable(second))  # the later one
        assert status(first if _readable(first) else second) == 413


def test_uploads_do_not_overcommit_the_temporary_disk(there: Installation):
    tokens = [there.token(f"user-{number}") for number in range(6)]
    with ExitStack() as open_uploads:
        connections = [open_uploads.enter_context(uploading(there, token, 25 * MIB)) for token in tokens]
        until(lambda: sum(map(_readable, connections)) == 2)
        assert {status(each) for each in connections if _readable(each)} == {507}


def _readable(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        connection.settimeout(30)


def test_the_reader_of_a_file_ends_when_its_client_disconnects(
    there: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/new\nmv {tmp_path}/new {tmp_path}/pid\nexec sleep 300\n")
    program.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(program))
    fields = b'--x\r\nContent-Disposition: form-data; name="kind"\r\n\r\nimage\r\n'
    fields += b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\none\r\n'
    content = fields + HEAD + b"\r\n--x--\r\n"
    with uploading(there, there.token("ann"), len(content), content):
        until((tmp_path / "pid").exists)
        child = int((tmp_path / "pid").read_text())
        os.kill(child, 0)
    until(lambda: not Path(f"/proc/{child}").exists())
