"""The page and its static files. The page gets its data over REST."""

from collections.abc import MutableMapping
from dataclasses import asdict
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, get_args

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, Response
from mosaic_crds.colormaps import Colormap
from mosaic_crds.composite import METHODS, Composite
from mosaic_crds.files import FILES
from mosaic_crds.lifecycle import Phase
from mosaic_worker.output.colormaps import palette
from mosaic_worker.output.colours import TRUE_COLOUR, TRUE_COLOUR_RANGE, TRUE_COLOUR_TONE
from mosaic_worker.product.ramps import GREY, PLAIN
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from mosaic_api.auth.local_session import is_local_user, let_in
from mosaic_api.auth.local_token import PARAMETER
from mosaic_api.context import context_of
from mosaic_api.settings import Settings

router = APIRouter(include_in_schema=False)
PACKAGE = Path(__file__).parents[1]
VENDOR = "vendor/"
"""The folder of libraries in folders named by version, whose files never change."""
STOPS = 16
"""Colours of a colormap that the page draws its ramp from."""
_templates = Jinja2Templates(PACKAGE / "templates")


class _Files(StaticFiles):
    """Static files; a browser caches those that never change for a year, and revalidates the others."""

    async def get_response(self, path: str, scope: MutableMapping[str, Any]) -> Response:
        response = await super().get_response(path, scope)
        kept = "public, max-age=31536000, immutable" if path.startswith(VENDOR) else "no-cache"
        response.headers["Cache-Control"] = kept
        return response


def mount_files(app: FastAPI) -> None:
    """Serve the page's scripts, styles and images."""
    app.mount("/static", _Files(directory=PACKAGE / "static"), name="static")


@router.get("/", response_class=HTMLResponse)
def page(request: Request) -> Response:
    """Return the page. It is public, since it contains no data; with `mosaic serve` its link sets the session."""
    settings = context_of(request).settings
    if settings.local_token:
        entered = let_in(request, settings.local_token)
        if entered is not None:
            return entered
        if not is_local_user(request, settings.local_token):
            message = "This is not the token of this server." if PARAMETER in request.query_params else ""
            values: dict[str, Any] = {"message": message, "address": str(request.base_url).rstrip("/")}
            return _templates.TemplateResponse(
                request, "login.html", values, HTTPStatus.UNAUTHORIZED, headers={"Cache-Control": "no-store"}
            )
    values = {
        "settings": page_settings(settings),
        "colormaps": colormaps(),
        "methods": METHODS,
        "phases": list(Phase),
        "default_method": Composite().method,
    }
    return _templates.TemplateResponse(request, "page.html", values, headers={"Cache-Control": "no-cache"})


def page_settings(settings: Settings) -> dict[str, Any]:
    """The settings that the page's scripts need (static/js/lib/settings.mjs)."""
    return {
        "tileServer": settings.tile_server,
        "tileAttribution": settings.tile_attribution,
        "localScenes": bool(settings.scenes),
        "maxUploadBytes": settings.max_upload_bytes,
        "colormaps": colormaps(),
        "colours": usual_colours(),
        "files": [{"key": file.key, "title": file.title} for file in FILES.values()],
    }


def usual_colours() -> dict[str, Any]:
    """The usual colours of products that are no index: formulas, one band, and true colour."""
    return {
        "expression": asdict(PLAIN),
        "band": asdict(GREY),
        "trueColour": {"bands": TRUE_COLOUR, "limits": TRUE_COLOUR_RANGE, "gamma": TRUE_COLOUR_TONE.gamma},
    }


@cache
def colormaps() -> dict[str, list[str]]:
    """The colormaps of the contract, each as colours `#rrggbb` from its first to its last."""
    return {name: _colours(palette(name)) for name in get_args(Colormap)}


def _colours(colours: bytes) -> list[str]:
    """Evenly spaced colours of a palette of 256, whose first is "no data"."""
    numbers = [round(1 + step * 254 / (STOPS - 1)) for step in range(STOPS)]
    return [f"#{colours[3 * number : 3 * number + 3].hex()}" for number in numbers]
