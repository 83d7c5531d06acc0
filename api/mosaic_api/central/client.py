"""The central installation's REST API, called with this installation's token, which nothing else ever sees."""

import asyncio
import hashlib
import uuid
from collections.abc import Coroutine, Generator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import httpx
from mosaic_crds.errors import PassingError, RequestError
from mosaic_crds.json_input import parse_json
from mosaic_worker.sources.access.budget import Budget
from pydantic import BaseModel, ValidationError

from mosaic_api.central.schemas import CentralDataset, CentralRequest
from mosaic_api.settings import ENV_CENTRAL_TOKEN, ENV_CENTRAL_URL, Settings
from mosaic_api.web.problems import Conflict, Forbidden, Invalid, NotFound, Problem, TooLarge, TooMany

CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 30.0
UPLOAD_SECONDS = 900.0
"""Until it answers an upload, which it converts first."""
DOWNLOAD_TRIES = 5
MOST_ANSWER_BYTES = 16 * 2**20
"""Of an answer that is no file."""
Answer = TypeVar("Answer", bound=BaseModel)
Result = TypeVar("Result")
_PROBLEMS: dict[int, type[Problem]] = {
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    422: Invalid,
    429: TooMany,
}


class NotConfigured(Conflict):
    """There is no central installation."""

    def __init__(self) -> None:
        super().__init__(
            f"there is no central installation to share with; set the environment variables {ENV_CENTRAL_URL} and "
            f"{ENV_CENTRAL_TOKEN} (a token made there), and start again"
        )


class TokenRefused(Conflict):
    """The central installation does not know this one."""

    def __init__(self) -> None:
        super().__init__(
            f"the central installation does not accept the token in {ENV_CENTRAL_TOKEN}; make a new one there"
        )


class _Bearer(httpx.Auth):
    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


