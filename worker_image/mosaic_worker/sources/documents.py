"""Small files beside the pixels: the text of a STAC Item, and what tells one state of an input from another."""

import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path
from typing import IO

from mosaic_crds.errors import PassingError, RequestError

from mosaic_worker.sources.archives import file_of
from mosaic_worker.sources.gate import Gate, without_query

LARGEST_DOCUMENT = 16 * 2**20
TIMEOUT_SECONDS = 30


def read_document(admitted: str, where: str, gate: Gate) -> str:
    """Read a UTF-8 text, of at most 16 MiB, from an admitted path or URL.

    Raises:
        RequestError: it is not there, too large, or not text.
        PassingError: the server did not give it.
    """
    shown = without_query(admitted)
    try:
        with _open(admitted, where, gate) as file:
            content = file.read(LARGEST_DOCUMENT + 1)
    except (FileNotFoundError, IsADirectoryError):
        raise RequestError(f"{where}: there is no file {shown}") from None
    except PermissionError:
        raise RequestError(f"{where}: {shown} may not be read by this user") from None
    if len(content) > LARGEST_DOCUMENT:
        raise RequestError(f"{where}: {shown} is larger than the 16 MiB that are read of a document")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise RequestError(f"{where}: {shown} is no text in UTF-8") from None


def identity(admitted: str, where: str, gate: Gate) -> str:
    """What changes when the content of an input does: size and time of a file, ETag or size and time at a server."""
    if "://" not in admitted:
        try:
            status = Path(file_of(admitted)).stat()
        except OSError:
            raise RequestError(f"{where}: there is no file {admitted}") from None
        return f"{status.st_size}:{status.st_mtime_ns}"
    with _open(admitted, where, gate, first_byte=True) as response:
        headers: Message = response.headers  # type: ignore[attr-defined]
    if headers.get("ETag"):
        return str(headers["ETag"])
    size = headers.get("Content-Range", headers.get("Content-Length", ""))
    return f"{size}:{headers.get('Last-Modified', '')}"


class _AdmittedRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect leads only where the gate admits."""

    def __init__(self, gate: Gate, where: str) -> None:
        self._gate, self._where = gate, where

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        self._gate.admit(newurl, self._where)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _open(admitted: str, where: str, gate: Gate, first_byte: bool = False) -> IO[bytes]:
    if "://" not in admitted:
        return Path(admitted).open("rb")
    request = urllib.request.Request(admitted, headers={"Range": "bytes=0-0"} if first_byte else {})  # noqa: S310 (admitted)
    try:
        opener = urllib.request.build_opener(_AdmittedRedirects(gate, where))
        response: IO[bytes] = opener.open(request, timeout=TIMEOUT_SECONDS)
        return response
    except urllib.error.HTTPError as error:
        kind = RequestError if error.code in {401, 403, 404, 410} else PassingError
        raise kind(f"{where}: the server answered {error.code} for {without_query(admitted)}") from None
    except OSError as error:
        raise PassingError(f"{where}: {without_query(admitted)} could not be fetched ({error})") from None
