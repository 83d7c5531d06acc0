"""A service that loses requests or responses, is busy, or is unavailable, at each step of every operation."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from conftest import Place
from mosaic_crds.errors import PassingError
from mosaic_worker.store import Store, open_store, parts

from support.servers.faults import FAULTS, Chosen, Faults, always, only
from support.servers.forwarding import Answer, serving

LARGE = 5 * 2**20
WHOLE = bytes(range(256)) * (LARGE // 128 + 77)
"""Two parts and some bytes."""


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "SMALLEST", LARGE)


@contextmanager
def proxied(remote: Place, monkeypatch: pytest.MonkeyPatch, choose: Chosen, patience: float = 20) -> Iterator[Faults]:
    """A proxy between the next store and its service."""
    assert remote.service is not None
    with serving(Faults(remote.service.address, choose)) as server:
        for name, value in remote.service.at(server.address).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("MOSAIC_STORE_PATIENCE", str(patience))
        yield server
        for name, value in remote.environment.items():
            monkeypatch.setenv(name, value)


def create_small(store: Store) -> None:
    assert store.create("a/made", [b"small"])


def create_large(store: Store) -> None:
    assert store.create("a/made", [WHOLE])


def create_second(store: Store) -> None:
    assert not store.create("a/there", [b"second"])
    assert not store.create("a/there", [WHOLE])


def read(store: Store) -> None:
    assert store.read("a/there") == b"there already"
    assert store.read("a/there", 2, 5) == b"ere"
    with store.open("a/there") as file:
        assert file.read() == b"there already"


def head(store: Store) -> None:
    assert [stored.key for stored in store.list("a/")] == ["a/there"]
    assert store.read("a/nothing") is None


def delete(store: Store) -> None:
    store.delete("a/there")


WORKS = {
    "create small": create_small,
    "create large": create_large,
    "create what is there": create_second,
    "read": read,
    "head": head,
    "delete": delete,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("work", WORKS.values(), ids=WORKS)
def test_retries_a_fault_at_every_step(
    remote: Place, monkeypatch: pytest.MonkeyPatch, work: Callable[[Store], None], fault: str
) -> None:
    """Each request in turn meets the fault; `create` returns True even if a lost response had already confirmed it."""
    plain = open_store(remote.uri)
    with proxied(remote, monkeypatch, only(-1, fault)) as server:
        plain.create("a/there", [b"there already"])
        work(open_store(remote.uri))
        steps = len(server.seen)
        assert steps > 0
        for step in range(steps):
            plain.create("a/there", [b"there already"])
            plain.delete("a/made")
            server.seen.clear()
            server.choose = only(step, fault)
            work(open_store(remote.uri))
            assert len(server.seen) >= steps
            if work in {create_small, create_large}:
                assert plain.read("a/made") == (WHOLE if work is create_large else b"small")


@pytest.mark.parametrize("fault", ["request lost", "answer lost", "busy"])
def test_reports_an_unavailable_service_within_the_patience(
    remote: Place, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    with proxied(remote, monkeypatch, always(fault), patience=0.5) as server:
        store = open_store(remote.uri)
        for work in (create_small, create_large, read, head, delete):
            server.seen.clear()
            started = time.monotonic()
            with pytest.raises(PassingError, match=r"does not respond \([\w ]+, retried for 0.5 s\)") as caught:
                work(store)
            elapsed = time.monotonic() - started
            assert elapsed < 10
            assert len(server.seen) > 1 or elapsed > 0.4  # one slow response leaves no time for a second request
            assert remote.uri in str(caught.value)
            assert server.address in str(caught.value)


def test_understands_a_service_that_closes_the_connection_for_an_existing_object(
    remote: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(remote.uri).create("a/there", [b"first"])
    with proxied(remote, monkeypatch, lambda _, request: "request lost" if request.method == "PUT" else None):
        assert not open_store(remote.uri).create("a/there", [b"second"])


def test_reports_a_closed_port_within_the_patience(remote: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxied(remote, monkeypatch, always("busy"), patience=0.5):
        store = open_store(remote.uri)
    with pytest.raises(PassingError, match="does not respond"):
        store.read("a/there")


def test_an_aborted_upload_leaves_nothing(remote: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service is unavailable for the parts, and available again when the upload is aborted."""

    def parts_lost(number: int, request: object) -> str | None:
        target = getattr(request, "target", "")
        return "request lost" if "partNumber" in target or "comp=block&" in target + "&" else None

    with proxied(remote, monkeypatch, parts_lost, patience=0.5) as server:
        with pytest.raises(PassingError, match="does not respond"):
            create_large(open_store(remote.uri))
        aborted = [request for request in server.seen if request.method == "DELETE" and "uploadId" in request.target]
    plain = open_store(remote.uri)
    assert plain.read("a/made") is None
    assert list(plain.list("a/")) == []
    assert len(aborted) == (1 if remote.scheme == "s3" else 0)  # Azure deletes blocks without a commit by itself
    create_large(plain)


