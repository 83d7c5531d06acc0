"""Limits the size of request bodies, and the time that they take."""

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mosaic_api.settings import Settings
from mosaic_api.web.problem_details import answer

MOST_BODY_BYTES = 2**20
"""For JSON and small forms."""
_CLOSED = {"Connection": "close"}
"""For the response to a body that is not read to its end."""


@dataclass(frozen=True)
class BodyTimeout:
    """Time limits of a body.

    Attributes:
        stall: seconds without a byte.
        start: seconds that any body may take.
        rate: average bytes per second that it needs after that.
        most: seconds in all.
    """

    stall: float = 30
    start: float = 60
    rate: float = 32 * 2**10
    most: float = 4 * 3600


class _Refused(HTTPException):
    """A body is too large or too slow."""


class BodyLimit:
    """Refuses bodies that are too large, by their headers or by their content, and ends those that stall.

    Only uploads may exceed MOST_BODY_BYTES. Their path identifies them, not their content type, because other routes
    hold a body in memory.
    """

    def __init__(
        self, app: ASGIApp, settings: Settings, uploads_to: Collection[str], patience: BodyTimeout = BodyTimeout()
    ) -> None:
        self._app = app
        self._uploads_to = uploads_to
        self._upload = settings.max_upload_bytes + MOST_BODY_BYTES  # including other fields of the form
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        is_form = headers.get("content-type", "").lower().startswith("multipart/form-data")
        is_upload = is_form and scope["method"] == "POST" and scope["path"] in self._uploads_to
        most = self._upload if is_upload else MOST_BODY_BYTES
        refusal = f"the body is larger than {most // 2**20} MiB"
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > most:
            await answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, refusal, headers=_CLOSED)(scope, receive, send)
            return
        announced = length != "0" or "transfer-encoding" in headers
        seen, waited, whole, begun = 0, 0.0, False, False

        async def counted() -> Message:
            nonlocal seen, waited, whole
            if whole:  # after the body, only a disconnect follows
                return await receive()
            left = self._left(seen, waited)
            before = time.monotonic()
            try:
                async with asyncio.timeout(left):
                    message = await receive()
            except TimeoutError:
                raise _Refused(
                    HTTPStatus.REQUEST_TIMEOUT, "the body arrived too slowly; send it again", _CLOSED
                ) from None
            waited += time.monotonic() - before
            seen += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if seen > most:
                raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, refusal, _CLOSED)
            return message

        async def closing(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                if announced and not whole:  # nobody reads the rest, so the client must not send it
                    MutableHeaders(raw=message.setdefault("headers", [])).update(_CLOSED)
            await send(message)

        try:
            await self._app(scope, counted, closing)
        except _Refused as error:  # if a middleware reads the body, not a route
            if begun:
                raise
            await answer(error.status_code, str(error.detail), headers=error.headers)(scope, receive, send)

    def _left(self, seen: int, waited: float) -> float:
        """Seconds to wait for the next bytes."""
        of_all = min(self._patience.start + seen / self._patience.rate, self._patience.most)
        return max(0.0, min(self._patience.stall, of_all - waited))
