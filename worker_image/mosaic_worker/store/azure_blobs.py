"""Azure Blob Storage: a container's block blobs."""

import mimetypes
from collections.abc import Sequence
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, ContainerClient, ContentSettings

from mosaic_worker.store.azure_account import CREDENTIALS, Account
from mosaic_worker.store.azure_errors import service_error, translated
from mosaic_worker.store.service import Fault, Head, Page
from mosaic_worker.store.stored import Stored

UPLOAD = "mosaicupload"
LARGEST_PUT = 256 * 2**20
"""Maximum bytes of a blob that is created with one request."""
OPTIONS: dict[str, Any] = {
    "retry_total": 0,  # the store retries
    "connection_timeout": 10,
    "read_timeout": 60,
}


class AzureBlobs:
    """A container. The service verifies the MD5 of uploads."""

    credentials = CREDENTIALS

    def __init__(self, container: str, account: Account) -> None:
        self.container = f"container {container!r}"
        self.host = account.host
        self._client = ContainerClient(
            account.endpoint, container, account.credential, max_single_put_size=LARGEST_PUT, **OPTIONS
        )

    def put(self, path: str, content: bytes, upload: str) -> None:
        """Put Blob."""
        with translated():
            self._client.get_blob_client(path).upload_blob(
                content, overwrite=False, validate_content="md5", **_described(path, upload)
            )

    def begin(self, path: str, upload: str) -> str:  # noqa: ARG002 (blocks need no start)
        """The unique prefix of the names of its blocks."""
        return upload

    def put_part(self, path: str, begun: str, number: int, content: bytes) -> str:
        """Put Block."""
        name = f"{begun}-{number:06}"
        with translated():
            self._client.get_blob_client(path).stage_block(name, content, len(content), validate_content="md5")
        return name

    def commit(self, path: str, begun: str, parts: Sequence[str], upload: str) -> None:  # noqa: ARG002
        """Put Block List."""
        with translated():
            self._client.get_blob_client(path).commit_block_list(
                [BlobBlock(name) for name in parts],
                match_condition=MatchConditions.IfMissing,
                **_described(path, upload),
            )

    def abort(self, path: str, begun: str) -> None:
        """Nothing: Azure deletes uncommitted blocks after a week, or when a blob of that name is created."""

    def forget_abandoned(self, prefix: str, seconds: float) -> None:
        """Nothing, as in `abort`."""

    def head(self, path: str) -> Head | None:
        """Get Blob Properties."""
        with translated():
            try:
                found = self._client.get_blob_client(path).get_blob_properties()
            except ResourceNotFoundError as error:
                missing(error)
                return None
        return Head(found.size, (found.metadata or {}).get(UPLOAD, ""))

    def get(self, path: str, start: int, stop: int | None) -> bytes | None:
        """Get Blob."""
        with translated():
            try:
                length = None if stop is None else stop - start
                return self._client.get_blob_client(path).download_blob(start, length).readall()
            except ResourceNotFoundError as error:
                missing(error)
                return None
            except HttpResponseError as error:
                if error.status_code == 416:  # it starts after the end
                    return b""
                raise

    def page(self, prefix: str, token: str | None) -> Page:
        """List Blobs."""
        with translated():
            pages = self._client.list_blobs(name_starts_with=prefix).by_page(token)
            found = [Stored(blob.name, blob.last_modified.timestamp(), blob.size) for blob in next(pages)]
        return Page(found, getattr(pages, "continuation_token", None) or None)

    def delete(self, path: str) -> None:
        """Delete Blob."""
        with translated():
            try:
                self._client.delete_blob(path, delete_snapshots="include")
            except ResourceNotFoundError as error:
                missing(error)


def missing(error: ResourceNotFoundError) -> None:
    """Raise ServiceError if the container itself is missing."""
    found = service_error(error)
    if found.fault is Fault.NO_CONTAINER:
        raise found from None


def _described(path: str, upload: str) -> dict[str, Any]:
    kind, _ = mimetypes.guess_type(path)
    settings = ContentSettings(content_type=kind or "application/octet-stream")
    return {"metadata": {UPLOAD: upload}, "content_settings": settings}
