"""Checks JSON and forms in bodies, and NUL in URLs, before a route sees them."""

from email.message import Message as Described
from http import HTTPStatus
from urllib.parse import parse_qsl

from mosaic_crds.errors import RequestError
from mosaic_crds.json_input import parse_json
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mosaic_api.web.problem_details import answer


class InputValidation:
    """Answers 422, with the field, to a JSON body that breaks the rules for untrusted JSON, or a URL with NUL.

    Forms must be in UTF-8. Their content type could name any codec of Python, and some of these decode to text that
    cannot be encoded (a lone surrogate), or raise exceptions that form parsers do not expect.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a call on, or refuse it."""
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
    """The refusal of a URL or form that no route can read; None if there is none."""
    if "\0" in scope["path"]:
        return answer(HTTPStatus.NOT_FOUND, "Not Found")
    for name, value in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
        if "\0" in name + value:
            shown = name.replace("\0", "\\0")
            return answer(HTTPStatus.UNPROCESSABLE_ENTITY, f"{shown}: text must not contain NUL", shown)
    if not _is_in_utf_8(content_type):
        return answer(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a form must be encoded in UTF-8; remove `charset`")
    return None


def _is_json(content_type: str) -> bool:
    """Whether a route would read a body of this type as JSON."""
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))


def _is_in_utf_8(content_type: str) -> bool:
    """Whether a body of this type is not a multipart form, or is one in UTF-8, as RFC 7578 requires."""
    described = Described()
    described["Content-Type"] = content_type
    charset = described.get_param("charset", "utf-8")
    return described.get_content_maintype() != "multipart" or str(charset).lower() in {"utf-8", "utf8"}


def _replayed(content: bytes, receive: Receive) -> Receive:
    """A `receive` that returns a body that was read before, and then what follows."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": content, "more_body": False}

    return replay
