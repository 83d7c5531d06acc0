"""The REST schemas of what is shown of mosaics and of images."""

from mosaic_api.web.schemas import ApiModel


class BandValue(ApiModel):
    """The value of a band; null where there is none."""

    name: str
    value: float | None


class PointValues(ApiModel):
    """The values of a mosaic's bands at a place."""

    bands: list[BandValue]


class LegendStop(ApiModel):
    """A round value and its colour."""

    value: float
    colour: str


class BandLimits(ApiModel):
    """The values of a band that get the first and the last colour."""

    name: str
    minimum: float
    maximum: float


class Legend(ApiModel):
    """Which colour stands for which value. A mosaic of three bands, which are red, green and blue, has only limits."""

    title: str
    colormap: str | None
    minimum: float
    maximum: float
    colours: list[str]
    stops: list[LegendStop]
    bands: list[BandLimits]


class PreviewTile(ApiModel):
    """A tile that is done."""

    index: int
    bounds: tuple[float, float, float, float]
    """West, south, east, north; beyond 180 degrees across the antimeridian."""
    url: str


class Preview(ApiModel):
    """What is done of a mosaic by now."""

    stretch: str | None
    """By which pictures are coloured for the time being; sent back, the colours stay. null before a tile is done."""
    tiles: list[PreviewTile]
