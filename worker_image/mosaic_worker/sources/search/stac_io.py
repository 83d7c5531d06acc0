"""How pystac-client calls a STAC API: through the client of `http`."""

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
"""Characters of an API's own explanation that are passed on."""

HeadersOf = Callable[[bool], Mapping[str, str]]
"""Gives what is sent with each request, such as a token; told True, a new one, because the last was refused."""


class StacIO(StacApiIO):
    """How pystac-client asks: through our session, with our errors.

    Args:
        url: the landing page of the API.
        where: the field of the request that names it.
        client: asks it.
        headers: gives what is sent with each request to the API's own origin.
    """

    def __init__(self, url: str, where: str, client: Client, headers: HeadersOf) -> None:
        super().__init__(max_retries=None)
        self.session = client.session
        self._url, self._where, self._headers = url, where, headers

    def read_text(self, source: HREF, *arguments: Any, **named: Any) -> str:
        """Ask, where pystac-client would read a file of this machine that a catalogue names."""
        return super().read_text(source) if isinstance(source, Link) else self.request(str(source), *arguments, **named)

    def json_loads(self, txt: str, *_: Any, **__: Any) -> dict[str, Any]:
        """Read an answer by the one reader for JSON from outside.

        Raises:
            ValueError: it is no JSON object, as callers here expect of a reader of JSON.
        """
        try:
            found = parse_json(txt, "the answer")
        except RequestError as error:
            raise ValueError(str(error)) from None
        if not isinstance(found, dict):
            raise ValueError("the answer is no JSON object")
        return found

    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        """The text of an answer.

        Args:
            href: a URL.
            method: GET if None.
            headers: that are sent besides ours.
            parameters: of the query; with POST the body.

        Raises:
            RequestError: the server refuses.
            PassingError: it does not answer.
        """
        method = (method or "GET").upper()
        query, body = (None, parameters) if method == "POST" else (parameters, None)
        own = origin(href) == origin(self._url)  # a link may lead to any server
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
        told = f"{self._where}: the server answered {response.status_code} for {redacted(href)}"
        if response.status_code in RETRYABLE:
            raise PassingError(told)
        raise RequestError(f"{told}{_explanation(response.text)}")


def _explanation(text: str) -> str:
    """What an API says itself of a refusal, in brackets."""
    said = " ".join(text.split())[:EXPLAINED]
    return f" ({said})" if said.isprintable() and said and not said.startswith("<") else ""
