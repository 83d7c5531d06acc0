"""What can be said of a dataset when it is made or changed."""

import unicodedata
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from mosaic_crds.files import PNG
from mosaic_crds.spec import Colormap
from pydantic import AfterValidator, ConfigDict, Field

from mosaic_api.datasets.boxes import Box, box_around
from mosaic_api.web.problems import Invalid
from mosaic_api.web.schemas import ApiModel

_CORNERS = ("west", "south", "east", "north")
MERCATOR_LATITUDE = 85.051128
"""Where web maps end, on which pictures are placed."""
LARGEST = 3.0e38
"""Of a float32, nearly."""


def _writable(text: str) -> str:
    """Refuse what no database and no page can hold."""
    if any(unicodedata.category(letter) in {"Cc", "Cs"} and letter not in "\n\t" for letter in text):
        raise ValueError("control characters are not allowed")
    return text.strip()


Text = Annotated[str, AfterValidator(_writable)]
Name = Annotated[Text, Field(min_length=1, max_length=100, pattern=r"\S")]
Description = Annotated[Text, Field(max_length=5000)]
Creator = Annotated[Text, Field(max_length=100)]
FileName = Annotated[Text, Field(max_length=255)]
"""Of a file that is uploaded; no file system has longer ones."""
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Value = Annotated[float, Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]


EXAMPLE: dict[str, Any] = {"name": "Glacier camp", "description": "2,100 m, by the moraine", "creator": "Ann"}
"""Fits every kind."""


class DatasetFields(ApiModel):
    """What can be said of a dataset."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    name: Name | None = None
    description: Description | None = None
    creator: Creator | None = None
    """As people write it."""
    longitude: Longitude | None = None
    """Of a point, degrees."""
    latitude: Latitude | None = None
    west: Longitude | None = None
    """Of a picture, degrees; west > east crosses the antimeridian."""
    south: Latitude | None = None
    east: Longitude | None = None
    north: Latitude | None = None
    colormap: Colormap | None = None
    """Of an image of one band."""
    minimum: Value | None = None
    """The value of the first colour."""
    maximum: Value | None = None
    """The value of the last colour."""
    shared: bool | None = None
    """Whether everybody here may see it."""

    @property
    def point(self) -> Box | None:
        """Where a point is, if that is said.

        Raises:
            Invalid: it is said by half.
        """
        if self.longitude is None and self.latitude is None:
            return None
        for field in ("longitude", "latitude"):
            if getattr(self, field) is None:
                raise Invalid(f"{field}: a point has a longitude and a latitude", field)
        return Box(self.longitude, self.latitude, self.longitude, self.latitude)  # type: ignore[arg-type]

    @property
    def corners(self) -> Box | None:
        """Where a picture is, if that is said.

        Raises:
            Invalid: it is said in part, or has no area on a web map.
        """
        sides = [getattr(self, side) for side in _CORNERS]
        if all(side is None for side in sides):
            return None
        for field, side in zip(_CORNERS, sides, strict=True):
            if side is None:
                raise Invalid(f"{field}: a picture is placed by west, south, east and north together", field)
        found = Box(*sides)
        if not -MERCATOR_LATITUDE <= found.south < found.north <= MERCATOR_LATITUDE:
            raise Invalid("south: it must be less than north, both within ±85.05 degrees, where web maps end", "south")
        if found.west == found.unwrapped_east:
            raise Invalid("west: it must not be east (west > east crosses the antimeridian)", "west")
        return box_around(found.west, found.south, found.unwrapped_east, found.north)

    @property
    def look(self) -> dict[str, Any]:
        """How an image is coloured, as far as that is said.

        Raises:
            Invalid: the limits are no limits.
        """
        if (self.minimum is None) != (self.maximum is None):
            field = "minimum" if self.minimum is None else "maximum"
            raise Invalid(f"{field}: the values of the first and the last colour are told together", field)
        if self.minimum is not None and self.maximum is not None and self.minimum >= self.maximum:
            raise Invalid("minimum: it must be less than maximum", "minimum")
        said: dict[str, Any] = {} if self.colormap is None else {"colormap": self.colormap}
        return said if self.minimum is None else said | {"limits": [self.minimum, self.maximum]}


class DatasetCreate(DatasetFields):
    """What is said of a new dataset; a file comes beside it."""

    kind: Literal["image", "vector", "point"] | None = None
    """Of what is sent; needed unless from_request is given."""
    from_request: uuid.UUID | None = None
    """The id of a published mosaic, which becomes an image."""


class DatasetPatch(DatasetFields):
    """What is to be otherwise; what is absent stays. Points can be moved, and pictures that were placed by corners."""


def location_and_style(kind: str, bounds: Sequence[float], details: Mapping[str, Any]) -> dict[str, Any]:
    """What has to be said of a dataset beside its file, so that another one lies and looks as it does.

    Args:
        kind: of it.
        bounds: west, south, east and north.
        details: of it.
    """
    said: dict[str, Any] = {}
    if kind == "point":
        said |= {"longitude": bounds[0], "latitude": bounds[1]}
    if details.get("placed"):
        said |= dict(zip(_CORNERS, bounds, strict=True))
    if "colormap" in details:
        said["colormap"] = details["colormap"]
    if "limits" in details:
        said["minimum"], said["maximum"] = details["limits"]
    return said


def style_of_picture(item: Mapping[str, Any]) -> dict[str, Any]:
    """What has to be said of a mosaic, so that an image of it is coloured as its picture is.

    Args:
        item: its STAC Item.
    """
    picture = item["assets"].get(PNG.asset, {})
    stretch = picture.get("mosaic:stretch", [])
    said: dict[str, Any] = {"colormap": picture["mosaic:colormap"]} if "mosaic:colormap" in picture else {}
    if len(stretch) == 1 and stretch[0][0] < stretch[0][1]:
        said["minimum"], said["maximum"] = stretch[0]
    return said
