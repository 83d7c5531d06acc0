"""Azure Data Lake Storage Gen2: a file system with real folders.

Files are written and read at the Blob endpoint, where a file appears together with its content. They are listed and
deleted at the Data Lake endpoint, which knows folders.
"""

from pathlib import PurePosixPath

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.filedatalake import FileSystemClient

from mosaic_worker.store.azure_account import Account
from mosaic_worker.store.azure_blobs import OPTIONS, AzureBlobs, missing
from mosaic_worker.store.azure_errors import translated
from mosaic_worker.store.service import Page
from mosaic_worker.store.stored import Stored


class DataLake(AzureBlobs):
    """A file system."""

    def __init__(self, name: str, account: Account) -> None:
        super().__init__(name, account)
        self.container = f"file system {name!r}"
        self._lake = FileSystemClient(
            account.endpoint.replace(".blob.", ".dfs.", 1), name, credential=account.credential, **OPTIONS
        )

    def page(self, prefix: str, token: str | None) -> Page:
        """Path - List, without folders."""
        with translated():
            try:
                pages = self._lake.get_paths(prefix.rstrip("/") or None, recursive=True).by_page(token)
                found = [
                    Stored(path.name, path.last_modified.timestamp(), path.content_length)
                    for path in next(pages)
                    if not path.is_directory
                ]
            except ResourceNotFoundError as error:
                missing(error)
                return Page([], None)
        return Page(found, getattr(pages, "continuation_token", None) or None)

    def delete(self, path: str) -> None:
        """Path - Delete, also for folders that become empty."""
        with translated():
            try:
                self._lake.get_file_client(path).delete_file()
            except ResourceNotFoundError as error:
                missing(error)
            for folder in PurePosixPath(path).parents[:-1]:
                try:
                    self._lake.get_file_client(str(folder)).delete_file(recursive=False)
                except HttpResponseError as error:
                    if error.status_code == 409:  # it is not empty
                        break
                    if error.status_code not in {403, 404}:  # 403: the signature may not allow deleting folders
                        raise
