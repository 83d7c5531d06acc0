"""A store on a network: retries, uploads in parts, and messages, for all services."""

import io
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import ParamSpec, TypeVar

from mosaic_crds import worker_pod
from mosaic_crds.errors import PassingError, RequestError
from tenacity import Retrying, retry_if_exception, stop_before_delay, wait_random_exponential

from mosaic_worker.store.address import Address, parse_address
from mosaic_worker.store.parts import in_parts, upload_parts
from mosaic_worker.store.ranged import BUFFER, RangedFile
from mosaic_worker.store.service import Fault, Service, ServiceError
from mosaic_worker.store.stored import ABANDONED_SECONDS, Chunk, Stored

PATIENCE = 60.0
"""Seconds for which temporary faults are retried."""
LONGEST_PAUSE = 8.0

_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")


class RemoteStore:
    """Objects in a container of a service, below a prefix. Temporary faults are retried for `patience` seconds."""

    def __init__(self, address: Address, service: Service, patience: float = PATIENCE) -> None:
        self._address = address
        self._service = service
        self._patience = patience

    def create(self, key: str, content: Iterable[Chunk], *, durable: bool = True) -> bool:  # noqa: ARG002 (always durable)
        """See `Store`. If the object exists, content that is larger than a part is not consumed."""
        path, upload = self._path(key), uuid.uuid4().hex
        parts = in_parts(content)
        first, second = next(parts), next(parts, None)
        if second is None:
            return self._create_at_once(path, first, upload)
        if self._asked(self._service.head, path) is not None:
            return False
        return self._create_in_parts(path, chain([first, second], parts), upload)

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes | None:
        """See `Store`."""
        path = self._path(key)
        if stop is not None and stop <= start:
            return None if self._asked(self._service.head, path) is None else b""
        return self._asked(self._service.get, path, start, stop)

    def open(self, key: str) -> io.BufferedReader:
        """See `Store`."""
        head = self._asked(self._service.head, self._path(key))
        if head is None:
            raise FileNotFoundError(f"the store has no {self.location(key)}")

        def read(start: int, stop: int) -> bytes:
            content = self.read(key, start, stop)
            if content is None:
                raise FileNotFoundError(f"{self.location(key)} was deleted while it was read")
            return content

        return io.BufferedReader(RangedFile(head.size, read), BUFFER)

    def list(self, prefix: str) -> Iterator[Stored]:
        """See `Store`."""
        token: str | None = None
        while True:
            page = self._asked(self._service.page, self._path(prefix), token)
            for stored in page.found:
                yield stored._replace(key=stored.key.removeprefix(self._address.prefix))
            token = page.following
            if token is None:
                return

    def delete(self, key: str) -> None:
        """See `Store`."""
        self._asked(self._service.delete, self._path(key))

    def location(self, key: str) -> str:
        """See `Store`."""
        return self._address.uri + key

    def _path(self, key: str) -> str:
        if {"", ".", ".."} & set(key.removesuffix("/").split("/")):
            raise ValueError(f"the key {key!r} is outside the store")
        return self._address.prefix + key

    def _create_at_once(self, path: str, content: bytes, upload: str) -> bool:
        asked_before = False

        def put() -> None:
            nonlocal asked_before
            # A service that closes the connection because the object exists does so each time.
            if asked_before and self._service.head(path) is not None:
                raise ServiceError(Fault.EXISTS, "")
            asked_before = True
            self._service.put(path, content, upload)

        try:
            self._asked(put)
        except ServiceError:
            head = self._asked(self._service.head, path)
            if head is not None:
                return head.upload == upload  # or the response was lost
            # It was deleted meanwhile; or this is Azurite, which treats uncommitted blocks as an object.
            return self._create_in_parts(path, [content], upload)
        return True

    def _create_in_parts(self, path: str, parts: Iterable[bytes], upload: str) -> bool:
        with suppress(ServiceError):  # listing uploads needs a permission that is otherwise not needed
            self._service.forget_abandoned(self._address.prefix, ABANDONED_SECONDS)
        begun = self._asked(self._service.begin, path, upload)
        try:
            done, size = upload_parts(
                parts, lambda number, part: self._asked(self._service.put_part, path, begun, number, part)
            )
            created = self._commit(path, begun, done, upload)
        except BaseException:
            self._abort(path, begun)
            raise
        if not created:
            self._abort(path, begun)
            return False
        head = self._asked(self._service.head, path)
        if head is not None and head.upload == upload and head.size != size:
            raise PassingError(
                f"the store has {head.size:,} of {size:,} bytes of {self._address.scheme}://…/{path}; "
                "delete it and run again"
            )
        return True

    def _commit(self, path: str, begun: str, parts: Sequence[str], upload: str) -> bool:
        if self._asked(self._service.head, path) is not None:  # some services commit unconditionally
            return False
        try:
            self._asked(self._service.commit, path, begun, parts, upload)
        except ServiceError as error:
            head = self._asked(self._service.head, path)
            if head is None:
                raise PassingError(
                    f"the store {self._address.uri} lost an unfinished upload ({error.code}); run again"
                ) from None
            return head.upload == upload  # or the response was lost
        return True

    def _abort(self, path: str, begun: str) -> None:
        with suppress(ServiceError):  # the cause is reported; abandoned uploads are deleted later
            self._service.abort(path, begun)

    def _asked(
        self, call: Callable[_Arguments, _Answer], *arguments: _Arguments.args, **named: _Arguments.kwargs
    ) -> _Answer:
        retrying = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, ServiceError) and error.fault is Fault.PASSING),
            stop=stop_before_delay(self._patience),
            wait=wait_random_exponential(multiplier=0.1, max=LONGEST_PAUSE),
            reraise=True,
        )
        try:
            return retrying(call, *arguments, **named)
        except ServiceError as error:
            if error.fault in {Fault.EXISTS, Fault.LOST}:
                raise
            raise PassingError(self._sentence(error)) from None

    def _sentence(self, error: ServiceError) -> str:
        store, service = f"the store {self._address.uri}", self._service
        match error.fault:
            case Fault.DENIED:
                return (
                    f"{store} refuses the credentials ({error.code}); check that {service.credentials} are right, have "
                    "not expired and allow to read, write, list and delete, and run again; finished tiles are kept"
                )
            case Fault.NO_CREDENTIALS:
                return f"there are no credentials for {store} ({error.code}); set {service.credentials}"
            case Fault.NO_CONTAINER:
                return f"{store} cannot be used: {service.host} has no {service.container}; create it and run again"
            case Fault.PASSING:
                return (
                    f"{store} does not respond ({error.code}, retried for {self._patience:g} s); check whether "
                    f"{service.host} can be reached and run again; finished tiles are kept"
                )
            case _:
                return f"{store} refuses a request ({error.code}); check its address {service.host} and its settings"


def open_remote(uri: str) -> RemoteStore:
    """The store of an abfss://, az:// or s3:// URI, with the credentials in the environment.

    Raises:
        RequestError: the URI or a setting in the environment is malformed.
        PassingError: credentials in the environment are malformed.
    """
    address = parse_address(uri)
    try:
        patience = float(os.environ.get(worker_pod.ENV_STORE_PATIENCE) or PATIENCE)
    except ValueError:
        raise RequestError(f"{worker_pod.ENV_STORE_PATIENCE} must be a number of seconds") from None
    return RemoteStore(address, _service(address), patience)


def _service(address: Address) -> Service:
    match address.scheme:
        case "s3":
            from mosaic_worker.store.s3 import open_bucket

            return open_bucket(address.container, os.environ)
        case "az":
            from mosaic_worker.store.azure_account import account_from
            from mosaic_worker.store.azure_blobs import AzureBlobs

            return AzureBlobs(address.container, account_from(os.environ))
        case _:
            from mosaic_worker.store.azure_account import account_from
            from mosaic_worker.store.data_lake import DataLake

            blob_domain = address.domain.replace("dfs.", "blob.", 1)
            return DataLake(address.container, account_from(os.environ, address.account, blob_domain))
