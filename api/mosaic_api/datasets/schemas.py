"""The REST schemas of datasets, which installations also exchange: the fields that a client sets, and a dataset."""

import unicodedata
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from mosaic_crds.colormaps import Colormap
from mosaic_crds.files import PNG
from pydantic import AfterValidator, ConfigDict, Field

from mosaic_api.auth.identity import Principal
from mosaic_api.auth.ownership import owns
from mosaic_api.database import Dataset as DatasetRow
from mosaic_api.datasets.boxes import Box, box_around
from mosaic_api.datasets.crud import version
from mosaic_api.datasets.reader.formats import Format
from mosaic_api.web.problems import Invalid
from mosaic_api.web.schemas import ApiModel

_CORNERS = ("west", "south", "east", "north")
_FOR_IMAGES = (*_CORNERS, "colormap", "minimum", "maximum")
_FOR_POINTS = ("longitude", "latitude")
MERCATOR_LATITUDE = 85.051128
"""The limit of web maps."""
LARGEST = 3.0e38
"""Nearly the maximum of a float32."""


def _writable(text: str) -> str:
    """Refuse control characters, which databases and pages cannot show."""
    if any(unicodedata.category(letter) in {"Cc", "Cs"} and letter not in "\n\t" for letter in text):
        raise ValueError("control characters are not allowed")
    return text.strip()


Text = Annotated[str, AfterValidator(_writable)]
Name = Annotated[Text, Field(min_length=1, max_length=100, pattern=r"\S")]
Description = Annotated[Text, Field(max_length=5000)]
Creator = Annotated[Text, Field(max_length=100)]
FileName = Annotated[Text, Field(max_length=255)]
"""Name of an uploaded file; no file system allows longer ones."""
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Value = Annotated[float, Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]


EXAMPLE: dict[str, Any] = {"name": "Glacier camp", "description": "2,100 m, by the moraine", "creator": "Ann"}
"""Valid for every kind."""


