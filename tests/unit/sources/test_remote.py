"""Remote files, read in ranges: correct bytes, few requests, each page once, and changes are noticed."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from mosaic_crds.errors import RequestError
from mosaic_worker.sources.access.gate import pod
from mosaic_worker.sources.http import remote_files
from mosaic_worker.sources.http.client import Client
from mosaic_worker.sources.http.remote_files import GAP, HEAD, LARGEST_RANGE, PAGE, RemoteFile, RemoteFiles
from mosaic_worker.sources.http.sessions import RetryPolicy, new_session

from support.servers.range_server import RequestLog, serving

CONTENT = np.random.default_rng(0).bytes(3_000_001)


@contextmanager
def served(folder: Path, content: bytes = CONTENT, delay: float = 0) -> Iterator[tuple[RemoteFile, RequestLog]]:
    (folder / "a").write_bytes(content)
    log = RequestLog()
    with serving(folder, log, delay) as address:
        client = Client(pod(address))
        client.session = new_session(client.gate, retries=RetryPolicy(first_seconds=0.001))
        files = RemoteFiles(client)
        yield files.get(f"http://{address}/a"), log
        files.close()


def test_any_range_equals_the_bytes_of_the_file(tmp_path):
    rng = np.random.default_rng(1)
    with served(tmp_path) as (file, _):
        assert file.size == len(CONTENT)
        for _ in range(200):
            start, count = int(rng.integers(0, len(CONTENT) + 10)), int(rng.integers(0, 100_000))
            assert file.read(start, count) == CONTENT[start : start + count]
        assert file.read(0, len(CONTENT) * 2) == CONTENT


@pytest.mark.parametrize("size", [0, 1, PAGE, HEAD - 1, HEAD, HEAD + 1])
def test_small_files_are_read_with_one_request(tmp_path, size):
    with served(tmp_path, CONTENT[:size]) as (file, log):
        if size:
            assert file.read(0, size) == CONTENT[:size]
        else:
            with pytest.raises(RequestError, match="the server answered 416"):
                file.read(0, 1)
        assert len(log.requests) == 1 + (size > HEAD)


def test_sequential_reads_are_read_ahead(tmp_path):
    with served(tmp_path) as (file, log):
        for start in range(0, len(CONTENT), 4096):
            assert file.read(start, 4096) == CONTENT[start : start + 4096]
    assert len(log.requests) < 12
    assert log.bytes == len(CONTENT)


def test_scattered_reads_fetch_only_their_pages(tmp_path):
    with served(tmp_path) as (file, log):
        for start in (2_000_000, 1_000_000, 1_500_000):
            file.read(start, 10)
    assert log.bytes == HEAD + 3 * PAGE


def test_fetches_ranges_together_and_later_reads_make_no_request(tmp_path):
    with served(tmp_path) as (file, log):
        near = [(500_000, 600_000), (600_000 + GAP // 2, 700_000)]
        far = [(1_500_000, 1_500_010), (2_500_000, 2_600_000)]
        assert file.size
        file.fetch([*near, *far])
        assert len(log.requests) == 1 + 1 + 2
        for start, stop in (*near, *far):
            assert file.read(start, stop - start) == CONTENT[start:stop]
        assert len(log.requests) == 1 + 1 + 2


def test_divides_large_ranges(tmp_path):
    content = CONTENT * 6
    with served(tmp_path, content) as (file, log):
        assert file.size
        file.fetch([(0, len(content))])
        assert file.read(0, len(content)) == content
    assert len(log.requests) == 1 + -(-(len(content) - HEAD) // LARGEST_RANGE)


def test_fetches_an_expected_range_once_and_reads_wait_for_it(tmp_path):
    with served(tmp_path, delay=0.05) as (file, log):
        assert file.size
        file.prefetch([(1_000_000, 1_400_000)])
        with ThreadPoolExecutor(4) as threads:
            found = threads.map(lambda start: file.read(start, 50_000), range(1_000_000, 1_400_000, 50_000))
            assert b"".join(found) == CONTENT[1_000_000:1_400_000]
    assert len(log.requests) == 2


def test_limits_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(remote_files, "MEMORY", 10 * PAGE)
    with served(tmp_path) as (file, log):
        assert file.size
        file.fetch([(0, 30 * PAGE)])
        assert len(file._files._pages) == 10
        before = len(log.requests)
        assert file.read(20 * PAGE, 10 * PAGE) == CONTENT[20 * PAGE : 30 * PAGE]
        assert len(log.requests) == before
        assert file.read(0, 30 * PAGE) == CONTENT[: 30 * PAGE]


def test_stops_reading_a_file_that_changes(tmp_path):
    with served(tmp_path) as (file, _):
        assert file.read(0, 10)
        (tmp_path / "a").write_bytes(CONTENT[::-1])
        os.utime(tmp_path / "a", ns=(1, 1))
        with pytest.raises(RequestError, match="/a changed while it was read; run the request again"):
            file.read(1_000_000, 10)


def test_requests_a_range_again_after_reading_ahead_failed(tmp_path):
    with served(tmp_path) as (file, _):
        assert file.size
        (tmp_path / "a").rename(tmp_path / "b")
        file.prefetch([(1_000_000, 1_100_000)])
        with pytest.raises(RequestError, match="the server answered 404"):
            file.read(1_000_000, 10)
        (tmp_path / "b").rename(tmp_path / "a")
        assert file.read(1_000_000, 10) == CONTENT[1_000_000:1_000_010]


def test_saves_a_complete_file(tmp_path):
    content = CONTENT * 6
    with served(tmp_path, content) as (file, log):
        with (tmp_path / "copy").open("wb") as target:
            file.save(target)
    assert (tmp_path / "copy").read_bytes() == content
    assert log.bytes == len(content) + HEAD
