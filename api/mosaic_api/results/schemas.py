"""The REST schemas of tiles, values and legends, for mosaics and images."""

from pydantic import Field

from mosaic_api.web.schemas import ApiModel


class BandValue(ApiModel):
    """The value of a band; null without data."""

    name: str
    value: float | None
    label: str | None = None
    """The name of the class, in a classified mosaic."""


class PointValues(ApiModel):
    """The values of all bands at a point."""

    bands: list[BandValue]


class LegendStop(ApiModel):
    """A round value and its colour."""

    value: float
    colour: str


class BandLimits(ApiModel):
    """The values of a band for the first and the last colour."""

    name: str
    minimum: float
    maximum: float


class LegendClass(ApiModel):
    """A class, and its share."""

    name: str
    colour: str | None
    """null for values in no class, which are transparent."""
    percent: float
    """Of the pixels with data."""
    area: float | None
    """Square metres; null where pixels differ by more than 1 %."""


class Legend(ApiModel):
    """The colours of values. Three bands (red, green, blue) only have limits, and a classified mosaic only classes."""

    title: str
    colormap: str | None
    minimum: float
    maximum: float
    colours: list[str]
    stops: list[LegendStop]
    bands: list[BandLimits]
    classes: list[LegendClass] = Field(default_factory=list)
    gamma: float = 1.0
    """Of three bands: more than 1 brightens dark colours."""
    shoulder: bool = False
    """Of three bands: whether values above the maximum are compressed instead of clipped."""


class PreviewTile(ApiModel):
    """A finished tile."""

    index: int
    bounds: tuple[float, float, float, float]
    """West, south, east, north; beyond 180 degrees across the antimeridian."""
    url: str


class Preview(ApiModel):
    """The finished tiles of an unfinished mosaic."""

    stretch: str | None
    """The provisional stretch. Send it again to keep the colours. null before the first tile."""
    tiles: list[PreviewTile]
