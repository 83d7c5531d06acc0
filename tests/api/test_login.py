"""Login with a real OpenID provider: users, roles, sessions and attacks."""

import json
import logging
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient
from mosaic_api.app import create_app
from mosaic_api.auth.identity import named_user
from mosaic_api.auth.oidc import own_path, role_of
from mosaic_api.database import Audit, Database, Token, User
from mosaic_api.settings import Oidc, Settings
from sqlalchemy import select

from support.api.forger import Forger
from support.browsers.browser import Browser
from support.servers import running
from support.servers.forwarding import serving

PUBLIC_URL = "https://mosaics.example.org"
Browsers = Callable[[], Browser]


def person(openid: running.OpenId, name: str, *groups: str) -> str:
    """A user whom the provider knows, and who has never logged in here."""
    login = uuid.uuid4().hex
    openid.know(login, preferred_username=name, groups=list(groups))
    return login


def test_a_user_gets_the_role_of_the_highest_group(browsers: Browsers, openid: running.OpenId):
    browser = browsers()
    assert browser.me() == {"name": None, "role": None, "single_user": False, "login_url": "/login"}
    answer = browser.log_in(person(openid, "ann", "staff", "mosaic-admins", "others"), "/?view=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?view=1")
    assert browser.me() == {"name": "ann", "role": "admin", "single_user": False, "login_url": None}


def test_recognizes_a_user_and_updates_the_role(browsers: Browsers, openid: running.OpenId, database: Database):
    login = person(openid, "ann", "staff")
    browsers().log_in(login)
    openid.know(login, preferred_username="ann of the north", groups=[])
    again = browsers()
    again.log_in(login)
    assert (again.me()["name"], again.me()["role"]) == ("ann", "viewer")
    with database.transaction() as session:
        assert [user.subject for user in session.scalars(select(User))] == [f"{openid.issuer}|{login}"]


def test_users_with_the_same_name_have_separate_accounts(
    browsers: Browsers, openid: running.OpenId, database: Database
):
    with database.transaction() as session:
        ann = named_user(session, "ann", "admin").id
    browser = browsers()
    browser.log_in(person(openid, "ann", "staff"))
    assert (browser.me()["name"], browser.me()["role"]) == ("ann 2", "editor")
    other = browsers()
    other.log_in(person(openid, "ann\u0000\u202e"))
    assert other.me()["name"] == "ann 3"
    with database.transaction() as session:
        assert session.get_one(User, ann).subject is None


def of_the_test(record: logging.LogRecord) -> bool:
    """Whether a client of the test wrote the log record."""
    to_the_application = record.name == "httpx2" and PUBLIC_URL in record.getMessage()
    return to_the_application or record.name == "httpx" or record.name.startswith("httpcore.")


def test_the_authorization_request_binds_the_response_to_the_browser(browsers: Browsers):
    address = browsers().app.get("/auth/start", headers={"Host": "evil.example"}).headers["location"]
    parameters = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert parameters["redirect_uri"] == f"{PUBLIC_URL}/auth/callback"
    assert (parameters["response_type"], parameters["code_challenge_method"]) == ("code", "S256")
    assert min(len(parameters[name]) for name in ("state", "nonce", "code_challenge")) >= 20


def test_refuses_a_callback_of_another_browser(browsers: Browsers, openid: running.OpenId):
    victim, attacker = browsers(), browsers()
    address = attacker.come_back(person(openid, "eve", "staff"))
    assert victim.app.get(address).status_code == 401
    victim.app.get("/auth/start")
    assert victim.app.get(address).status_code == 401
    assert victim.me()["name"] is None


def test_accepts_a_callback_once(browsers: Browsers, openid: running.OpenId):
    browser = browsers()
    address = browser.come_back(person(openid, "ann", "staff"))
    before = dict(browser.app.cookies)
    assert browser.app.get(address).status_code == 303
    assert browser.app.get(address).status_code == 401
    again = browsers()
    again.app.cookies.update(before)  # the cookies from before the callback
    assert again.app.get(address).status_code == 401, "the provider accepts a code once"


