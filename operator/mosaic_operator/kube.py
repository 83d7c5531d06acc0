"""The HTTP client for the API server: single calls, and lists in pages."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from math import inf
from time import monotonic
from types import TracebackType
from typing import Any, Self

from aiohttp import ClientError, ClientResponse
from kubernetes.aio.client import ApiClient, Configuration

Document = dict[str, Any]
JSON = "application/json"
METADATA = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""Media type of a list of objects without their specs and statuses."""
PAGE = 25
"""Objects in a page of a list; one can have more than a megabyte."""
TIMEOUT_SECONDS = 30
LIST_SECONDS = 180
"""Timeout of a page of a list: with an old etcd the API server reads every object to find the selected ones."""
MOST_BYTES = 8 * 2**20
"""Largest list that is read in one piece."""


class ApiError(Exception):
    """The API server refused a call, or did not respond.

    Attributes:
        status: HTTP status; 0 without a response.
        reason: as Kubernetes calls it.
        following: the token for the rest of a list whose start is no longer available (410); otherwise empty.
    """

    def __init__(self, status: int, reason: str, message: str, following: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.following = following


async def unless_gone(call: Awaitable[Document]) -> Document | None:
    """The response to a call; None if its object does not exist."""
    try:
        return await call
    except ApiError as error:
        if error.status != 404:
            raise
        return None


class TooLargeError(Exception):
    """A response is larger than the caller accepts."""


class KubeClient:
    """Calls the API server, and counts the calls.

    Attributes:
        calls: number of calls by verb and resource.
        answered: when the API server last responded, on the clock `time.monotonic`.
        leads_until: when another replica may take over, on that clock; no changes are made after it.
    """

    def __init__(self, found: Configuration) -> None:
        self.client = ApiClient(found)
        self.calls: Counter[tuple[str, str]] = Counter()
        self.answered = monotonic()
        self.leads_until = inf

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.client.close()

    async def pages_of(
        self, resource: str, path: str, selector: str, accept: str = JSON, *, recent: bool = False
    ) -> AsyncIterator[list[Document]]:
        """A list, page by page.

        Each object that exists all the time is in it. The API server forgets the state at the start of the list after a
        few minutes; the rest is of a later time then.

        Args:
            resource: for counting calls.
            path: path of the list.
            selector: label selector; empty for none.
            accept: media type of the response.
            recent: whether the list may be slightly old. The API server serves that from memory, but not in pages, so a
                large list is read the other way. For the current state an API server with an old etcd decodes all
                objects, which takes more than a millisecond each.

        Raises:
            ApiError: as in `call`.
        """
        selected: dict[str, Any] = {"labelSelector": selector} if selector else {}
        if recent:
            with suppress(TooLargeError):
                found = await self.call(
                    "list",
                    resource,
                    path,
                    None,
                    JSON,
                    accept=accept,
                    largest=MOST_BYTES,
                    resourceVersion="0",
                    **selected,
                )
                yield list(found["items"])
                return
        query = {"limit": str(PAGE)} | selected
        while True:
            try:
                found = await self.call("list", resource, path, None, JSON, accept=accept, **query)
            except ApiError as error:
                if error.status != 410 or not error.following:
                    raise
                query["continue"] = error.following
                continue
            yield list(found["items"])
            query["continue"] = (found.get("metadata") or {}).get("continue") or ""
            if not query["continue"]:
                return

    async def call(
        self,
        verb: str,
        resource: str,
        path: str,
        body: Document | None = None,
        content: str = JSON,
        *,
        accept: str = JSON,
        largest: int = -1,
        **query: str,
    ) -> Document:
        """Make a call.

        Raises:
            ApiError: the API server refused or did not respond, or another replica may be active.
        """
        method = {"create": "POST", "get": "GET", "list": "GET", "patch": "PATCH", "delete": "DELETE"}[verb]
        if verb not in {"get", "list"} and monotonic() >= self.leads_until:
            raise ApiError(0, "LeaseLost", "the Lease was not renewed in time: another replica may be active")
        self.calls[verb, resource] += 1
        try:
            prepared = await self.client.param_serialize(
                method,
                path,
                query_params=list(query.items()),
                header_params={"Accept": accept, "Content-Type": content},
                body=body,
                auth_settings=["BearerToken"],
            )
            seconds = LIST_SECONDS if verb == "list" else TIMEOUT_SECONDS
            answer = await self.client.call_api(*prepared, _request_timeout=seconds)
            text = await (answer.read() if largest < 0 else _read(answer.response, largest))
        except (ClientError, OSError, TimeoutError) as error:
            raise ApiError(
                0, "NoAnswer", f"the API server does not respond: {error or type(error).__name__}"
            ) from error
        if answer.status < 500:
            self.answered = monotonic()
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            found = {"reason": "NotJson", "message": text[:200].decode(errors="replace")}
        if answer.status >= 400:
            following = (found.get("metadata") or {}).get("continue") or ""
            raise ApiError(answer.status, found.get("reason", ""), found.get("message", ""), following)
        return found


async def _read(answer: ClientResponse, largest: int) -> bytes:
    found = bytearray()
    async for chunk in answer.content.iter_any():
        found += chunk
        if len(found) > largest:
            answer.close()
            raise TooLargeError
    return bytes(found)
