"""The files of a mosaic, sent whole or in part (RFC 9110, chapter 14), as browsers and GDAL ask for them."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from mosaic_worker.store import Store

from mosaic_api.problems import NotFound, answer

PIECE_BYTES = 2**20
_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.IGNORECASE)
_MOST_DIGITS = 19


@dataclass(frozen=True)
class Sent:
    """A file as it is sent; it never changes.

    Attributes:
        key: in the store.
        media_type: of its content.
        name: under which it is saved.
        etag: that only this content has, in quotes.
    """

    key: str
    media_type: str
    name: str
    etag: str


def send(store: Store, file: Sent, request: Request, cache: str) -> Response:
    """The answer to a GET or HEAD of a file: all of it, one range of it, or that it is known already.

    Args:
        store: where it is.
        file: what is sent.
        request: what was asked, of which the headers count.
        cache: the value of Cache-Control.

    Raises:
        NotFound: the file is not there any more.
        PassingError: the store did not give it.
    """
    headers = {"ETag": file.etag, "Accept-Ranges": "bytes", "Cache-Control": cache}
    if known(request, file.etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    try:
        opened = store.open(file.key)
    except FileNotFoundError:
        raise NotFound(f"{file.name} is not in the store any more; ask for the mosaic again") from None
    size = opened.seek(0, io.SEEK_END)
    part = _part(request, file.etag, size)
    if part is not None and part[0] >= part[1]:
        opened.close()
        told = f"the file has {size} bytes, and none of those that were asked for"
        return answer(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, told, headers={"Content-Range": f"bytes */{size}"})
    start, stop = part or (0, size)
    headers |= {
        "Content-Length": str(stop - start),
        "Content-Disposition": f'attachment; filename="{file.name}"',
    }
    status = HTTPStatus.OK
    if part is not None:
        status, headers["Content-Range"] = HTTPStatus.PARTIAL_CONTENT, f"bytes {start}-{stop - 1}/{size}"
    if request.method == "HEAD":
        opened.close()
        return Response(status_code=status, headers=headers, media_type=file.media_type)
    return StreamingResponse(_pieces(opened, start, stop), status, headers, file.media_type)


def known(request: Request, etag: str) -> bool:
    """Whether who asks has the content already."""
    asked = request.headers.get("if-none-match", "")
    return asked.strip() == "*" or etag in [one.strip().removeprefix("W/") for one in asked.split(",")]


def _part(request: Request, etag: str, size: int) -> tuple[int, int] | None:
    """The bytes [start, stop) that are asked for, none at all if there are no such bytes; None for the whole.

    Several ranges, and what is no range, are answered by the whole, as they may be; so is a range of another content.
    """
    found = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if found is None or request.headers.get("if-range", etag) != etag:
        return None
    first, last = found.groups()
    if (not first and not last) or max(len(first), len(last)) > _MOST_DIGITS:
        return None
    if not first:
        return max(0, size - int(last)), size
    if last and int(last) < int(first):
        return None
    return min(int(first), size), min(int(last) + 1, size) if last else size


def _pieces(opened: io.BufferedReader, start: int, stop: int) -> Iterator[bytes]:
    with opened:
        opened.seek(start)
        while start < stop and (piece := opened.read(min(PIECE_BYTES, stop - start))):
            yield piece
            start += len(piece)
