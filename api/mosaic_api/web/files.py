"""Files of the store as responses: complete, a range, or 304 if the client has them (RFC 9110)."""

import io
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from mosaic_worker.store import Store
from starlette.types import Receive, Scope, Send

from mosaic_api.web.problem_details import answer
from mosaic_api.web.problems import NotFound

PIECE_BYTES = 2**20
Read = Callable[[Callable[[], bytes]], Awaitable[bytes]]
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True)
class Sent:
    """A file for a response: its key in the store, the name for saving it, and the quoted ETag of its content."""

    key: str
    media_type: str
    name: str
    etag: str


def send(store: Store, file: Sent, request: Request, cache: str, read: Read) -> Response:
    """The response to a GET or HEAD: the complete file, or a single range. `read` reads a piece of it in a thread.

    Raises:
        NotFound: the file is missing.
    """
    headers = {"ETag": file.etag, "Accept-Ranges": "bytes", "Cache-Control": cache}
    if known(request, file.etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    try:
        opened = store.open(file.key)
    except FileNotFoundError:
        raise NotFound(f"{file.name} is no longer in the store") from None
    size = opened.seek(0, io.SEEK_END)
    part = _part(request, file.etag, size)
    start, stop = part or (0, size)
    if part is not None and start >= stop:
        opened.close()
        detail = f"the file has {size} bytes, and none in the requested range"
        return answer(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, detail, headers={"Content-Range": f"bytes */{size}"})
    headers |= {"Content-Length": str(stop - start), "Content-Disposition": _saved_as(file.name)}
    status = HTTPStatus.OK
    if part is not None:
        status, headers["Content-Range"] = HTTPStatus.PARTIAL_CONTENT, f"bytes {start}-{stop - 1}/{size}"
    if request.method == "HEAD":
        opened.close()
        return Response(status_code=status, headers=headers, media_type=file.media_type)
    return _Streamed(opened, _pieces(opened, start, stop, read), status, headers, file.media_type)


class _Streamed(StreamingResponse):
    """A part of an open file, which is closed at the end, even if the client disconnects before the first byte."""

    def __init__(
        self,
        opened: io.BufferedReader,
        pieces: AsyncIterator[bytes],
        status: int,
        headers: Mapping[str, str],
        media_type: str,
    ) -> None:
        super().__init__(pieces, status, headers, media_type)
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._opened:
            await super().__call__(scope, receive, send)


def known(request: Request, etag: str) -> bool:
    """Whether the client has the content."""
    tags = request.headers.get("if-none-match", "")
    return tags.strip() == "*" or etag in [one.strip().removeprefix("W/") for one in tags.split(",")]


def _part(request: Request, etag: str, size: int) -> tuple[int, int] | None:
    """The requested bytes [start, stop), empty if there are none; None for the complete file.

    Several ranges, an invalid range, and a range of another version get the complete file, as RFC 9110 allows.
    """
    found = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if found is None or request.headers.get("if-range", etag) != etag:
        return None
    first, last = found.groups()
    if not first:
        return (max(0, size - int(last)), size) if last else None
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1, size) if last else size


async def _pieces(opened: io.BufferedReader, start: int, stop: int, read: Read) -> AsyncIterator[bytes]:
    """The content between two bytes."""
    opened.seek(start)
    while start < stop and (piece := await read(partial(opened.read, min(PIECE_BYTES, stop - start)))):
        start += len(piece)
        yield piece


def _saved_as(name: str) -> str:
    """Content-Disposition with the name in ASCII for old programs, and in UTF-8 (RFC 6266)."""
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
