"""Connects pystac-client to the client of `http`."""

from collections.abc import Callable, Mapping
from typing import Any

from mosaic_crds.errors import PassingError, RequestError
from mosaic_crds.json_input import parse_json
from pystac import Link
from pystac.utils import HREF
from pystac_client.stac_api_io import StacApiIO

from mosaic_worker.sources.access.gate import origin, redacted
from mosaic_worker.sources.http.client import Client, at_field
from mosaic_worker.sources.http.retries import RETRYABLE

UNAUTHORIZED = 401
EXPLAINED = 300
"""Maximum characters of the explanation of an API in a message."""

HeadersOf = Callable[[bool], Mapping[str, str]]
"""Returns the headers of each request, such as a token; with True a new one, because the last was rejected."""


class StacIO(StacApiIO):
    """Sends the requests of pystac-client with our session, and raises our errors.

    Args:
        url: the landing page of the API.
        where: the field of the request that names it.
        client: has the session.
        headers: returns the headers of each request to the origin of the API.
    """

    def __init__(self, url: str, where: str, client: Client, headers: HeadersOf) -> None:
        super().__init__(max_retries=None)
        self.session = client.session
        self._url, self._where, self._headers = url, where, headers

    def read_text(self, source: HREF, *arguments: Any, **named: Any) -> str:
        """Send a request, also if a catalogue names a local file."""
        return super().read_text(source) if isinstance(source, Link) else self.request(str(source), *arguments, **named)

    def json_loads(self, txt: str, *_: Any, **__: Any) -> dict[str, Any]:
        """Parse a response with the reader for JSON from outside.

        Raises:
            ValueError: it is not a JSON object.
        """
        try:
            found = parse_json(txt, "the response")
        except RequestError as error:
            raise ValueError(str(error)) from None
        if not isinstance(found, dict):
            raise ValueError("the response is not a JSON object")
        return found

    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        """The text of a response.

        Args:
            href: a URL.
            method: GET if None.
            headers: additional headers.
            parameters: the query; with POST the body.

        Raises:
            RequestError: the server refuses.
            PassingError: it does not respond.
        """
        method = (method or "GET").upper()
        query, body = (None, parameters) if method == "POST" else (parameters, None)
        own = origin(href) == origin(self._url)  # a link can be to any server
        for fresh in (False, True):
            ours = self._headers(fresh) if own else {}
            with at_field(self._where):
                response = self.session.request(
                    method, href, headers={**(headers or {}), **ours}, params=query, json=body
                )
            if response.ok:
                return str(response.text)
            if response.status_code != UNAUTHORIZED or not ours:
                break
        problem = f"{self._where}: the server answered {response.status_code} for {redacted(href)}"
        if response.status_code in RETRYABLE:
            raise PassingError(problem)
        raise RequestError(f"{problem}{_explanation(response.text)}")


def _explanation(text: str) -> str:
    """The explanation of an API, in parentheses."""
    plain = " ".join(text.split())[:EXPLAINED]
    return f" ({plain})" if plain.isprintable() and plain and not plain.startswith("<") else ""
