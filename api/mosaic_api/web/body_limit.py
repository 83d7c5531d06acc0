"""The limits of request bodies: their size, and how slowly they may arrive."""

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mosaic_api.settings import Settings
from mosaic_api.web.problems import answer

MOST_BODY_BYTES = 2**20
"""Of JSON and of small forms."""
_CLOSED = {"Connection": "close"}
"""Of an answer to a body that is not read to its end."""


@dataclass(frozen=True)
class BodyTimeout:
    """How long a body may take that somebody sends.

    Attributes:
        stall: seconds without a byte.
        start: seconds that any body may take.
        rate: bytes a second that it must have on average after that.
        most: seconds that it may take in all.
    """

    stall: float = 30
    start: float = 60
    rate: float = 32 * 2**10
    most: float = 4 * 3600


class _Refused(HTTPException):
    """A body is too large, or comes too slowly."""


class BodyLimit:
    """Refuses bodies that are too large, by what their headers say or else when they are, and ends those that stall.

    Only uploads may have more than MOST_BODY_BYTES. They are known by where they go, not by what they call themselves:
    other routes keep a body in memory.
    """

    def __init__(
        self, app: ASGIApp, settings: Settings, uploads_to: Collection[str], patience: BodyTimeout = BodyTimeout()
    ) -> None:
        self._app = app
        self._uploads_to = uploads_to
        self._upload = settings.max_upload_bytes + MOST_BODY_BYTES  # with what a form has beside the file
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        is_form = headers.get("content-type", "").lower().startswith("multipart/form-data")
        is_upload = is_form and scope["method"] == "POST" and scope["path"] in self._uploads_to
        most = self._upload if is_upload else MOST_BODY_BYTES
        refusal = f"the body is larger than {most // 2**20} MiB, and no more is taken"
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > most:
            await answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, refusal, headers=_CLOSED)(scope, receive, send)
            return
        announced = length != "0" or "transfer-encoding" in headers
        seen, waited, whole, begun = 0, 0.0, False, False

        async def counted() -> Message:
            nonlocal seen, waited, whole
            if whole:  # what comes after a body is that somebody goes away
                return await receive()
            left = self._left(seen, waited)
            before = time.monotonic()
            try:
                async with asyncio.timeout(left):
                    message = await receive()
            except TimeoutError:
                raise _Refused(HTTPStatus.REQUEST_TIMEOUT, "the body came too slowly; send it again", _CLOSED) from None
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
                if announced and not whole:  # nobody reads the rest, so that nobody shall go on to send it
                    MutableHeaders(raw=message.setdefault("headers", [])).update(_CLOSED)
            await send(message)

        try:
            await self._app(scope, counted, closing)
        except _Refused as error:  # where what reads the body is no route
            if begun:
                raise
            await answer(error.status_code, str(error.detail), headers=error.headers)(scope, receive, send)

    def _left(self, seen: int, waited: float) -> float:
        """Seconds for which the next bytes may be waited for."""
        of_all = min(self._patience.start + seen / self._patience.rate, self._patience.most)
        return max(0.0, min(self._patience.stall, of_all - waited))