class Central:
    """A central installation. Every call raises PassingError where it does not answer in time, or not as expected.

    A call has a total time: it runs in an event loop of its own, in which it is cancelled, whatever it waits for.
    """

    def __init__(self, settings: Settings, budget: Budget | None = None) -> None:
        """Asks nothing yet.

        Args:
            settings: that name it.
            budget: ends each call, if it ends before the time of the call.

        Raises:
            NotConfigured: there is none.
        """
        if not settings.central_url or not settings.central_token:
            raise NotConfigured
        self._base = f"{settings.central_url}/api/v1/"
        self._auth = _Bearer(settings.central_token)
        self._budget = budget

    def get(self, path: str, kind: type[Answer], parameters: Mapping[str, Any] | None = None) -> Answer:
        """What it says of something.

        Raises:
            Problem: it refuses, in its own words.
        """
        return self._call("GET", path, kind, params=dict(parameters or {}))

    def ask(self, asked: Mapping[str, Any]) -> CentralRequest:
        """Ask it for a mosaic.

        Raises:
            Problem: it refuses, in its own words.
        """
        return self._call("POST", "requests", CentralRequest, json=dict(asked))

    def upload(
        self, key: uuid.UUID, fields: Mapping[str, str], file: tuple[str, BinaryIO, str] | None
    ) -> CentralDataset:
        """Make a dataset there; a second upload with the same key finds the first one's.

        Args:
            key: of the dataset here.
            fields: what is said of it.
            file: its name, its content and its media type.

        Raises:
            Problem: it refuses, in its own words.
        """
        headers = {"Idempotency-Key": str(key)}
        if file is None:
            return self._call("POST", "datasets", CentralDataset, json=dict(fields), headers=headers)
        content = {"data": dict(fields), "files": {"file": file}, "headers": headers}
        return self._call("POST", "datasets", CentralDataset, UPLOAD_SECONDS, **content)

    def change(self, dataset_id: uuid.UUID, fields: Mapping[str, Any]) -> None:
        """Change a dataset there.

        Raises:
            Problem: it refuses, in its own words.
        """
        self._call("PATCH", f"datasets/{dataset_id}", CentralDataset, UPLOAD_SECONDS, json=dict(fields))

    def remove(self, dataset_id: uuid.UUID) -> None:
        """Delete a dataset there; one that is not there is deleted already.

        Raises:
            Problem: it refuses, in its own words.
        """
        try:
            self._within(ANSWER_SECONDS, self._answer("DELETE", f"datasets/{dataset_id}", ANSWER_SECONDS))
        except NotFound:
            return

    def download(self, path: str, target: Path, sha256: str, most: int) -> None:
        """Download a file; where the connection breaks, it goes on from there.

        Args:
            path: of it, in the API.
            target: where it goes.
            sha256: that it must have.
            most: bytes that it may have.

        Raises:
            Problem: it refuses, in its own words, or the file is too large.
            PassingError: what came is not what it should be.
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
            start = start if response.status_code == httpx.codes.PARTIAL_CONTENT else 0
            with target.open("r+b" if start else "wb") as file:
                file.seek(start)
                async for piece in response.aiter_raw():
                    start += len(piece)
                    if start > most:
                        raise TooLarge(f"the file has more than the {most // 2**20} MiB that are taken here")
                    file.write(piece)

    def _call(
        self, method: str, path: str, kind: type[Answer], seconds: float = ANSWER_SECONDS, **content: Any
    ) -> Answer:
        text = self._within(seconds, self._answer(method, path, seconds, **content))
        other = f"what answers at {ENV_CENTRAL_URL} is no mosaic-operator; check the address"
        try:
            told = _document(text)
        except PassingError as error:
            raise PassingError(f"{other} ({error})") from None
        if not isinstance(told, dict):
            raise PassingError(other)
        try:
            return kind.model_validate(told)
        except ValidationError:
            raise PassingError(
                "the central installation gave an answer that this version does not understand; update both"
            ) from None

    async def _answer(self, method: str, path: str, seconds: float, **content: Any) -> bytes:
        async with self._client(seconds) as client, client.stream(method, path, **content) as response:
            await _raise_refusal(response)
            return await _body(response)

    def _client(self, seconds: float) -> httpx.AsyncClient:
        timeout = httpx.Timeout(seconds, connect=CONNECT_SECONDS)
        return httpx.AsyncClient(base_url=self._base, auth=self._auth, timeout=timeout)

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
        except (httpx.HTTPError, OSError) as error:
            raise PassingError(f"the central installation does not answer ({type(error).__name__})") from None
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()  # unlike asyncio.run it does not wait for a name that is still being resolved


def _document(content: bytes) -> Any:
    """The JSON of an answer.

    Raises:
        PassingError: it is none.
    """
    try:
        return parse_json(content, "the answer of the central installation")
    except RequestError as error:
        raise PassingError(str(error)) from None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


async def _body(response: httpx.Response) -> bytes:
    """The body of an answer that is no file."""
    content = bytearray()
    async for piece in response.aiter_bytes():
        content += piece
        if len(content) > MOST_ANSWER_BYTES:
            raise PassingError(f"the central installation answers with more than {MOST_ANSWER_BYTES // 2**20} MiB")
    return bytes(content)


async def _raise_refusal(response: httpx.Response) -> None:
    """Raise what the central installation says against a call, if anything."""
    status = response.status_code
    if status == httpx.codes.UNAUTHORIZED:
        raise TokenRefused
    if response.has_redirect_location:
        raise PassingError(f"the central installation sends elsewhere; set {ENV_CENTRAL_URL} to where it is")
    if status < httpx.codes.BAD_REQUEST:
        return
    try:
        told = _document(await _body(response))
        detail, field = str(told["detail"])[:1000], told.get("field")
    except (PassingError, KeyError, TypeError, AttributeError):
        detail, field = f"it answers with the status {status}", None
    kind = _PROBLEMS.get(status)
    if kind is None:
        raise PassingError(f"the central installation cannot do it now: {detail}")
    raise kind(f"the central installation says: {detail}", field if isinstance(field, str) else None)
