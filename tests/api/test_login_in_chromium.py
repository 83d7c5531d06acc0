"""Logging in and out in a real Chromium: policy, cookies and forms together."""

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from mosaic_api.app import create_app
from mosaic_api.auth.identity import create_token, named_user
from mosaic_api.database import Database
from mosaic_api.settings import Oidc, Settings
from playwright.sync_api import Page, expect, sync_playwright

from support.ports import LOOPBACK, free_port
from support.servers import running

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
PERSON = "ann"


@dataclass(frozen=True)
class Site:
    """The application as browsers reach it, with another host name than the provider."""

    address: str
    provider: str


@pytest.fixture
def site(settings: Settings, tmp_path: Path) -> Iterator[Site]:
    if reason := running.missing("openid"):
        pytest.skip(reason)
    port = free_port()
    address = f"http://localhost:{port}"
    folder = tmp_path / "openid"
    folder.mkdir()
    with running.openid_provider(folder, [f"{address}/auth/callback"], [f"{address}/login"]) as openid:
        openid.know(PERSON, preferred_username="Ann", groups=["staff"])
        oidc = Oidc(
            openid.issuer, openid.client_id, openid.client_secret, "openid profile groups", roles={"staff": "editor"}
        )
        app = create_app(replace(settings, public_url=address, oidc=oidc))
        server = uvicorn.Server(uvicorn.Config(app, host=LOOPBACK, port=port, log_config=None))
        thread = threading.Thread(target=server.run)
        thread.start()
        deadline = time.monotonic() + 30
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.02)
        yield Site(address, openid.issuer)
        server.should_exit = True
        thread.join()


@pytest.fixture
def page(site: Site) -> Iterator[Page]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not there")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context(base_url=site.address)
        yield context.new_page()
        browser.close()


def me(page: Page) -> dict:
    return page.evaluate("fetch('/api/v1/me').then((answer) => answer.json())")


def log_out(page: Page) -> None:
    """Submit the form of the page's log-out button."""
    page.evaluate(
        """() => {
            const form = Object.assign(document.createElement("form"), { method: "post", action: "/logout" });
            document.body.append(form);
            form.submit();
        }"""
    )


def test_logs_in_and_out_at_the_provider(page: Page, site: Site):
    page.goto("/login?target=/api/v1/me%3Fx%3D1")
    page.get_by_role("link", name=f"Log in with {urlsplit(site.provider).netloc}").click()
    page.get_by_placeholder("Enter any login").fill(PERSON)
    page.get_by_placeholder("and password").fill("any")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()
    expect(page).to_have_url(f"{site.address}/api/v1/me?x=1")
    assert (me(page)["name"], me(page)["role"]) == ("Ann", "editor")
    assert page.evaluate("document.cookie") == "", "scripts see no cookie"
    page.goto("/login")
    log_out(page)
    page.get_by_role("button", name="Yes, sign me out").click()
    expect(page).to_have_url(re.compile(re.escape(f"{site.address}/login")))
    assert me(page)["name"] is None


def test_logs_in_with_a_token_and_reports_an_invalid_one(page: Page, database: Database, site: Site):
    with database.transaction() as session:
        _, secret = create_token(session, named_user(session, "bob"), "test", ["write"], None)
    page.goto("/login?target=/healthz")
    page.get_by_label("Token").fill("mosaic_wrong")
    page.get_by_label("Token").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("the token is invalid")
    page.get_by_label("Token").fill(secret)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{site.address}/healthz")
    assert me(page)["name"] == "bob"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible_and_respects_its_policy(page: Page, scheme: str):
    messages = []
    page.on("console", lambda message: messages.append(message.text))
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 360, "height": 640})
    page.goto("/auth/callback?error=access_denied")
    expect(page.get_by_role("alert")).to_contain_text("did not succeed (access_denied)")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link")).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert not [each for each in messages if "Content Security Policy" in each]
    found = Axe().run(page)  # axe itself violates the policy
    assert found.violations_count == 0, found.generate_report()
