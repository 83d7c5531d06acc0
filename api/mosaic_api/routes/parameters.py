"""Parameters and values that several routes share."""

from typing import Annotated

from fastapi import Path, Query
from mosaic_crds.colormaps import Colormap
from pydantic import BaseModel, Field

from mosaic_api.datasets.schemas import Value
from mosaic_api.results.tiles import MOST_ZOOM

FOR_NOW = "private, no-cache"
"""Cache-Control: browsers revalidate each time."""
Longitude = Annotated[float, Query(ge=-180, le=180, allow_inf_nan=False, examples=[-123.37])]
Latitude = Annotated[float, Query(ge=-90, le=90, allow_inf_nan=False, examples=[48.43])]
Zoom = Annotated[int, Path(ge=0, le=MOST_ZOOM)]
TileNumber = Annotated[int, Path(ge=0, lt=2**MOST_ZOOM)]


class Colours(BaseModel):
    """The colours of values; by default, those of the mosaic's picture or of the image."""

    colormap: Annotated[Colormap | None, Field(description="for one band; default: its own")] = None
    minimum: Annotated[Value | None, Field(description="value of the first colour; default: its own")] = None
    maximum: Annotated[Value | None, Field(description="value of the last colour; default: its own")] = None


ColoursQuery = Annotated[Colours, Query()]
