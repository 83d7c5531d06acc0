"""JSON and forms in the bodies of calls, and NUL in addresses: checked in one place, before a route sees them."""

from email.message import Message as Described
from http import HTTPStatus
from urllib.parse import parse_qsl

from mosaic_crds.errors import RequestError
from mosaic_crds.json_input import parse_json
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mosaic_api.web.problems import answer


class InputValidation:
    """Answers 422, with the field, where a body of JSON breaks the rule for JSON from outside, or an address has a NUL.

    Forms must be in UTF-8. Their content type could name any codec of Python, and some of them decode to text that
    cannot be encoded again (a lone surrogate), or raise what no parser of forms expects.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a call through, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        content_type = Headers(scope=scope).get("content-type", "")
        refusal = _refusal(scope, content_type)
        if refusal is None and _is_json(content_type):
            try:
                content = await Request(scope, receive).body()
                if content:
                    parse_json(content, "the body")
                receive = _replayed(content, receive)
            except ClientDisconnect:
                return
            except RequestError as error:
                refusal = answer(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), error.field)
        await (refusal or self._app)(scope, receive, send)


def _refusal(scope: Scope, content_type: str) -> Response | None:
    """The answer to a call whose address or form no route can read; None to others."""
    if "\0" in scope["path"]:
        return answer(HTTPStatus.NOT_FOUND, "Not Found")
    for name, value in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
        if "\0" in name + value:
            shown = name.replace("\0", "\\0")
            return answer(HTTPStatus.UNPROCESSABLE_ENTITY, f"{shown}: text must not contain NUL", shown)
    if not _is_in_utf_8(content_type):
        return answer(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a form must be encoded in UTF-8; leave `charset` out")
    return None


def _is_json(content_type: str) -> bool:
    """Whether a route would read a body of this type as JSON."""
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))


def _is_in_utf_8(content_type: str) -> bool:
    """Whether a body of this type is no form of several parts, or one in UTF-8, as RFC 7578 wants it."""
    described = Described()
    described["Content-Type"] = content_type
    charset = described.get_param("charset", "utf-8")
    return described.get_content_maintype() != "multipart" or str(charset).lower() in {"utf-8", "utf8"}


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
