"""Tokens: owners, scopes, expiry, and places where they are refused."""

import re
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from mosaic_api.app import create_app
from mosaic_api.auth.identity import MOST_TOKENS, create_token, named_user
from mosaic_api.database import Audit, Database, Token
from mosaic_api.database.models import now
from mosaic_api.settings import Settings
from sqlalchemy import select

from support.api.clients import Client
from support.browsers.browser import Browser

PUBLIC_URL = "https://mosaics.example.org"
Cookie = Callable[[str], Browser]


def make(client: TestClient, **wanted: object) -> dict:
    answer = client.post("/api/v1/tokens", json={"label": "a program"} | wanted)
    assert answer.status_code == 201, answer.text
    return answer.json()


def with_token(client: TestClient, secret: str, **headers: str) -> TestClient:
    made = TestClient(client.app, base_url=PUBLIC_URL, headers={"Authorization": f"Bearer {secret}"} | headers)
    made.portal = client.portal
    return made


def test_shows_a_token_once_and_stores_its_digest(client: Client, database: Database):
    ann = client("ann")
    made = make(ann, scopes=["write"], days=30)
    assert re.fullmatch(r"mosaic_[\w-]{43}", made["secret"])
    assert with_token(ann, made["secret"]).get("/api/v1/me").json()["name"] == "ann"
    assert made["secret"] not in ann.get("/api/v1/tokens").text
    with database.transaction() as session:
        token = session.scalars(select(Token).where(Token.label == "a program")).one()
        assert len(token.digest) == 64
        assert made["secret"][7:] not in str(vars(token))
        assert (token.expires - token.created).days in {29, 30}
        assert not [each for each in session.scalars(select(Audit)) if made["secret"] in str(each.details)]


def test_a_revoked_or_expired_token_is_invalid(client: Client, database: Database):
    ann = client("ann")
    revoked, expired = make(ann), make(ann)
    assert ann.delete(f"/api/v1/tokens/{revoked['token']['id']}").status_code == 204
    with database.transaction() as session:
        session.get_one(Token, expired["token"]["id"]).expires = now()
    for each in (revoked, expired):
        answer = with_token(ann, each["secret"]).get("/api/v1/me")
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
        assert ann.delete(f"/api/v1/tokens/{revoked['token']['id']}").status_code == 404
    assert [each["label"] for each in ann.get("/api/v1/tokens").json()["tokens"]] == ["test"]


def test_a_token_is_limited_by_its_scopes_and_the_role_of_its_user(client: Client):
    ann, vic = client("ann"), client("vic", "viewer")
    roles = {scope: with_token(ann, make(ann, scopes=[scope])["secret"]) for scope in ("read", "write", "admin")}
    assert {scope: each.get("/api/v1/me").json()["role"] for scope, each in roles.items()} == {
        "read": "viewer",
        "write": "editor",
        "admin": "editor",
    }
    assert with_token(vic, make(vic, scopes=["admin"])["secret"]).get("/api/v1/me").json()["role"] == "viewer"


@pytest.mark.parametrize("scope", ["read", "write"])
def test_a_token_without_the_admin_scope_cannot_manage_tokens(client: Client, scope: str):
    ann = client("ann")
    made = make(ann, scopes=[scope])
    less = with_token(ann, made["secret"])
    assert less.post("/api/v1/tokens", json={"label": "x", "scopes": [scope]}).status_code == 403
    assert less.get("/api/v1/tokens").status_code == 403
    assert less.delete(f"/api/v1/tokens/{made['token']['id']}").status_code == 403


def test_tokens_of_others_look_like_missing_ones(client: Client):
    ann, eve = client("ann"), client("eve", "admin")
    made = make(ann)["token"]["id"]
    nobodys = "00000000-0000-4000-8000-000000000000"
    of_ann, missing = eve.delete(f"/api/v1/tokens/{made}"), eve.delete(f"/api/v1/tokens/{nobodys}")
    assert of_ann.status_code == missing.status_code == 404
    assert of_ann.text.replace(made, "") == missing.text.replace(nobodys, "")
    assert {each["label"] for each in eve.get("/api/v1/tokens").json()["tokens"]} == {"test"}


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"label": ""}, "label"),
        ({"label": "x" * 101}, "label"),
        ({"label": "a\nb"}, "label"),
        ({"scopes": ["session"]}, "scopes[0]"),
        ({"scopes": []}, "scopes"),
        ({"days": 0}, "days"),
        ({"user": "eve"}, "user"),
    ],
)
def test_names_an_invalid_field(client: Client, wanted: dict, field: str):
    answer = client("ann").post("/api/v1/tokens", json={"label": "x"} | wanted)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_limits_the_tokens_of_a_user(client: Client, database: Database):
    ann = client("ann")
    with database.transaction() as session:
        for _ in range(MOST_TOKENS - 1):
            create_token(session, named_user(session, "ann"), "one of many", ["read"], None)
    assert ann.post("/api/v1/tokens", json={"label": "one more"}).status_code == 409