@pytest.mark.parametrize(
    "change", ["code=wrong&state={state}", "code={code}&state=wrong", "code={code}", "state={state}"]
)
def test_refuses_a_changed_callback(browsers: Browsers, openid: running.OpenId, change: str):
    browser = browsers()
    address = urlsplit(browser.come_back(person(openid, "ann", "staff")))
    given = {name: values[0] for name, values in parse_qs(address.query).items()}
    answer = browser.app.get(f"{address.path}?{change.format(**given)}")
    assert answer.status_code == 401
    assert browser.me()["name"] is None


def test_does_not_repeat_text_from_the_callback_url(browsers: Browsers):
    answer = browsers().app.get("/auth/callback?error=<b>Call+555&error_description=<i>now")
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("text/html")
    assert "555" not in answer.text
    assert "now" not in answer.text


def test_refuses_users_without_a_role(settings: Settings, oidc: Oidc, openid: running.OpenId):
    closed = replace(settings, oidc=replace(oidc, default_role="none"))
    with TestClient(create_app(closed), base_url=PUBLIC_URL) as anybody:
        stranger, member = Browser(anybody, PUBLIC_URL), Browser(anybody, PUBLIC_URL)
        answer = stranger.log_in(person(openid, "eve", "others"))
        assert answer.status_code == 403
        assert "none of your groups" in answer.text
        assert stranger.me()["name"] is None
        assert member.log_in(person(openid, "ann", "staff")).status_code == 303


def test_a_wrong_client_secret_fails_the_login(settings: Settings, oidc: Oidc, openid: running.OpenId):
    wrong = replace(settings, oidc=replace(oidc, client_secret="wrong" * 8))
    with TestClient(create_app(wrong), base_url=PUBLIC_URL) as anybody:
        browser = Browser(anybody, PUBLIC_URL)
        answer = browser.log_in(person(openid, "ann", "staff"))
        assert answer.status_code == 401
        assert "invalid_client" in answer.text
        assert browser.me()["name"] is None


@pytest.fixture(scope="module")
def forger(openid: running.OpenId) -> Iterator[Forger]:
    made = Forger(urlsplit(openid.issuer).netloc, openid.client_secret)
    with serving(made):
        yield made


@pytest.mark.parametrize(
    ("changed", "signed", "status"),
    [
        ({}, "RS256", 303),
        ({}, "stranger", 401),
        ({}, "none", 401),
        ({}, "HS256", 401),
        ({"aud": "another"}, "RS256", 401),
        ({"aud": "another", "azp": "{client_id}"}, "RS256", 401),
        ({"aud": ["another", "{client_id}"], "azp": "another"}, "RS256", 401),
        ({"iss": "https://id.example.org"}, "RS256", 401),
        ({"nonce": "another"}, "RS256", 401),
        ({"exp": 1}, "RS256", 401),
        ({"iat": 4e9}, "RS256", 401),
    ],
)
def test_refuses_invalid_id_tokens(
    settings: Settings, oidc: Oidc, openid: running.OpenId, forger: Forger, changed: dict, signed: str, status: int
):
    forger.changed = json.loads(json.dumps(changed).replace("{client_id}", openid.client_id))
    forger.signed = signed
    forged = replace(settings, oidc=replace(oidc, issuer=f"http://{forger.address}"))
    with TestClient(create_app(forged), base_url=PUBLIC_URL) as anybody:
        browser = Browser(anybody, PUBLIC_URL)
        assert browser.log_in(person(openid, "ann", "staff")).status_code == status
        assert (browser.me()["name"] is None) == (status != 303)


@pytest.mark.parametrize("issuer", ["http://127.0.0.1:1", "{issuer}/elsewhere"])
def test_reports_a_provider_that_does_not_respond(settings: Settings, oidc: Oidc, issuer: str):
    away = replace(settings, oidc=replace(oidc, issuer=issuer.format(issuer=oidc.issuer)))
    with TestClient(create_app(away), base_url=PUBLIC_URL) as anybody:
        answer = Browser(anybody, PUBLIC_URL).app.get("/auth/start")
        assert answer.status_code == 503
        assert "does not answer correctly" in answer.text


