"""The central installation's REST API, called with this installation's token, which nothing else ever sees."""

import hashlib
import uuid
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Self

import httpx
from mosaic_crds.errors import PassingError, RequestError
from mosaic_crds.json_input import parse_json

from mosaic_api.problems import Conflict, Forbidden, Invalid, NotFound, Problem, TooLarge, TooMany
from mosaic_api.settings import ENV_CENTRAL_TOKEN, ENV_CENTRAL_URL, Settings

CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 30.0
UPLOAD_SECONDS = 900.0
"""Until it answers an upload, which it converts first."""
DOWNLOAD_TRIES = 5
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
    """A central installation, while it is talked to. Every call raises PassingError where it does not answer."""

    def __init__(self, settings: Settings) -> None:
        """Connects when it is first called.

        Raises:
            NotConfigured: there is none.
        """
        if not settings.central_url or not settings.central_token:
            raise NotConfigured
        self._client = httpx.Client(
            base_url=f"{settings.central_url}/api/v1/",
            auth=_Bearer(settings.central_token),
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What it says of something.

        Raises:
            Problem: it refuses, in its own words.
        """
        return self._call("GET", path, params=dict(parameters or {}))

    def ask(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Ask it for a mosaic.

        Raises:
            Problem: it refuses, in its own words.
        """
        return self._call("POST", "requests", json=dict(asked))

    def upload(
        self, key: uuid.UUID, fields: Mapping[str, str], file: tuple[str, BinaryIO, str] | None
    ) -> dict[str, Any]:
        """Make an entry there; a second upload with the same key finds the first one's.

        Args:
            key: of the entry here.
            fields: what is said of it.
            file: its name, its content and its media type.

        Raises:
            Problem: it refuses, in its own words.
        """
        if file is None:
            return self._call("POST", "entries", json=dict(fields), headers={"Idempotency-Key": str(key)})
        return self._call(
            "POST",
            "entries",
            data=dict(fields),
            files={"file": file},
            headers={"Idempotency-Key": str(key)},
            timeout=httpx.Timeout(UPLOAD_SECONDS, connect=CONNECT_SECONDS),
        )

    def change(self, entry_id: uuid.UUID, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Change an entry there.

        Raises:
            Problem: it refuses, in its own words.
        """
        timeout = httpx.Timeout(UPLOAD_SECONDS, connect=CONNECT_SECONDS)
        return self._call("PATCH", f"entries/{entry_id}", json=dict(fields), timeout=timeout)

    def remove(self, entry_id: uuid.UUID) -> None:
        """Delete an entry there; one that is not there is deleted already.

        Raises:
            Problem: it refuses, in its own words.
        """
        try:
            self._call("DELETE", f"entries/{entry_id}")
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
                self._continue(path, target, before, most)
                break
            except PassingError:
                if not remaining or _size(target) == before:
                    raise
        with target.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise PassingError("the central installation sent a damaged file; try again")

    def _continue(self, path: str, target: Path, start: int, most: int) -> None:
        headers = {"Range": f"bytes={start}-"} if start else {}
        with self._explained(), self._client.stream("GET", path, headers=headers) as response:
            if response.is_error:
                response.read()
            _raise_refusal(response)
            start = start if response.status_code == httpx.codes.PARTIAL_CONTENT else 0
            with target.open("r+b" if start else "wb") as file:
                file.seek(start)
                for piece in response.iter_raw():
                    start += len(piece)
                    if start > most:
                        raise TooLarge(f"the file has more than the {most // 2**20} MiB that are taken here")
                    file.write(piece)

    def _call(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        with self._explained():
            response = self._client.request(method, path, **content)
            _raise_refusal(response)
            if response.status_code == httpx.codes.NO_CONTENT:
                return {}
            told = _document(response) if "json" in response.headers.get("content-type", "") else None
        if not isinstance(told, dict):
            raise PassingError(f"what answers at {ENV_CENTRAL_URL} is no mosaic-operator; check the address")
        return told

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (httpx.HTTPError, ValueError) as error:
            raise PassingError(f"the central installation does not answer ({type(error).__name__})") from None


def _document(response: httpx.Response) -> Any:
    """The JSON of an answer.

    Raises:
        PassingError: it is none.
    """
    try:
        return parse_json(response.content, "the answer of the central installation")
    except RequestError as error:
        raise PassingError(str(error)) from None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _raise_refusal(response: httpx.Response) -> None:
    """Raise what the central installation says against a call, if anything."""
    status = response.status_code
    if status == httpx.codes.UNAUTHORIZED:
        raise TokenRefused
    if response.has_redirect_location:
        raise PassingError(f"the central installation sends elsewhere; set {ENV_CENTRAL_URL} to where it is")
    if status < httpx.codes.BAD_REQUEST:
        return
    try:
        told = _document(response)
        detail, field = str(told["detail"])[:1000], told.get("field")
    except (PassingError, KeyError, TypeError, AttributeError):
        detail, field = f"it answers with the status {status}", None
    kind = _PROBLEMS.get(status)
    if kind is None:
        raise PassingError(f"the central installation cannot do it now: {detail}")
    raise kind(f"the central installation says: {detail}", field if isinstance(field, str) else None)
