"""A FAKE Data Lake endpoint of Azure, because no emulator has one. Azurite stores its contents.

It answers the calls of azure-storage-file-datalake that list and delete paths from Azurite's blobs, and forwards all
others to Azurite, which verifies the caller's signature. Folders are blobs with the mark that Azure itself shows at its
Blob endpoint. It cannot prove that listing, deleting and access control lists work the same in Azure.
"""

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.storage.blob import ContainerClient

from support.servers.forwarding import Answer, Forwarder, Request

FOLDER = {"hdi_isfolder": "true"}
SIGNED = [
    *("content-encoding", "content-language", "content-length", "content-md5", "content-type", "date"),
    *("if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"),
]


class DataLakeFront(Forwarder):
    def __init__(self, azurite: str, account: str, key: str) -> None:
        super().__init__(azurite)
        self._account, self._key = account, key

    def answer(self, request: Request) -> Answer | None:
        url = urlsplit(request.target)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        _, _, file_system, *rest = url.path.split("/", 3)
        path = unquote(rest[0]) if rest else ""
        lists = request.method == "GET" and query.get("resource") == "filesystem"
        deletes = request.method == "DELETE" and path != ""
        if not (lists or deletes):
            answer = self.forward(request)
            if request.method == "PUT" and path and answer.status == 201 and query.get("comp") != "block":
                self._make_folders(self._container(file_system, None), path)
            return answer
        if "sig" not in query and not self._is_signed(request, url.path, query):
            return _error(403, "AuthenticationFailed")
        container = self._container(file_system, url.query if "sig" in query else None)
        try:
            return _listing(container, query) if lists else _deletion(container, path, query)
        except HttpResponseError as error:
            code = str(getattr(error.error_code, "value", error.error_code))
            return _error(error.status_code or 500, code.replace("Container", "Filesystem").replace("Blob", "Path"))

    def _container(self, name: str, signature: str | None) -> ContainerClient:
        credential = AzureSasCredential(signature) if signature else AzureNamedKeyCredential(self._account, self._key)
        return ContainerClient(f"http://{self.upstream}/{self._account}", name, credential)

    @staticmethod
    def _make_folders(container: ContainerClient, path: str) -> None:
        """Parent folders of a new file, which Data Lake creates."""
        folder = path
        while "/" in folder:
            folder = folder.rpartition("/")[0]
            try:
                container.upload_blob(folder, b"", metadata=FOLDER, overwrite=False)
            except ResourceExistsError:
                return

    def _is_signed(self, request: Request, path: str, query: dict[str, str]) -> bool:
        """Whether the request is signed with the account's key (Azure's Shared Key)."""
        names = {name.lower(): value for name, value in request.headers.items()}
        if names.get("content-length") == "0":
            names["content-length"] = ""
        lines = [request.method, *(names.get(name, "") for name in SIGNED)]
        lines += [f"{name}:{names[name]}" for name in sorted(names) if name.startswith("x-ms-")]
        lines += [f"/{self._account}{path}", *(f"{name.lower()}:{query[name]}" for name in sorted(query))]
        digest = hmac.new(base64.b64decode(self._key), "\n".join(lines).encode(), hashlib.sha256).digest()
        signature = f"SharedKey {self._account}:{base64.b64encode(digest).decode()}"
        return hmac.compare_digest(request.header("authorization"), signature)


def _listing(container: ContainerClient, query: dict[str, str]) -> Answer:
    folder = query.get("directory", "").strip("/")
    prefix = f"{folder}/" if folder else ""
    size = int(query["maxResults"]) if "maxResults" in query else None
    pages = container.list_blobs(name_starts_with=prefix, include=["metadata"], results_per_page=size).by_page(
        query.get("continuation")
    )
    found = list(next(pages))
    if folder and not found and not container.get_blob_client(folder).exists():
        return _error(404, "PathNotFound")
    paths: list[dict[str, Any]] = [
        {
            "name": blob.name,
            "contentLength": str(blob.size),
            "lastModified": blob.last_modified.strftime("%a, %d %b %Y %H:%M:%S GMT"),
            "etag": blob.etag,
        }
        | ({"isDirectory": "true"} if blob.metadata == FOLDER else {})
        for blob in found
    ]
    token = getattr(pages, "continuation_token", None)
    headers = {"Content-Type": "application/json"} | ({"x-ms-continuation": token} if token else {})
    return Answer(200, headers, json.dumps({"paths": paths}).encode())


def _deletion(container: ContainerClient, path: str, query: dict[str, str]) -> Answer:
    within = [blob.name for blob in container.list_blobs(name_starts_with=f"{path}/")]
    if within and query.get("recursive") != "true":
        return _error(409, "DirectoryNotEmpty")
    for name in [*reversed(within), path]:
        container.delete_blob(name)
    return Answer(200)


def _error(status: int, code: str) -> Answer:
    body = json.dumps({"error": {"code": code, "message": code}}).encode()
    return Answer(status, {"x-ms-error-code": code, "Content-Type": "application/json"}, body)