def test_refuses_a_provider_with_another_issuer(settings: Settings, oidc: Oidc):
    other = replace(settings, oidc=replace(oidc, issuer=oidc.issuer.replace("127.0.0.1", "localhost")))
    with TestClient(create_app(other), base_url=PUBLIC_URL) as anybody:
        answer = Browser(anybody, PUBLIC_URL).app.get("/auth/start")
        assert answer.status_code == 503
        assert "names itself" in answer.text


def test_a_login_starts_a_new_session_with_a_protected_cookie(browsers: Browsers, openid: running.OpenId):
    browser = browsers()
    browser.app.get("/auth/start")
    before = browser.app.cookies["__Host-mosaic"]
    answer = browser.log_in(person(openid, "ann", "staff"))
    flags = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert {"httponly", "secure", "samesite=lax", "path=/"} <= flags
    assert not any(flag.startswith("domain") for flag in flags)
    fixed = browsers()
    fixed.app.cookies.set("__Host-mosaic", before)
    assert fixed.me()["name"] is None, "the cookie from before the login is not a session"


def test_ignores_a_forged_cookie(browsers: Browsers, openid: running.OpenId):
    browser = browsers()
    browser.log_in(person(openid, "ann", "staff"))
    cookie = browser.app.cookies["__Host-mosaic"]
    for place in (0, len(cookie) // 2, len(cookie) - 2):
        forged = browsers()
        forged.app.cookies.set(
            "__Host-mosaic", cookie[:place] + ("A" if cookie[place] != "A" else "B") + cookie[place + 1 :]
        )
        assert forged.me()["name"] is None
    for nonsense in ("", "null", "a.b.c", "\u00e9" * 10):
        assert (
            browsers().app.get("/api/v1/me", headers={"Cookie": f"__Host-mosaic={nonsense}".encode()}).status_code
            == 200
        )


def test_a_copied_cookie_is_invalid_after_logging_out(browsers: Browsers, openid: running.OpenId):
    browser, thief = browsers(), browsers()
    browser.log_in(person(openid, "ann", "staff"))
    thief.app.cookies.update(dict(browser.app.cookies))
    assert thief.me()["name"] == "ann"
    answer = browser.app.post("/logout")
    assert answer.status_code == 303
    assert (browser.me()["name"], thief.me()["name"]) == (None, None)
    leave = browser.provider.get(answer.headers["location"])
    assert "sign-out from" in leave.text, leave.text
    assert "post_logout_redirect_uri" in answer.headers["location"]


def test_disabling_a_user_ends_all_access_immediately(browsers: Browsers, openid: running.OpenId, database: Database):
    browser, admin = browsers(), browsers()
    login = person(openid, "ann", "staff")
    browser.log_in(login)
    admin.log_in(person(openid, "ada", "mosaic-admins"))
    made = browser.app.post("/api/v1/tokens", json={"label": "mine"}).json()
    people = {user["name"]: user["id"] for user in admin.app.get("/api/v1/users").json()["users"]}
    assert browser.app.get("/api/v1/users").status_code == 403
    changed = admin.app.patch(f"/api/v1/users/{people['ann']}", json={"disabled": True})
    assert changed.json()["disabled"] is True
    assert browser.me()["name"] is None
    bearer = {"Authorization": f"Bearer {made['secret']}"}
    assert browsers().app.get("/api/v1/me", headers=bearer).status_code == 401
    refused = browsers().log_in(login)
    assert refused.status_code == 403
    assert admin.app.patch(f"/api/v1/users/{people['ada']}", json={"role": "viewer"}).status_code == 409


def test_lists_logins_among_the_tokens_and_revokes_them(browsers: Browsers, openid: running.OpenId):
    login = person(openid, "ann", "staff")
    at_work, at_home = browsers(), browsers()
    at_work.log_in(login)
    at_home.log_in(login)
    listed = at_home.app.get("/api/v1/tokens").json()["tokens"]
    assert [(each["label"], each["scopes"]) for each in listed] == [("login: a browser of the tests", ["session"])] * 2
    assert at_home.app.delete(f"/api/v1/tokens/{listed[1]['id']}").status_code == 204
    assert (at_work.me()["name"], at_home.me()["name"]) == (None, "ann")


def test_deletes_ended_logins(browsers: Browsers, openid: running.OpenId, database: Database):
    login = person(openid, "ann", "staff")
    for _ in range(3):
        browser = browsers()
        browser.log_in(login)
        browser.app.post("/logout")
    with database.transaction() as session:
        assert len(session.scalars(select(Token)).all()) == 1


def test_audits_logins_without_secrets(
    browsers: Browsers, openid: running.OpenId, oidc: Oidc, database: Database, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("DEBUG")
    browser = browsers()
    address = browser.come_back(person(openid, "ann", "staff"))
    browser.app.get(address.replace("state=", "state=x"))
    address = browser.come_back("anybody")
    browser.app.get(address)
    cookie = browser.app.cookies["__Host-mosaic"]
    browser.app.get("/api/v1/me", headers={"Authorization": "Bearer mosaic_a-token-that-is-not-valid"})
    browser.app.post("/logout")
    with database.transaction() as session:
        audits = session.scalars(select(Audit).order_by(Audit.id)).all()
        given = str([(each.action, each.subject, each.details) for each in audits])
    assert [each.action for each in audits] == ["failed login", "become known", "log in", "log out"]
    code = parse_qs(urlsplit(address).query)["code"][0]
    output = given + "\n".join(record.getMessage() for record in caplog.records if not of_the_test(record))
    assert "invalid token from testclient" in output
    for secret in (oidc.client_secret, code, cookie, "a-token-that-is-not-valid"):
        assert secret not in output


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/a\r\nSet-Cookie: x=1",
        "",
    ],
)
def test_does_not_redirect_to_other_sites_after_the_login(browsers: Browsers, openid: running.OpenId, target: str):
    answer = browsers().log_in(person(openid, "ann", "staff"), target)
    assert answer.headers["location"] == "/"
    assert own_path(target) == "/"


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"groups": "staff"}, "editor"),
        ({"groups": ["staff", 1, None, ["mosaic-admins"]]}, "editor"),
        ({"groups": {"mosaic-admins": 1}}, "viewer"),
        ({}, "viewer"),
    ],
)
def test_roles_are_read_from_lists_and_single_names(claims: dict, role: str):
    roles = {"mosaic-admins": "admin", "staff": "editor"}
    assert role_of(Oidc("https://id.example.org", "mosaic", roles=roles), claims) == role


