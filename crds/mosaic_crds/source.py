"""`spec.source`: which scenes a mosaic is made from."""

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from mosaic_crds.fields import (
    NO_CONTROL,
    BandName,
    Interval,
    Model,
    Moment,
    Number,
    Percent,
    Reference,
    Rule,
    Text,
    broken,
    exactly_one,
)
from mosaic_crds.source_kinds import SOURCE_KINDS, SourceKind


class _FileOrHref(Model):
    """A file with its details, which may be shortened to the file's reference alone."""

    @model_validator(mode="before")
    @classmethod
    def _from_reference(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"href": given}
        if not isinstance(given, dict | cls):
            raise broken(f"the file's path or URL is allowed, or a mapping of {', '.join(cls.model_fields)}")
        return given

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A string or an object, which a structural schema cannot say; Python checks what the server lets pass."""
        described = handler.resolve_ref_schema(handler(core))
        return {
            "description": f"{described['description']} Either the reference alone, as a string, or an object with "
            f"{', '.join(described['properties'])}.",
            "x-kubernetes-preserve-unknown-fields": True,
        }


class BandFile(_FileOrHref):
    """The file of a band."""

    href: Reference
    """Path, or file://, http(s):// or s3:// URL, of a JPEG 2000, GeoTIFF, COG or PNG."""
    band: Annotated[int, Field(ge=1, le=65535)] = 1
    """The band's number in the file, from 1."""
    scale: Number | None = None
    """value = scale x number + offset; what the file itself says if neither is given."""
    offset: Number | None = None
    """See scale."""
    nodata: float | None = None
    """A number that means "no data", beside those that the file itself states."""


MaskValues = Literal["scl", "qaPixel", "fmask", "earthDaily", "nonzero", "zero"]


class MaskFile(_FileOrHref):
    """The mask of a scene."""

    href: Reference
    """Path, or file://, http(s):// or s3:// URL."""
    band: Annotated[int, Field(ge=1, le=65535)] = 1
    """The band's number in the file, from 1."""
    values: MaskValues = "scl"
    """What its numbers mean. scl: a Sentinel-2 scene classification; qaPixel: QA_PIXEL of Landsat Collection 2;
    fmask: Fmask of HLS; earthDaily: a cloud mask of EarthDaily (1 clear, 2 cloud, 3 shadow, 4 thin cloud); of these
    composite.mask names the classes to leave out. nonzero: pixels that are not zero are left out; zero: pixels that are
    zero are."""


AssetMap = Annotated[
    dict[BandName, Annotated[str, Field(min_length=1, max_length=128, pattern=NO_CONTROL)]], Field(max_length=32)
]


def _has(*fields: str) -> dict[str, Any]:
    return {"required": list(fields)}


class FilesScene(Model):
    """One observation."""

    rules = (
        replace(exactly_one("bands", "item", "safe"), server={"oneOf": [_has("bands"), _has("item"), _has("safe")]}),
        Rule(
            server={"anyOf": [_has("bands"), {"not": {"anyOf": [_has("datetime"), _has("cloudCover")]}}]},
            holds=lambda scene: scene.bands is not None or (scene.datetime is None and scene.cloud_cover is None),
            message="datetime and cloudCover go with bands, for an item and a SAFE product say their own",
        ),
        Rule(
            server={"not": _has("safe", "mask")},
            holds=lambda scene: scene.safe is None or scene.mask is None,
            message="it goes with bands or item, for a SAFE product has its own",
            field="mask",
        ),
        Rule(
            server={"anyOf": [_has("item"), {"not": _has("assets")}]},
            holds=lambda scene: scene.item is not None or scene.assets is None,
            message="it goes with an item, which has assets",
            field="assets",
        ),
    )

    bands: Annotated[dict[BandName, BandFile], Field(min_length=1, max_length=32)] | None = None
    """The files of the bands by STAC common name, such as red, nir or swir16."""
    item: Reference | None = None
    """A STAC Item: path, or file://, http(s):// or s3:// URL. An ItemCollection, or a file with an Item in each line,
    represents all of its Items."""
    safe: Reference | None = None
    """A Sentinel-2 product of level 1C or 2A as ESA ships it: the path of the .SAFE folder or of its zip."""
    mask: MaskFile | None = None
    """Which pixels to leave out: the mask's reference alone, as a string, or an object with href, band, values.
    Of an item, if absent, the asset that assets names for mask, else SCL, QA_PIXEL, Fmask or cloud_mask."""
    assets: AssetMap | None = None
    """Keys of the item's assets by band, where these are not found by STAC common name; for mask, that of the mask."""
    datetime: Moment | None = None
    """When it was taken: a time as in RFC 3339, UTC if it names no zone, or a date."""
    cloud_cover: Percent | None = None
    """Percent of the scene under cloud."""


class Files(Model):
    """Scenes that the request lists itself."""

    scenes: Annotated[list[FilesScene], Field(min_length=1, max_length=500)]
    """The scenes."""


class Stac(Model):
    """Scenes of a STAC API."""

    url: Annotated[
        str,
        Text(
            r"(https?://[^ \x00-\x1f\x7f]+|earth-search|planetary-computer)",
            1024,
            "an http or https URL, earth-search or planetary-computer",
        ),
    ]
    """The API's URL, or the name of a public one: earth-search (Element 84) or planetary-computer (Microsoft)."""
    collection: Annotated[str, Field(min_length=1, max_length=256, pattern=NO_CONTROL)]
    """The collection."""
    datetime: Interval
    """A date or time, or an interval such as 2024-06-01/2024-08-31 or 2024-06-01/..; times are UTC if they name no
    zone."""
    max_cloud_cover: Percent | None = None
    """Leave out scenes with more cloud than this, percent."""
    query: Annotated[dict[str, Any], Field(max_length=32)] | None = None
    """Further conditions, as the query extension of the STAC API has them."""
    assets: AssetMap | None = None
    """Keys of assets by band, where they are not found by the STAC common name; for mask, that of the mask."""


class EarthDaily(Model):
    """Mosaics of EarthDaily; credentials come from a Secret."""

    collection: Annotated[str, Field(min_length=1, max_length=256, pattern=NO_CONTROL)] = "ai-ready-mosaics"
    """The collection."""
    datetime: Interval
    """A date or time, or an interval such as 2024-06-01/2024-08-31 or 2024-06-01/..; times are UTC if they name no
    zone."""
    assets: AssetMap | None = None
    """Keys of assets by band, where they are not found by the STAC common name; for mask, that of the mask."""


OnUnreadable = Literal["fail", "skip"]


class Source(Model):
    """Where scenes come from."""

    rules = (exactly_one(*(kind.field for kind in SOURCE_KINDS)),)

    files: Files | None = None
    """Scenes that the request lists itself."""
    stac: Stac | None = None
    """Scenes of a STAC API."""
    earth_daily: EarthDaily | None = None
    """Mosaics of EarthDaily."""
    on_unreadable: OnUnreadable = "fail"
    """What happens when a scene is missing, damaged or cannot be used. fail: the request fails. skip: the mosaic is
    made without that scene, and status and Item say so; it still fails when more than half of the scenes are
    unreadable."""

    @property
    def kind(self) -> SourceKind:
        """Which of its fields is given."""
        return next(kind for kind in SOURCE_KINDS if getattr(self, kind.field) is not None)
