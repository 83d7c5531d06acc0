"""Requests on a server, through its REST API."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
from mosaic_crds.errors import PassingError, RequestError
from mosaic_crds.files import BY_NAME
from mosaic_crds.json_input import LARGEST_JSON, parse_json

from mosaic_api.commands.backends.base import RequestInfo, retried, unknown

TIMEOUT = httpx2.Timeout(30, read=60)
"""Seconds; an event stream sends something every 15."""


class RestBackend:
    """The requests of a server."""

    def __init__(self, url: str, token: str | None, advice: str = "check its address") -> None:
        """Prepare the client; no call is made yet.

        The token is sent to no other host. `advice` says what the user can do if the server does not respond.

        Raises:
            RequestError: the URL is not valid.
        """
        self._url, self._advice = url.rstrip("/"), advice
        if not self._url.startswith(("http://", "https://")):
            raise RequestError(f"invalid server URL {url!r}; expected https://host")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx2.Client(base_url=f"{self._url}/api/v1", headers=headers, timeout=TIMEOUT)

    def submit(self, name: str, spec: dict[str, Any]) -> RequestInfo:
        """Create a request."""
        return _info(self._call("POST", "/requests", json={"name": name, "spec": spec}))

    def find(self, name: str) -> RequestInfo:
        """Return the request with a name or an id."""
        try:
            return _info(self._call("GET", f"/requests/{uuid.UUID(name)}"))
        except ValueError:
            found = [request for request in self._pages(text=name) if request.name == name]
        if not found:
            raise unknown(name)
        return found[0]

    def list_requests(self) -> list[RequestInfo]:
        """Return the last requests, newest first."""
        return [_info(each) for each in self._call("GET", "/requests")["requests"]]

    def watch(self, request: RequestInfo) -> Iterator[RequestInfo]:
        """Return a request each time it changes; RequestError if it is deleted."""

        def watch_once() -> Iterator[RequestInfo]:
            for kind, data in self._events(f"/requests/{request.id}/events"):
                if kind == "removed":
                    raise RequestError(f"{request.name} was deleted")
                yield _info(data)

        return retried(watch_once)

    def cancel(self, request: RequestInfo) -> None:
        """Cancel a request."""
        self._call("POST", f"/requests/{request.id}/cancel")

    @contextmanager
    def read_file(self, request: RequestInfo, file: str, start: int) -> Iterator[Iterator[bytes]]:
        """Return a file of the mosaic in pieces, from a byte on."""
        path = f"/requests/{request.id}/files/{BY_NAME[file].key}"
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        with self._stream(path, headers) as response:
            if start and response.status_code != httpx2.codes.PARTIAL_CONTENT:
                raise PassingError(f"{self._url} cannot resume {file}: delete the .part file and try again")
            yield response.iter_raw()

    def _pages(self, **filters: str) -> Iterator[RequestInfo]:
        address: str | None = str(httpx2.URL("/requests", params=filters | {"limit": "200"}))
        while address:
            page = self._call("GET", address)
            yield from map(_info, page["requests"])
            address = page["next"] and self._own(page["next"])

    def _own(self, address: str) -> str:
        """The path of the next page; the token is sent to no other host, even if the server names one."""
        url = httpx2.URL(address)
        if url.is_absolute_url or url.host:
            raise PassingError(f"{self._url} names another server for the next page")
        return address.removeprefix("/api/v1")

    def _events(self, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The Server-Sent Events of a path: the kind of each, and its data."""
        with self._stream(path, {"Accept": "text/event-stream"}) as response:
            for event in httpx2.EventSource(response, LARGEST_JSON):
                yield event.event, self._parsed(event.data)

    def _call(self, method: str, path: str, **content: Any) -> Any:
        with self._explained():
            response = self._client.request(method, path, **content)
        _raise_for_status(response, self._url)
        return self._parsed(response.content)

    def _parsed(self, content: str | bytes) -> Any:
        try:
            return parse_json(content, f"the response of {self._url}")
        except RequestError as error:
            raise PassingError(str(error)) from None

    @contextmanager
    def _stream(self, path: str, headers: dict[str, str]) -> Iterator[httpx2.Response]:
        with self._explained(), self._client.stream("GET", path, headers=headers) as response:
            if response.is_error:
                response.read()
            _raise_for_status(response, self._url)
            yield response

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except httpx2.TransportError as error:
            raise PassingError(f"{self._url} does not respond ({error}): {self._advice}") from None


def _raise_for_status(response: httpx2.Response, url: str) -> None:
    """Turn a problem response into an error.

    Raises:
        RequestError: the server refuses the call.
        PassingError: it may accept the call later.
    """
    if response.is_success:
        return
    try:
        detail = str(parse_json(response.content, url)["detail"])
    except (RequestError, KeyError, TypeError):
        detail = f"{url} responds {response.status_code} {response.reason_phrase}"
    if response.status_code == httpx2.codes.UNAUTHORIZED:
        detail += " (the token is read from MOSAIC_TOKEN or ~/.config/mosaic/token)"
    if response.is_server_error or response.status_code == httpx2.codes.TOO_MANY_REQUESTS:
        raise PassingError(detail)
    raise RequestError(detail)


def _info(found: dict[str, Any]) -> RequestInfo:
    return RequestInfo(found["id"], found["name"], found["created"], found["status"])
