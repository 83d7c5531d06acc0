"""A form with a file, as it comes in: to the disk at once. `BodyLimit` lets in no more than is allowed."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from mosaic_api.datasets.input_schemas import DatasetCreate, FileName
from mosaic_api.web.body_limit import MOST_BODY_BYTES
from mosaic_api.web.problems import Invalid, Problem, TooLarge

MOST_FIELDS = 30
LARGEST_FIELD = 64 * 2**10
Read = TypeVar("Read")


_FILE_NAME: TypeAdapter[str] = TypeAdapter(FileName)


class Upload(NamedTuple):
    """What came in: what is said of a dataset, and the file, if there is one."""

    asked: DatasetCreate
    file: UploadFile | None


@asynccontextmanager
async def received(request: Request, max_bytes: int, most: int) -> AsyncIterator[Upload]:
    """Receive a dataset as a form (multipart/form-data) or, where no file belongs to it, as JSON.

    Args:
        request: that brings it.
        max_bytes: of the file.
        most: bytes of the body that have been reserved.

    Raises:
        TooLarge: there are more bytes.
        Invalid: it is no form.
        RequestValidationError: a field is not as it must be.
    """
    if _content_type(request) == "application/json":
        content = b"".join([piece async for piece in _body(request, most)])
        yield Upload(_validated(lambda: DatasetCreate.model_validate_json(content)), None)
        return
    async with _form(request, max_bytes, most) as (said, file):
        yield Upload(_validated(lambda: DatasetCreate.model_validate_strings(said)), file)


@asynccontextmanager
async def received_file(request: Request, max_bytes: int, most: int) -> AsyncIterator[UploadFile]:
    """Receive a file alone, as a form (multipart/form-data).

    Args:
        request: that brings it.
        max_bytes: of the file.
        most: bytes of the body that have been reserved.

    Raises:
        TooLarge: there are more bytes.
        Invalid: it is no form with a file alone.
    """
    async with _form(request, max_bytes, most) as (said, file):
        if said:
            raise Invalid(f"{min(said)}: only a `file` is taken", min(said))
        if file is None:
            raise Invalid("file: it is missing", "file")
        yield file


@asynccontextmanager
async def _form(request: Request, max_bytes: int, most: int) -> AsyncIterator[tuple[dict[str, Any], UploadFile | None]]:
    """The fields of a form that are not empty, and its file, if there is one."""
    if _content_type(request) != "multipart/form-data":
        raise Invalid("the body must be a form (multipart/form-data), or JSON where no file is sent")
    parser = MultiPartParser(
        request.headers, _body(request, most), max_files=1, max_fields=MOST_FIELDS, max_part_size=LARGEST_FIELD
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Invalid(f"the form cannot be read: {error.message}") from None
    try:
        files = {name: value for name, value in form.items() if isinstance(value, UploadFile)}
        if files.keys() - {"file"}:
            raise Invalid(f"{min(files)}: the file is sent as `file`", min(files))
        file = files.get("file")
        if file is not None and (file.size or 0) > max_bytes:
            raise TooLarge(f"file: it is larger than the {max_bytes // 2**20} MiB that are taken here", "file")
        if file is not None and file.filename:
            name = file.filename
            file.filename = _validated(lambda: _FILE_NAME.validate_python(name), "file")
        yield {name: value for name, value in form.items() if name not in files and value != ""}, file
    finally:
        await form.close()


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def announced(request: Request, max_bytes: int) -> int:
    """Bytes that the body has by its header; as many as it may have where that says nothing."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() else max_bytes + MOST_BODY_BYTES


@contextmanager
def cancelled_with(request: Request, cancelled: threading.Event) -> Iterator[None]:
    """Set an event when the client goes away, which sent all it had to send."""

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        cancelled.set()

    watching = asyncio.ensure_future(watch())
    try:
        yield
    finally:
        watching.cancel()


async def _body(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """The body, piece by piece.

    Raises:
        Problem: who sent it is gone.
        TooLarge: there is more than was reserved.
    """
    seen = 0
    try:
        async for piece in request.stream():
            seen += len(piece)
            if seen > most:
                raise TooLarge(f"the body has more than the {most // 2**20} MiB that are left for it")
            yield piece
    except ClientDisconnect:
        raise Problem("the upload was broken off") from None


def _validated(read: Callable[[], Read], *at: str) -> Read:
    try:
        return read()
    except ValidationError as error:
        told = [detail | {"loc": ("body", *at, *detail["loc"])} for detail in error.errors(include_url=False)]
        raise RequestValidationError(told) from None