@pytest.mark.parametrize(
    "place", ["/api/v1/me?token={}", "/api/v1/requests?text=a&access_token={}", "/{}", "/login?target=/{}"]
)
def test_refuses_even_a_valid_token_in_a_url(client: Client, place: str):
    ann = client("ann")
    secret = make(ann)["secret"]
    answer = ann.get(place.format(secret))
    assert answer.status_code == 400
    assert "revoke this token" in answer.json()["detail"]
    assert secret not in answer.text


def test_other_authentication_schemes_are_anonymous(client: Client):
    secret = make(client("ann"))["secret"]
    for header in (f"Basic {secret}", secret, "Bearer", "Bearer  ", "bearer"):
        assert client().get("/api/v1/requests", headers={"Authorization": header}).status_code == 401


def test_a_laptop_creates_tokens(laptop: TestClient):
    made = make(laptop, scopes=["read"])
    headers = {"Authorization": f"Bearer {made['secret']}"}
    assert laptop.get("/api/v1/me", headers=headers).json()["role"] == "viewer"


class TestInABrowser:
    """Logging in with a token in a browser."""

    @pytest.fixture
    def log_in(self, client: Client) -> Cookie:
        def made(secret: str) -> Browser:
            browser = Browser(client(), PUBLIC_URL)
            browser.answer = browser.app.post("/login", data={"token": f" {secret}\n", "target": "/?view=1"})
            return browser

        return made

    def test_a_token_logs_a_browser_in(self, client: Client, log_in: Cookie):
        made = make(client("ann"), scopes=["read"])
        browser = log_in(made["secret"])
        assert (browser.answer.status_code, browser.answer.headers["location"]) == (303, "/?view=1")
        assert made["secret"] not in str(browser.answer.headers)
        assert (browser.me()["name"], browser.me()["role"]) == ("ann", "viewer")
        assert browser.app.get("/api/v1/tokens").status_code == 403, "the session has the scopes of the token"

    def test_such_a_session_ends_with_the_token(self, client: Client, log_in: Cookie):
        ann = client("ann")
        made = make(ann)
        browser = log_in(made["secret"])
        assert browser.me()["name"] == "ann"
        ann.delete(f"/api/v1/tokens/{made['token']['id']}")
        assert browser.me()["name"] is None

    def test_such_a_session_ends_before_the_token(self, client: Client, log_in: Cookie):
        ann = client("ann")
        made = make(ann)
        browser, thief = log_in(made["secret"]), Browser(client(), PUBLIC_URL)
        thief.app.cookies.update(dict(browser.app.cookies))
        assert thief.me()["name"] == "ann"
        assert browser.app.post("/logout").headers["location"] == "/login"
        assert thief.me()["name"] is None
        assert with_token(ann, made["secret"]).get("/api/v1/me").status_code == 200

    def test_a_wrong_token_is_refused_and_audited(self, client: Client, log_in: Cookie, database: Database):
        browser = log_in("mosaic_wrong")
        assert browser.answer.status_code == 401
        assert "mosaic_wrong" not in browser.answer.text
        assert browser.me()["name"] is None
        with database.transaction() as session:
            audit = session.scalars(select(Audit)).one()
            assert (audit.action, "mosaic_wrong" in str(audit.details)) == ("failed login", False)

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"Origin": "https://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": "http://mosaics.example.org"}, 403),
            ({"Origin": "https://mosaics.example.org.evil.example"}, 403),
            ({"Origin": "https://evil.example", "Host": "evil.example"}, 403),
            ({"Sec-Fetch-Site": "same-site"}, 403),
            ({}, 403),
            ({"Origin": PUBLIC_URL}, 201),
            ({"Sec-Fetch-Site": "same-origin"}, 201),
        ],
    )
    def test_a_cookie_is_only_valid_from_the_same_origin(
        self, client: Client, log_in: Cookie, headers: dict[str, str], status: int
    ):
        browser = log_in(make(client("ann"), scopes=["admin"])["secret"])
        del browser.app.headers["origin"]
        assert browser.app.post("/api/v1/tokens", json={"label": "x"}, headers=headers).status_code == status

    def test_login_is_disabled_without_a_session_secret(self, settings: Settings):
        tokens_only = Settings(settings.database, settings.store, public_url=PUBLIC_URL)
        with TestClient(create_app(tokens_only), base_url=PUBLIC_URL) as anybody:
            assert anybody.get("/api/v1/me").json()["login_url"] is None
            assert anybody.post("/login", data={"token": "x"}).status_code == 404
            assert anybody.post("/logout", follow_redirects=False).headers["location"] == "/"


def test_anonymous_clients_can_call_nothing_else(client: Client):
    anybody = client()
    described = anybody.app.openapi()["paths"]
    called = {}
    for path, operations in described.items():
        for method in operations:
            place = re.sub(r"\{(?:z|x|y|index)\}", "0", path).replace("{content}", "cog")
            place = re.sub(r"\{[^}]+\}", "00000000-0000-4000-8000-000000000000", place)
            called[method, path] = anybody.request(method, place, params={"lon": 0, "lat": 0}).status_code
    assert len(called) > 30
    assert {called.pop(("get", "/api/v1/me"))} == {200}
    assert {operation: status for operation, status in called.items() if status != 401} == {}
