"""Credentials that are valid, wrong, missing, expired or insufficient; errors explain the problem but hide them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.storage.blob import ContainerSasPermissions, generate_container_sas
from conftest import Place
from mosaic_crds.errors import PassingError
from mosaic_worker.store import Store, open_store
from mosaic_worker.store.address import parse_address

from support.servers import running
from support.servers.faults import Faults
from support.servers.forwarding import Answer, serving

Works = dict[str, Callable[[Store], Any]]
WORKS: Works = {
    "create": lambda store: store.create("a/b", [b"x"]),
    "create large": lambda store: store.create("a/b", [bytes(20_000_000)]),
    "read": lambda store: store.read("a/b"),
    "open": lambda store: store.open("a/b"),
    "list": lambda store: list(store.list("a/")),
    "delete": lambda store: store.delete("a/b"),
}
WRONG = "d3Jvbmctd3Jvbmctd3Jvbmc="


@pytest.fixture(params=["abfss", "az"])
def azure(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place:
    from conftest import make_place

    return make_place(request.param, request, monkeypatch)


def signature(place: Place, *, hours: int = 1, **permissions: bool) -> str:
    """A SAS for the container."""
    key, container = place.environment["AZURE_STORAGE_KEY"], parse_address(place.uri).container
    expiry = datetime.now(UTC) + timedelta(hours=hours)
    allowed = ContainerSasPermissions(**permissions)
    token = generate_container_sas(running.ACCOUNT, container, key, permission=allowed, expiry=expiry)
    assert isinstance(token, str)
    return token


def check_access(place: Place) -> None:
    store = open_store(place.uri)
    assert store.create("a/b", [b"x"])
    assert not store.create("a/b", [b"y"])
    assert store.read("a/b") == b"x"
    assert [stored.key for stored in store.list("a/")] == ["a/b"]
    store.delete("a/b")
    assert store.read("a/b") is None


@pytest.mark.parametrize("work", WORKS.values(), ids=WORKS)
def test_reports_wrong_credentials(
    remote: Place, monkeypatch: pytest.MonkeyPatch, work: Callable[[Store], Any]
) -> None:
    variable = "AWS_SECRET_ACCESS_KEY" if remote.scheme == "s3" else "AZURE_STORAGE_KEY"
    monkeypatch.setenv(variable, WRONG)
    with pytest.raises(PassingError) as caught:
        work(open_store(remote.uri))
    sentence = str(caught.value)
    assert f"the store {remote.uri}/ refuses the credentials (" in sentence
    assert variable in sentence
    assert "finished tiles are kept" in sentence
    assert not [value for value in (WRONG, *secrets_of(remote)) if value in sentence]


def secrets_of(place: Place) -> list[str]:
    return [value for name, value in place.environment.items() if name.endswith(("KEY", "KEY_ID"))]


def test_reports_an_unknown_key_of_s3(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    from conftest import make_place

    place = make_place("s3", request, monkeypatch)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "unknown")
    with pytest.raises(PassingError, match=r"refuses the credentials \((InvalidAccessKeyId|XAdminUserNotFound)\)"):
        open_store(place.uri).read("a")


def test_reports_missing_credentials(remote: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error comes quickly, without waiting for the metadata services of clouds."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AZURE_STORAGE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    if remote.scheme != "s3":
        with pytest.raises(PassingError, match=r"there are no credentials for the store at 127\.0\.0\.1"):
            open_store(remote.uri)
        monkeypatch.delenv("AZURE_STORAGE_SERVICE_ENDPOINT")
    with pytest.raises(PassingError, match=r"there are no credentials for the store .* \(\w+\); set (AWS|AZURE)_"):
        open_store(remote.uri).read("a")


def test_finds_credentials_of_a_profile(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    from conftest import make_place

    place = make_place("s3", request, monkeypatch)
    lines = [f"{name.lower()} = {place.environment[name]}" for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")]
    (tmp_path / "credentials").write_text("\n".join(["[mine]", *lines, ""]))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "mine")
    check_access(place)


def test_a_signature_is_sufficient(azure: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_KEY")
    token = signature(azure, read=True, write=True, create=True, list=True, delete=True)
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", f"?{token}")
    check_access(azure)


@pytest.mark.parametrize("kind", ["key", "signature"])
def test_a_connection_string_is_sufficient(azure: Place, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    endpoint = azure.environment["AZURE_STORAGE_SERVICE_ENDPOINT"]
    for name in ("AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_SERVICE_ENDPOINT"):
        monkeypatch.delenv(name)
    token = signature(azure, read=True, write=True, create=True, list=True, delete=True)
    credential = {
        "key": f"AccountName={running.ACCOUNT};AccountKey={azure.environment['AZURE_STORAGE_KEY']}",
        "signature": f"SharedAccessSignature={token}",
    }[kind]
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", f"{credential};BlobEndpoint={endpoint}")
    check_access(azure)


def test_reports_an_expired_signature_and_continues_with_a_new_one(
    azure: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = {"read": True, "write": True, "create": True, "list": True, "delete": True}
    monkeypatch.delenv("AZURE_STORAGE_KEY")
    expired = signature(azure, hours=-1, **everything)
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", expired)
    for work in WORKS.values():
        with pytest.raises(PassingError, match=r"refuses the credentials .* have not expired") as caught:
            work(open_store(azure.uri))
        assert expired.partition("sig=")[2] not in str(caught.value)
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", signature(azure, **everything))
    check_access(azure)


def test_reports_a_read_only_signature_on_writing(azure: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    open_store(azure.uri).create("a/there", [b"x"])
    monkeypatch.delenv("AZURE_STORAGE_KEY")
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", signature(azure, read=True))
    assert open_store(azure.uri).read("a/there") == b"x"
    with pytest.raises(PassingError, match=r"refuses the credentials .* allow to read, write, list and delete"):
        open_store(azure.uri).create("a/b", [b"x"])


def test_reports_a_missing_container(remote: Place) -> None:
    container = parse_address(remote.uri).container
    store = open_store(remote.uri.replace(container, "nobody-made-this"))
    kind = {"s3": "bucket", "az": "container", "abfss": "file system"}[remote.scheme]
    for name in ("create", "read", "list"):
        with pytest.raises(PassingError, match=f"has no {kind} 'nobody-made-this'; create it and run again"):
            WORKS[name](store)


def test_reports_an_expired_token(remote: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """No server here issues tokens that expire, so the response is one recorded from AWS and Azure."""
    status, code = (400, "ExpiredToken") if remote.scheme == "s3" else (401, "InvalidAuthenticationInfo")
    expired = Answer(status, {"x-ms-error-code": code}, f"<Error><Code>{code}</Code></Error>".encode())
    assert remote.service is not None
    with serving(Faults(remote.service.address, lambda number, request: expired if number > 1 else None)) as server:
        for name, value in remote.service.at(server.address).items():
            monkeypatch.setenv(name, value)
        store = open_store(remote.uri)
        assert store.create("a/first", [b"x"])
        assert store.read("a/first") == b"x"
        with pytest.raises(PassingError, match=rf"refuses the credentials \({code}\); .* have not expired"):
            store.create("a/second", [b"x"])
