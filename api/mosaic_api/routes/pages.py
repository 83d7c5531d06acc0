"""The page, and the files that belong to it. What is on it, the browser asks for over REST."""

from collections.abc import MutableMapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, get_args

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, Response
from mosaic_crds.composite import METHODS, Composite
from mosaic_crds.files import FILES
from mosaic_crds.spec import Output
from mosaic_worker.output.colormaps import palette
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from mosaic_api.auth.local_session import is_local_user, let_in
from mosaic_api.auth.local_token import PARAMETER
from mosaic_api.context import context_of
from mosaic_api.settings import Settings

router = APIRouter(include_in_schema=False)
HERE = Path(__file__).parents[1]
VENDOR = "vendor/"
"""What lies below is in folders named by version, and never changes."""
STOPS = 16
"""Colours of a colormap that its picture in the form is drawn from."""
_templates = Jinja2Templates(HERE / "templates")


class _Files(StaticFiles):
    """Files that a browser keeps for a year where they never change, and asks after where they may."""

    async def get_response(self, path: str, scope: MutableMapping[str, Any]) -> Response:
        response = await super().get_response(path, scope)
        kept = "public, max-age=31536000, immutable" if path.startswith(VENDOR) else "no-cache"
        response.headers["Cache-Control"] = kept
        return response


def mount_files(app: FastAPI) -> None:
    """Serve the page's scripts, styles and pictures."""
    app.mount("/static", _Files(directory=HERE / "static"), name="static")


@router.get("/", response_class=HTMLResponse)
def page(request: Request) -> Response:
    """The one page; anybody may have it, for nothing on it is anybody's. On one's own machine its link lets one in."""
    settings = context_of(request).settings
    if settings.local_token:
        entered = let_in(request, settings.local_token)
        if entered is not None:
            return entered
        if not is_local_user(request, settings.local_token):
            asked = {"wrong": PARAMETER in request.query_params, "address": str(request.base_url).rstrip("/")}
            return _templates.TemplateResponse(
                request, "local.html", asked, HTTPStatus.UNAUTHORIZED, headers={"Cache-Control": "no-store"}
            )
    told = {
        "told": page_settings(settings),
        "colormaps": colormaps(),
        "methods": METHODS,
        "usual_method": Composite().method,
    }
    return _templates.TemplateResponse(request, "page.html", told, headers={"Cache-Control": "no-cache"})


def page_settings(settings: Settings) -> dict[str, Any]:
    """What the page's scripts know of the installation."""
    return {
        "tileServer": settings.tile_server,
        "tileAttribution": settings.tile_attribution,
        "ownScenes": bool(settings.scenes),
        "maxUploadBytes": settings.max_upload_bytes,
        "colormaps": colormaps(),
        "files": [{"key": file.key, "title": file.title} for file in FILES.values()],
    }


@cache
def colormaps() -> dict[str, list[str]]:
    """The colormaps that a mosaic may have, each as colours from its first to its last, `#rrggbb`."""
    return {name: _colours(palette(name)) for name in get_args(Output.model_fields["colormap"].annotation)}


def _colours(colours: bytes) -> list[str]:
    """Some of a palette of 256 colours, whose first stands for "no data"."""
    numbers = [round(1 + step * 254 / (STOPS - 1)) for step in range(STOPS)]
    return [f"#{colours[3 * number : 3 * number + 3].hex()}" for number in numbers]
