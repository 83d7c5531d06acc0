"""A browser as far as logging in needs one: it keeps cookies, says whence it comes, and fills in forms."""

import re
from urllib.parse import urljoin

import httpx
from fastapi.testclient import TestClient

_FORM = re.compile(r'<form[^>]* action="([^"]+)"')


class Browser:
    """Of one person, at the application and at the provider.

    Attributes:
        app: the application, as this browser reaches it; redirects are not followed.
        provider: whatever else it reaches.
    """

    def __init__(self, like: TestClient, public_url: str) -> None:
        headers = {"Origin": public_url, "User-Agent": "a browser of the tests"}
        self.app = TestClient(like.app, base_url=public_url, headers=headers, follow_redirects=False)
        self.app.portal = like.portal
        self.provider = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0))  # so there is nothing to close
        self._public_url = public_url

    def log_in(self, login: str, target: str = "/") -> httpx.Response:
        """All the way; gives the application's answer to the one who comes back."""
        return self.app.get(self.come_back(login, target))

    def come_back(self, login: str, target: str = "/") -> str:
        """The address by which the provider sends the browser back."""
        return self.at_provider(self.app.get("/auth/start", params={"target": target}).headers["location"], login)

    def at_provider(self, address: str, login: str) -> str:
        """Follow it there, log in and consent, until it leads back to the application."""
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
                requested = "login" if 'value="login"' in answer.text else "consent"
                filled = {"prompt": requested} | ({"login": login, "password": "any"} if requested == "login" else {})
                answer = self.provider.post(urljoin(str(answer.url), form.group(1)), data=filled)
        raise AssertionError(f"the provider never leads back: {answer.url}")

    def me(self) -> dict[str, object]:
        """Who it is logged in as."""
        told: dict[str, object] = self.app.get("/api/v1/me").json()
        return told
