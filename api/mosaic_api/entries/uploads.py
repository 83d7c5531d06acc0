"""A form with a file, as it comes in: to the disk at once. `BodyLimit` lets in no more than is allowed."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from mosaic_api.entries.asking import FileName, New
from mosaic_api.problems import Invalid, Problem, TooLarge

MOST_FIELDS = 30
LARGEST_FIELD = 64 * 2**10
Read = TypeVar("Read")


_FILE_NAME: TypeAdapter[str] = TypeAdapter(FileName)


class Upload(NamedTuple):
    """What came in: what is said of an entry, and the file, if there is one."""

    asked: New
    file: UploadFile | None


@asynccontextmanager
async def received(request: Request, max_bytes: int) -> AsyncIterator[Upload]:
    """Receive an entry as a form (multipart/form-data) or, where no file belongs to it, as JSON.

    Args:
        request: that brings it.
        max_bytes: of the file.

    Raises:
        TooLarge: there are more bytes.
        Invalid: it is no form.
        RequestValidationError: a field is not as it must be.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "application/json":
        content = b"".join([piece async for piece in _body(request)])
        yield Upload(_validated(lambda: New.model_validate_json(content)), None)
        return
    if content_type != "multipart/form-data":
        raise Invalid("the body must be a form (multipart/form-data), or JSON where no file is sent")
    parser = MultiPartParser(
        request.headers, _body(request), max_files=1, max_fields=MOST_FIELDS, max_part_size=LARGEST_FIELD
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Invalid(f"the form cannot be read: {error.message}") from None
    try:
        files = {name: value for name, value in form.items() if isinstance(value, UploadFile)}
        if files.keys() - {"file"}:
            raise Invalid(f"{min(files)}: the file of an entry is sent as `file`", min(files))
        file = files.get("file")
        if file is not None and (file.size or 0) > max_bytes:
            raise TooLarge(f"file: it is larger than the {max_bytes // 2**20} MiB that are taken here", "file")
        if file is not None and file.filename:
            name = file.filename
            file.filename = _validated(lambda: _FILE_NAME.validate_python(name), "file")
        said = {name: value for name, value in form.items() if name not in files and value != ""}
        yield Upload(_validated(lambda: New.model_validate_strings(said)), file)
    finally:
        await form.close()


async def _body(request: Request) -> AsyncGenerator[bytes, None]:
    """The body, piece by piece.

    Raises:
        Problem: who sent it is gone.
    """
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect:
        raise Problem("the upload was broken off") from None


def _validated(read: Callable[[], Read], *at: str) -> Read:
    try:
        return read()
    except ValidationError as error:
        told = [detail | {"loc": ("body", *at, *detail["loc"])} for detail in error.errors(include_url=False)]
        raise RequestValidationError(told) from None
