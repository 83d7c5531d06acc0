"""A minimal browser for logins: it keeps cookies, sends its origin, and fills in forms."""

import re
from urllib.parse import urljoin

import httpx
from fastapi.testclient import TestClient

_FORM = re.compile(r'<form[^>]* action="([^"]+)"')


class Browser:
    """The browser of one user, for the application and the provider.

    Attributes:
        app: Client of the application; it does not follow redirects.
        provider: Client of all other servers.
    """

    def __init__(self, like: TestClient, public_url: str) -> None:
        headers = {"Origin": public_url, "User-Agent": "a browser of the tests"}
        self.app = TestClient(like.app, base_url=public_url, headers=headers, follow_redirects=False)
        self.app.portal = like.portal
        self.provider = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0))  # no open connections to close
        self._public_url = public_url

    def log_in(self, login: str, target: str = "/") -> httpx.Response:
        """Log in at the provider; return the application's response to the callback."""
        return self.app.get(self.come_back(login, target))

    def come_back(self, login: str, target: str = "/") -> str:
        """The URL of the callback to which the provider redirects the browser."""
        return self.at_provider(self.app.get("/auth/start", params={"target": target}).headers["location"], login)

    def at_provider(self, address: str, login: str) -> str:
        """Follow a URL, log in and consent, until the provider redirects to the application."""
        answer = self.provider.get(address)
        for _ in range(20):
            if answer.is_redirect:
                address = urljoin(str(answer.url), answer.headers["location"])
                if address.startswith(self._public_url):
                    return address
                answer = self.provider.get(address)
            else:
                assert answer.status_code == 200, answer.text
                form = _FORM.search(answer.text)
                assert form, answer.text
                prompt = "login" if 'value="login"' in answer.text else "consent"
                filled = {"prompt": prompt} | ({"login": login, "password": "any"} if prompt == "login" else {})
                answer = self.provider.post(urljoin(str(answer.url), form.group(1)), data=filled)
        raise AssertionError(f"the provider never leads back: {answer.url}")

    def me(self) -> dict[str, object]:
        """The identity with which the browser is logged in."""
        identity: dict[str, object] = self.app.get("/api/v1/me").json()
        return identity
