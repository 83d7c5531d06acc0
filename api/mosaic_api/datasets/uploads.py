"""Receives forms with a file, whose content goes directly to the disk. `BodyLimit` limits the size."""

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

from mosaic_api.datasets.schemas import DatasetCreate, FileName
from mosaic_api.web.body_limit import MOST_BODY_BYTES
from mosaic_api.web.outbound import disconnected
from mosaic_api.web.problems import Invalid, Problem, TooLarge

MOST_FIELDS = 30
LARGEST_FIELD = 64 * 2**10
Read = TypeVar("Read")


_FILE_NAME: TypeAdapter[str] = TypeAdapter(FileName)


class Upload(NamedTuple):
    """The fields of a dataset, and its file if there is one."""

    fields: DatasetCreate
    file: UploadFile | None


@asynccontextmanager
async def received(request: Request, max_bytes: int, most: int) -> AsyncIterator[Upload]:
    """Receive a dataset as a form (multipart/form-data), or as JSON if it has no file.

    `max_bytes` limits the file, and `most` the body, for which that is reserved.

    Raises:
        TooLarge: there are more bytes.
        Invalid: it is not a form.
        RequestValidationError: a field is invalid.
    """
    if _content_type(request) == "application/json":
        content = b"".join([piece async for piece in _body(request, most)])
        yield Upload(_validated(lambda: DatasetCreate.model_validate_json(content)), None)
        return
    async with _form(request, max_bytes, most) as (fields, file):
        yield Upload(_validated(lambda: DatasetCreate.model_validate_strings(fields)), file)


@asynccontextmanager
async def received_file(request: Request, max_bytes: int, most: int) -> AsyncIterator[UploadFile]:
    """Receive only a file, as a form (multipart/form-data); arguments and errors are those of `received`."""
    async with _form(request, max_bytes, most) as (fields, file):
        if fields:
            raise Invalid(f"{min(fields)}: only `file` is allowed", min(fields))
        if file is None:
            raise Invalid("file: required", "file")
        yield file


@asynccontextmanager
async def _form(request: Request, max_bytes: int, most: int) -> AsyncIterator[tuple[dict[str, Any], UploadFile | None]]:
    """The fields of a form that are not empty, and its file if there is one."""
    if _content_type(request) != "multipart/form-data":
        raise Invalid("the body must be a form (multipart/form-data), or JSON without a file")
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
            raise Invalid(f"{min(files)}: send the file as `file`", min(files))
        file = files.get("file")
        if file is not None and (file.size or 0) > max_bytes:
            raise TooLarge(f"file: it is larger than {max_bytes // 2**20} MiB, the limit of this installation", "file")
        if file is not None and file.filename:
            name = file.filename
            file.filename = _validated(lambda: _FILE_NAME.validate_python(name), "file")
        yield {name: value for name, value in form.items() if name not in files and value != ""}, file
    finally:
        await form.close()


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def announced(request: Request, max_bytes: int) -> int:
    """The size of the body by its header; the maximum if that is missing."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() else max_bytes + MOST_BODY_BYTES


@contextmanager
def cancelled_with(request: Request, cancelled: threading.Event) -> Iterator[None]:
    """Set an event when the client, which has sent the whole body, disconnects."""

    async def watch() -> None:
        await disconnected(request)
        cancelled.set()

    watching = asyncio.ensure_future(watch())
    try:
        yield
    finally:
        watching.cancel()


async def _body(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """The body in pieces; refuse more than was reserved."""
    seen = 0
    try:
        async for piece in request.stream():
            seen += len(piece)
            if seen > most:
                raise TooLarge(f"the body has more than the {most // 2**20} MiB that are reserved for it")
            yield piece
    except ClientDisconnect:
        raise Problem("the upload was cancelled") from None


def _validated(read: Callable[[], Read], *at: str) -> Read:
    try:
        return read()
    except ValidationError as error:
        errors = [detail | {"loc": ("body", *at, *detail["loc"])} for detail in error.errors(include_url=False)]
        raise RequestValidationError(errors) from None
