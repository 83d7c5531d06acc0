"""Calls the REST API of the central installation with this installation's token."""

import asyncio
import hashlib
import uuid
from collections.abc import Coroutine, Generator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import httpx2
from mosaic_crds.errors import PassingError, RequestError
from mosaic_crds.json_input import parse_json
from mosaic_worker.sources.access.budget import Budget
from pydantic import BaseModel, ValidationError

from mosaic_api.central.schemas import CentralDataset, CentralRequest
from mosaic_api.settings import ENV_CENTRAL_TOKEN, ENV_CENTRAL_URL, Settings
from mosaic_api.web.problems import Conflict, Forbidden, Invalid, NotFound, TooLarge, TooMany

CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 30.0
UPLOAD_SECONDS = 900.0
"""For an upload, which it converts before it answers."""
DOWNLOAD_TRIES = 5
MOST_ANSWER_BYTES = 16 * 2**20
"""Of a response that is not a file."""
Answer = TypeVar("Answer", bound=BaseModel)
Result = TypeVar("Result")
_PROBLEMS = {int(kind.status): kind for kind in (Forbidden, NotFound, Conflict, TooLarge, Invalid, TooMany)}


class NotConfigured(Conflict):
    """No central installation is configured."""

    def __init__(self) -> None:
        super().__init__(
            f"no central installation is configured; set the environment variables {ENV_CENTRAL_URL} and "
            f"{ENV_CENTRAL_TOKEN} (a token created there), and restart"
        )


class TokenRefused(Conflict):
    """The central installation refuses this one's token."""

    def __init__(self) -> None:
        super().__init__(
            f"the central installation does not accept the token in {ENV_CENTRAL_TOKEN}; create a new one there"
        )


class _Bearer(httpx2.Auth):
    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


