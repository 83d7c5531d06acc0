"""Small files beside the pixels: the text of a STAC Item."""

from pathlib import Path

from mosaic_crds.errors import RequestError

from mosaic_worker.sources.client import Client, saying
from mosaic_worker.sources.gate import is_url, shown

LARGEST_DOCUMENT = 16 * 2**20


def read_document(admitted: str, where: str, client: Client) -> str:
    """Read a UTF-8 text, of at most 16 MiB, from an admitted path or URL.

    Raises:
        RequestError: it is not there, too large, or not text.
        PassingError: the server did not give it.
    """
    with saying(where):
        try:
            return (client.document(admitted) if is_url(admitted) else _content(admitted)).decode()
        except UnicodeDecodeError:
            raise RequestError(f"{shown(admitted)} is no text in UTF-8") from None


def _content(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(LARGEST_DOCUMENT + 1)
    except (FileNotFoundError, IsADirectoryError):
        raise RequestError(f"there is no file {path}") from None
    except PermissionError:
        raise RequestError(f"{path} may not be read by this user") from None
    if len(content) > LARGEST_DOCUMENT:
        raise RequestError(f"{path} is larger than the 16 MiB that are read of a document")
    return content