class DatasetFields(ApiModel):
    """The fields of a dataset that a client sets."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    name: Name | None = None
    description: Description | None = None
    creator: Creator | None = None
    """Free text."""
    longitude: Longitude | None = None
    """Of a point, in degrees."""
    latitude: Latitude | None = None
    west: Longitude | None = None
    """Of a picture, in degrees; west > east crosses the antimeridian."""
    south: Latitude | None = None
    east: Longitude | None = None
    north: Latitude | None = None
    colormap: Colormap | None = None
    """For an image of one band."""
    minimum: Value | None = None
    """The value of the first colour."""
    maximum: Value | None = None
    """The value of the last colour."""
    shared: bool | None = None
    """Whether all users may see it."""

    @property
    def point(self) -> Box | None:
        """The position of a point; None if it is not set.

        Raises:
            Invalid: one coordinate is missing.
        """
        if self.longitude is None and self.latitude is None:
            return None
        for field in ("longitude", "latitude"):
            if getattr(self, field) is None:
                raise Invalid(f"{field}: a point has a longitude and a latitude", field)
        return Box(self.longitude, self.latitude, self.longitude, self.latitude)  # type: ignore[arg-type]

    @property
    def corners(self) -> Box | None:
        """The extent of a picture; None if it is not set.

        Raises:
            Invalid: a side is missing, or the extent has no area on a web map.
        """
        sides = [getattr(self, side) for side in _CORNERS]
        if all(side is None for side in sides):
            return None
        for field, side in zip(_CORNERS, sides, strict=True):
            if side is None:
                raise Invalid(f"{field}: a picture needs west, south, east and north", field)
        found = Box(*sides)
        if not -MERCATOR_LATITUDE <= found.south < found.north <= MERCATOR_LATITUDE:
            raise Invalid(
                "south: must be less than north, and both within ±85.05 degrees, the limits of web maps", "south"
            )
        if found.west == found.unwrapped_east:
            raise Invalid("west: must differ from east (west > east crosses the antimeridian)", "west")
        return box_around(found.west, found.south, found.unwrapped_east, found.north)

    @property
    def style(self) -> dict[str, Any]:
        """The colours of an image that are set.

        Raises:
            Invalid: minimum and maximum are not a range.
        """
        if (self.minimum is None) != (self.maximum is None):
            field = "minimum" if self.minimum is None else "maximum"
            raise Invalid(f"{field}: set minimum and maximum together", field)
        if self.minimum is not None and self.maximum is not None and self.minimum >= self.maximum:
            raise Invalid("minimum: must be less than maximum", "minimum")
        style: dict[str, Any] = {} if self.colormap is None else {"colormap": self.colormap}
        return style if self.minimum is None else style | {"limits": [self.minimum, self.maximum]}

    def expect_kind(self, kind: str | None) -> None:
        """Refuse fields of other kinds of datasets.

        Raises:
            Invalid: one is set.
        """
        others = (() if kind == "image" else _FOR_IMAGES) + (() if kind == "point" else _FOR_POINTS)
        for field in others:
            if getattr(self, field) is not None:
                raise Invalid(f"{field}: not allowed for the kind {kind}; remove it", field)


class DatasetCreate(DatasetFields):
    """A new dataset; its file is a part of the form."""

    kind: Literal["image", "vector", "point"] | None = None
    """Required unless from_request is set."""
    from_request: uuid.UUID | None = None
    """The id of a published mosaic to copy as an image."""

    def expect_format(self, found: Format) -> None:
        """Refuse a file of another kind, and corners that are missing or not allowed.

        Raises:
            Invalid: they do not fit.
        """
        if found.kind != self.kind:
            raise Invalid(f"kind: the file is a {found.name}; use the kind {found.kind}", "kind")
        if found.placed and self.corners is None:
            raise Invalid(f"west: a {found.name} has no georeference; set west, south, east and north", "west")
        if not found.placed and self.corners is not None:
            raise Invalid(f"west: a {found.name} has a georeference; remove the corners", "west")


class DatasetPatch(DatasetFields):
    """Changed fields of a dataset; absent ones stay. Points, and pictures that were placed by corners, can be moved."""


class DatasetFile(ApiModel):
    """A file of a dataset."""

    name: str
    media_type: str
    bytes: int
    sha256: str


class DatasetSharing(ApiModel):
    """The state of a dataset on the central server."""

    id: uuid.UUID | None
    """Its id there, after it was shared."""
    state: str | None
    """waiting, done or failed; null if it was fetched from there."""
    action: str | None
    """share or unshare."""
    attempts: int
    next: datetime | None
    """The time of the next attempt."""
    message: str | None


class Dataset(ApiModel):
    """A dataset."""

    id: uuid.UUID
    kind: str
    name: str
    description: str
    creator: str
    """The author, as free text."""
    owner: str | None
    """The name of its owner."""
    mine: bool
    """Whether you own it."""
    shared: bool
    """Whether all users of this installation may see it."""
    created: datetime
    changed: datetime
    bounds: tuple[float, float, float, float]
    """West, south, east, north in degrees; west > east crosses the antimeridian."""
    footprint: dict[str, Any]
    """GeoJSON geometry."""
    files: dict[str, DatasetFile]
    """original: the uploaded file; display: what the map shows, if that is another file."""
    details: dict[str, Any]
    """Bands and statistics of an image; layers, fields and shown features of a vector file."""
    version: str
    """The ETag of its editable fields, for If-Match."""
    central: DatasetSharing | None = None

    @classmethod
    def of(cls, row: DatasetRow, principal: Principal) -> Self:
        """The dataset as the principal may see it."""
        mine = owns(principal, row)
        return cls.from_row(
            row,
            owner=row.owner.name if row.owner else None,
            mine=mine,
            bounds=(row.west, row.south, row.east, row.north),
            files={role: DatasetFile(media_type=file["mediaType"], **file) for role, file in row.files.items()},
            version=version(row),
            central=_sharing(row) if mine or principal.is_admin else None,
        )


class DatasetList(ApiModel):
    """A page of datasets, newest first."""

    datasets: list[Dataset]
    total: int
    """The number of datasets on all pages."""
    next: str | None
    """The URL of the next page."""


def _sharing(row: DatasetRow) -> DatasetSharing | None:
    if row.central_id is None and not row.sharing:
        return None
    values = {name: row.sharing.get(name) for name in ("state", "action", "next", "message")}
    return DatasetSharing(id=row.central_id, attempts=row.sharing.get("attempts", 0), **values)


def location_and_style(kind: str, bounds: Sequence[float], details: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that a copy of a dataset needs beside its file, to have the same location and style.

    `bounds` are west, south, east and north.
    """
    fields: dict[str, Any] = {}
    if kind == "point":
        fields |= {"longitude": bounds[0], "latitude": bounds[1]}
    if details.get("placed"):
        fields |= dict(zip(_CORNERS, bounds, strict=True))
    if "colormap" in details:
        fields["colormap"] = details["colormap"]
    if "limits" in details:
        fields["minimum"], fields["maximum"] = details["limits"]
    return fields


def style_of_picture(item: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that give an image of a mosaic the colours of the picture in its STAC Item."""
    picture = item["assets"].get(PNG.asset, {})
    stretch = picture.get("mosaic:stretch", [])
    fields: dict[str, Any] = {"colormap": picture["mosaic:colormap"]} if "mosaic:colormap" in picture else {}
    if len(stretch) == 1 and stretch[0][0] < stretch[0][1]:
        fields["minimum"], fields["maximum"] = stretch[0]
    return fields