def test_another_writer_during_an_upload_wins(remote: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first writer wins even if it comes between the last check and the commit of another one."""
    plain = open_store(remote.uri)

    def other(number: int, request: object) -> None:
        target, method = getattr(request, "target", ""), getattr(request, "method", "")
        if "comp=blocklist" in target or (method == "POST" and "uploadId" in target):
            assert plain.create("a/made", [b"another's"])

    with proxied(remote, monkeypatch, other) as server:
        assert not open_store(remote.uri).create("a/made", [WHOLE])
    assert plain.read("a/made") == b"another's"
    commits = [
        requested for requested in server.seen if "comp=blocklist" in requested.target or requested.method == "POST"
    ]
    assert commits[-1].header("if-none-match") == "*"


def test_the_service_refuses_a_damaged_part(remote: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service compares checksums, so that no object with other bytes than those sent appears."""
    assert remote.service is not None

    class Damaging(Faults):
        def forward(self, request):
            body = b"?" + request.body[1:] if request.method == "PUT" and request.body else request.body
            return super().forward(type(request)(request.method, request.target, request.headers, body))

    with serving(Damaging(remote.service.address)) as server:
        for name, value in remote.service.at(server.address).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(PassingError, match=r"refuses a request \((Md5Mismatch|XAmzContentSHA256Mismatch)\)"):
            create_small(open_store(remote.uri))
        with pytest.raises(PassingError, match=r"refuses a request \((Md5Mismatch|XAmzContentSHA256Mismatch)\)"):
            create_large(open_store(remote.uri))
    for name, value in remote.environment.items():
        monkeypatch.setenv(name, value)
    assert open_store(remote.uri).read("a/made") is None


def test_aborts_only_uploads_older_than_a_day(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Parts of a killed writer stay in S3; Azure deletes blocks without a commit by itself."""
    from conftest import make_place
    from mosaic_worker.store import remote as module
    from mosaic_worker.store.s3 import open_bucket

    place = make_place("s3", request, monkeypatch)
    bucket = open_bucket(place.uri.split("/")[2], place.environment)
    inside = bucket.begin("a/folder/a/killed", "its-name")
    bucket.put_part("a/folder/a/killed", inside, 0, b"x")
    outside = bucket.begin("elsewhere/killed", "its-name")
    store = open_store(place.uri)
    store.create("a/first", [WHOLE])
    bucket.put_part("a/folder/a/killed", inside, 1, b"still there")
    monkeypatch.setattr(module, "ABANDONED_SECONDS", -60)
    store.create("a/second", [WHOLE])
    with pytest.raises(Exception, match="NoSuchUpload"):
        bucket.put_part("a/folder/a/killed", inside, 1, b"gone")
    bucket.put_part("elsewhere/killed", outside, 0, b"not of this store")


def test_checks_for_an_existing_object_before_a_commit_on_an_older_ceph(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    from conftest import make_place

    place = make_place("s3", request, monkeypatch)
    plain = open_store(place.uri)
    looked: list[str] = []

    def choose(number: int, requested: object) -> Answer | None:
        method, target = getattr(requested, "method", ""), getattr(requested, "target", "")
        getattr(requested, "headers", {}).pop("If-None-Match", None)  # as if the condition were unknown
        if method == "PUT" and "partNumber" in target and not looked:
            looked.append(target)
            plain.create("a/made", [b"another's"])
        return None

    with proxied(place, monkeypatch, choose):
        assert not open_store(place.uri).create("a/made", [WHOLE])
    assert looked
    assert plain.read("a/made") == b"another's"