def test_login_pages_and_errors_have_security_headers(browsers: Browsers, openid: running.OpenId):
    app = browsers().app
    refused = {"Origin": "https://evil.example"}
    answers = [app.get("/login"), app.get("/auth/callback"), app.post("/login"), app.post("/logout", headers=refused)]
    assert [answer.status_code for answer in answers] == [200, 401, 401, 403]
    for answer in answers:
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'self'"
        assert policy["form-action"] == f"'self' {openid.issuer}", "logging out redirects there"
        assert (policy["frame-ancestors"], answer.headers["x-frame-options"]) == ("'none'", "DENY")
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert "evil" not in answer.text
    assert answers[0].headers["cache-control"] == "no-store"


def test_the_login_page_names_the_provider_and_keeps_the_target(browsers: Browsers, openid: running.OpenId):
    text = browsers().app.get("/login", params={"target": '/?x="><script>'}).text
    assert f"Log in with {urlsplit(openid.issuer).netloc}" in text
    assert "<script>" not in text
    assert "style=" not in text


def test_a_laptop_has_no_login(laptop: TestClient):
    assert laptop.get("/login", follow_redirects=False).headers["location"] == "/"
    assert laptop.post("/login", data={"token": "x"}).status_code == 404
    assert laptop.get("/auth/start").status_code == 404
    assert laptop.get("/api/v1/me").json() == {"name": "me", "role": "admin", "single_user": True, "login_url": None}
