"""Reads small text files, such as STAC Items."""

from mosaic_crds.errors import RequestError

from mosaic_worker.sources.access.gate import Gate, is_url, redacted
from mosaic_worker.sources.access.zips import open_bytes
from mosaic_worker.sources.http.client import Client, at_field

LARGEST_DOCUMENT = 16 * 2**20
"""Bytes; a small file in a zip can expand to any size."""


def read_document(admitted: str, where: str, client: Client) -> str:
    """Read a UTF-8 text, of at most 16 MiB, from an admitted path or URL.

    Raises:
        RequestError: it does not exist, is too large, or is not text.
        PassingError: the server did not respond.
    """
    with at_field(where):
        try:
            return (client.document(admitted) if is_url(admitted) else _content(admitted, client.gate)).decode()
        except UnicodeDecodeError:
            raise RequestError(f"{redacted(admitted)} is not text in UTF-8") from None


def _content(path: str, gate: Gate) -> bytes:
    with open_bytes(path, gate) as file:
        content = file.read(LARGEST_DOCUMENT + 1)
    if len(content) > LARGEST_DOCUMENT:
        raise RequestError(f"{path} is larger than 16 MiB, the limit for documents")
    return content