class Central:
    """The central installation. Its calls raise a Problem with its message if it refuses them.

    They raise PassingError if it does not answer in time, or incorrectly. The time limit covers a whole call: it runs
    in an event loop of its own, which cancels it whatever it waits for.
    """

    def __init__(self, settings: Settings, budget: Budget | None = None) -> None:
        """Does not connect yet. `budget` may end each call earlier.

        Raises:
            NotConfigured: the settings name no central installation.
        """
        if not settings.central_url or not settings.central_token:
            raise NotConfigured
        self._base = f"{settings.central_url}/api/v1/"
        self._auth = _Bearer(settings.central_token)
        self._budget = budget

    def get(self, path: str, kind: type[Answer], parameters: Mapping[str, Any] | None = None) -> Answer:
        """A resource."""
        return self._call("GET", path, kind, params=dict(parameters or {}))

    def submit(self, request: Mapping[str, Any]) -> CentralRequest:
        """Create a request."""
        return self._call("POST", "requests", CentralRequest, json=dict(request))

    def upload(
        self, key: uuid.UUID, fields: Mapping[str, str], file: tuple[str, BinaryIO, str] | None
    ) -> CentralDataset:
        """Create a dataset; a second upload with the same key, the id of the dataset here, returns the first one's.

        A file is its name, content and media type.
        """
        headers = {"Idempotency-Key": str(key)}
        if file is None:
            return self._call("POST", "datasets", CentralDataset, json=dict(fields), headers=headers)
        content = {"data": dict(fields), "files": {"file": file}, "headers": headers}
        return self._call("POST", "datasets", CentralDataset, UPLOAD_SECONDS, **content)

    def change(self, dataset_id: uuid.UUID, fields: Mapping[str, Any]) -> None:
        """Change a dataset."""
        self._call("PATCH", f"datasets/{dataset_id}", CentralDataset, UPLOAD_SECONDS, json=dict(fields))

    def remove(self, dataset_id: uuid.UUID) -> None:
        """Delete a dataset; it may be deleted already."""
        try:
            self._within(ANSWER_SECONDS, self._answer("DELETE", f"datasets/{dataset_id}", ANSWER_SECONDS))
        except NotFound:
            return

    def download(self, path: str, target: Path, sha256: str, most: int) -> None:
        """Download a file of at most so many bytes; resume if the connection breaks.

        Raises:
            TooLarge: the file is larger.
            PassingError: the file is damaged.
        """
        for remaining in reversed(range(DOWNLOAD_TRIES)):
            before = _size(target)
            try:
                self._within(UPLOAD_SECONDS, self._continue(path, target, before, most))
                break
            except PassingError:
                if not remaining or _size(target) == before:
                    raise
        with target.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise PassingError("the central installation sent a damaged file; try again")

    async def _continue(self, path: str, target: Path, start: int, most: int) -> None:
        headers = {"Range": f"bytes={start}-"} if start else {}
        async with self._client(ANSWER_SECONDS) as client, client.stream("GET", path, headers=headers) as response:
            await _raise_refusal(response)
            start = start if response.status_code == httpx2.codes.PARTIAL_CONTENT else 0
            with target.open("r+b" if start else "wb") as file:
                file.seek(start)
                async for piece in response.aiter_raw():
                    start += len(piece)
                    if start > most:
                        raise TooLarge(f"the file is larger than the {most // 2**20} MiB that are allowed here")
                    file.write(piece)

    def _call(
        self, method: str, path: str, kind: type[Answer], seconds: float = ANSWER_SECONDS, **content: Any
    ) -> Answer:
        text = self._within(seconds, self._answer(method, path, seconds, **content))
        other = f"the server at {ENV_CENTRAL_URL} is not a mosaic-operator; check the URL"
        try:
            document = _document(text)
        except PassingError as error:
            raise PassingError(f"{other} ({error})") from None
        if not isinstance(document, dict):
            raise PassingError(other)
        try:
            return kind.model_validate(document)
        except ValidationError:
            raise PassingError("unsupported response of the central installation; update both installations") from None

    async def _answer(self, method: str, path: str, seconds: float, **content: Any) -> bytes:
        async with self._client(seconds) as client, client.stream(method, path, **content) as response:
            await _raise_refusal(response)
            return await _body(response)

    def _client(self, seconds: float) -> httpx2.AsyncClient:
        timeout = httpx2.Timeout(seconds, connect=CONNECT_SECONDS)
        return httpx2.AsyncClient(base_url=self._base, auth=self._auth, timeout=timeout)

    def _within(self, seconds: float, call: Coroutine[Any, Any, Result]) -> Result:
        """The result of a call, which is cancelled after some seconds, or when the budget ends."""
        loop = asyncio.new_event_loop()
        task = loop.create_task(asyncio.wait_for(call, seconds))

        def cancel() -> None:
            loop.call_soon_threadsafe(task.cancel)

        try:
            with self._budget.ending(cancel) if self._budget else nullcontext():
                return loop.run_until_complete(task)
        except (TimeoutError, asyncio.CancelledError):
            raise PassingError("the central installation does not answer in time") from None
        except (httpx2.HTTPError, OSError) as error:
            raise PassingError(f"the central installation does not answer ({type(error).__name__})") from None
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()  # unlike asyncio.run, it does not wait for a host name that is still being resolved


def _document(content: bytes) -> Any:
    """The JSON of a response."""
    try:
        return parse_json(content, "the answer of the central installation")
    except RequestError as error:
        raise PassingError(str(error)) from None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


async def _body(response: httpx2.Response) -> bytes:
    """The body of a response that is not a file."""
    content = bytearray()
    async for piece in response.aiter_bytes():
        content += piece
        if len(content) > MOST_ANSWER_BYTES:
            raise PassingError(f"the response of the central installation exceeds {MOST_ANSWER_BYTES // 2**20} MiB")
    return bytes(content)


async def _raise_refusal(response: httpx2.Response) -> None:
    """Raise the error of a response, if it is one."""
    status = response.status_code
    if status == httpx2.codes.UNAUTHORIZED:
        raise TokenRefused
    if response.has_redirect_location:
        raise PassingError(f"the central installation redirects to another URL; set {ENV_CENTRAL_URL} to that")
    if status < httpx2.codes.BAD_REQUEST:
        return
    try:
        problem = _document(await _body(response))
        detail, field = str(problem["detail"])[:1000], problem.get("field")
    except (PassingError, KeyError, TypeError, AttributeError):
        detail, field = f"status {status}", None
    kind = _PROBLEMS.get(status)
    if kind is None:
        raise PassingError(f"the central installation cannot process this now: {detail}")
    raise kind(f"the central installation answers: {detail}", field if isinstance(field, str) else None)
