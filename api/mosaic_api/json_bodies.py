"""JSON in the bodies of calls, and NUL in addresses: checked in one place, before a route or the database sees it."""

from http import HTTPStatus
from urllib.parse import parse_qsl

from mosaic_crds.errors import RequestError
from mosaic_crds.json_input import parse_json
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mosaic_api.problems import answer


class JsonBodies:
    """Answers 422, with the field, where a body of JSON breaks the rule for JSON from outside; others pass."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a call through, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if "\0" in scope["path"]:
            await answer(HTTPStatus.NOT_FOUND, "Not Found")(scope, receive, send)
            return
        for name, value in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
            if "\0" in name + value:
                shown = name.replace("\0", "\\0")
                await answer(HTTPStatus.UNPROCESSABLE_ENTITY, f"{shown}: text must not contain NUL", shown)(
                    scope, receive, send
                )
                return
        if not _is_json(Headers(scope=scope).get("content-type", "")):
            await self._app(scope, receive, send)
            return
        try:
            content = await Request(scope, receive).body()
            if content:
                parse_json(content, "the body")
        except ClientDisconnect:
            return
        except RequestError as error:
            await answer(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), error.field)(scope, receive, send)
            return
        await self._app(scope, _replayed(content, receive), send)


def _is_json(content_type: str) -> bool:
    """Whether a route would read a body of this type as JSON."""
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))


def _replayed(content: bytes, receive: Receive) -> Receive:
    """What receives a body that was read already, and then what follows it."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": content, "more_body": False}

    return replay
