"""`mosaic serve` on a shared machine: other users can connect, but not get in."""

import fcntl
import re
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from mosaic_api.app import create_app
from mosaic_api.auth.local_token import announced, found_token, token_of
from mosaic_api.dependencies import credentials
from mosaic_api.settings import Settings
from starlette.requests import Request

TOKEN = "a-token-that-nobody-guesses-0123456789abcdef"
URL = "http://127.0.0.1:8080"


@pytest.fixture
def anybody(database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    """A client of another user who knows no token."""
    own = Settings(database_url, str(tmp_path / "store"), single_user=True, local_token=TOKEN)
    with TestClient(create_app(own), base_url=URL, follow_redirects=False) as client:
        yield client


def test_refuses_reading_and_writing_without_a_token(anybody: TestClient):
    assert anybody.get("/api/v1/requests").status_code == 401
    assert anybody.get("/api/v1/me").json()["role"] is None
    point = {"kind": "point", "name": "x", "longitude": 1, "latitude": 1}
    assert anybody.post("/api/v1/datasets", json=point).status_code == 401
    for wrong in ("x" * len(TOKEN), "", "ä"):
        headers = {"Authorization": f"Bearer {wrong}".encode()}
        assert anybody.get("/api/v1/requests", headers=headers).status_code == 401
    assert anybody.get("/healthz").status_code == 200
    assert anybody.get("/readyz").status_code == 200


def test_the_page_says_where_to_find_its_link(anybody: TestClient):
    page = anybody.get("/")
    assert page.status_code == 401
    assert "<code>mosaic serve</code>" in page.text
    assert TOKEN not in page.text
    assert "not the token" in anybody.get("/?token=wrong").text


def test_the_link_logs_a_browser_in_and_removes_the_token_from_the_url(anybody: TestClient):
    entered = anybody.get(f"/?token={TOKEN}&panel=data")
    assert (entered.status_code, entered.headers["location"]) == (303, "/?panel=data")
    assert entered.headers["referrer-policy"] == "same-origin"
    ((name, cookie),) = SimpleCookie(entered.headers["set-cookie"]).items()
    assert name == "mosaic-8080"
    assert cookie["httponly"]
    assert cookie["samesite"] == "lax"
    assert TOKEN not in cookie.value
    assert anybody.get("/").status_code == 200
    assert anybody.get("/api/v1/requests").status_code == 200


def test_a_cookie_is_only_valid_for_its_port(anybody: TestClient):
    anybody.get(f"/?token={TOKEN}")
    value = anybody.cookies["mosaic-8080"]
    anybody.cookies.clear()
    headers = {"Host": "127.0.0.1:9090", "Cookie": f"mosaic-9090={value}"}
    assert anybody.get("/api/v1/requests", headers=headers).status_code == 401


def test_refuses_other_sites_and_host_names_with_a_cookie(anybody: TestClient):
    anybody.get(f"/?token={TOKEN}")
    point = {"kind": "point", "name": "x", "longitude": 1, "latitude": 1}
    for headers in ({"Origin": "http://127.0.0.1:9090"}, {"Sec-Fetch-Site": "same-site"}, {}):
        assert anybody.post("/api/v1/datasets", json=point, headers=headers).status_code == 403
    assert anybody.post("/api/v1/datasets", json=point, headers={"Origin": URL}).status_code == 201
    rebound = anybody.get(f"/?token={TOKEN}", headers={"Host": "evil.example:8080"})
    assert rebound.status_code == 403


def test_accepts_the_token_in_the_header(anybody: TestClient):
    assert anybody.get("/api/v1/me", headers={"Authorization": f"Bearer {TOKEN}"}).json()["role"] == "admin"


def test_cached_credentials_differ_between_callers():
    scope = {"type": "http", "headers": [(b"host", b"127.0.0.1:8080"), (b"cookie", b"mosaic-8080=x")], "path": "/",
             "server": ("127.0.0.1", 8080), "scheme": "http", "query_string": b""}  # fmt: skip
    with_cookie, without = Request(scope), Request(scope | {"headers": scope["headers"][:1]})
    assert credentials(with_cookie) != credentials(without)


def test_keeps_the_token_private_and_replaces_an_exposed_one(tmp_path: Path):
    token = token_of(tmp_path)
    assert re.fullmatch(r"[\w-]{43}", token)
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert token_of(tmp_path) == token
    (tmp_path / "token").chmod(0o644)
    assert token_of(tmp_path) != token
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600


def test_commands_find_the_token_of_a_running_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with announced(8080, TOKEN):
        kept = tmp_path / ".config/mosaic/local/8080"
        assert kept.stat().st_mode & 0o777 == 0o600
        assert found_token(URL) == found_token("http://localhost:8080") == TOKEN
        assert found_token("http://127.0.0.1:9090") is None
        assert found_token("http://example.org:8080") is None
    assert found_token(URL) is None
    kept.write_text(TOKEN)  # as after a crash; another program may use the port now
    assert found_token(URL) is None
    with kept.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert found_token(URL) == TOKEN
