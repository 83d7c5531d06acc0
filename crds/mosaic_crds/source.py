"""`spec.source`: the scenes of a mosaic."""

from typing import Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from mosaic_crds.fields import (
    BAND_NAMES,
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
    """A file with its details; a string is short for its reference."""

    href: Reference
    """The path, or file://, http(s):// or s3:// URL, of a JPEG 2000, GeoTIFF, COG or PNG file."""
    band: Annotated[int, Field(ge=1, le=65535)] = 1
    """The number of the band in the file, from 1."""

    @model_validator(mode="before")
    @classmethod
    def _from_reference(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"href": given}
        if not isinstance(given, dict | cls):
            raise broken(f"use the path or URL of the file, or a mapping of {', '.join(cls.model_fields)}")
        return given

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A string or an object. A structural schema cannot express that, so only Python checks it."""
        described = handler.resolve_ref_schema(handler(core))
        return {
            "description": f"{described['description']} Either the reference alone, as a string, or an object with "
            f"{', '.join(described['properties'])}.",
            "x-kubernetes-preserve-unknown-fields": True,
        }


class BandFile(_FileOrHref):
    """The file of a band."""

    scale: Number | None = None
    """value = scale x number + offset. Default: scale and offset of the file, if neither is given."""
    offset: Number | None = None
    """See scale."""
    nodata: float | None = None
    """A no-data value, in addition to those of the file."""


MaskValues = Literal["scl", "qaPixel", "fmask", "earthDaily", "probability", "nonzero", "zero"]


class MaskFile(_FileOrHref):
    """The mask of a scene."""

    values: MaskValues = "scl"
    """The encoding of the mask. scl: Sentinel-2 scene classification; qaPixel: QA_PIXEL of Landsat Collection 2; fmask:
    Fmask of HLS; earthDaily: cloud mask of EarthDaily (1 clear, 2 cloud, 3 shadow, 4 thin cloud); probability:
    probability of cloud, integers in percent or floating-point numbers from 0 to 1, which is cloud above
    composite.above. For these, composite.mask names the classes to mask. nonzero masks pixels that are not zero, zero
    masks pixels that are zero."""


AssetMap = Annotated[
    dict[BandName, Annotated[str, Field(min_length=1, max_length=128), NO_CONTROL]],
    Field(max_length=32),
    BAND_NAMES,
]


class FilesScene(Model):
    """One observation."""

    rules = (
        exactly_one("bands", "item", "safe"),
        Rule(
            server="has(self.bands) || !(has(self.datetime) || has(self.cloudCover))",
            holds=lambda scene: scene.bands is not None or (scene.datetime is None and scene.cloud_cover is None),
            message="datetime and cloudCover can only be set with bands: an item and a SAFE product have their own",
        ),
        Rule(
            server="!has(self.safe) || !has(dyn(self).mask)",
            holds=lambda scene: scene.safe is None or scene.mask is None,
            message="it can only be set with bands or item: a SAFE product has its own mask",
            field="mask",
        ),
        Rule(
            server="!has(self.bands) || !has(self.assets)",
            holds=lambda scene: scene.bands is None or scene.assets is None,
            message="it can only be set with item or safe, which have assets",
            field="assets",
        ),
        Rule(
            server="!has(self.safe) || !has(self.assets) || self.assets.size() == ('mask' in self.assets ? 1 : 0)",
            holds=lambda scene: scene.safe is None or set(scene.assets or {}) <= {"mask"},
            message="with safe, it can only name the mask, such as {mask: MSK_CLDPRB}",
            field="assets",
        ),
    )

    bands: Annotated[dict[BandName, BandFile], Field(min_length=1, max_length=32)] | None = None
    """The files of the bands, by STAC common name, such as red, nir or swir16."""
    item: Reference | None = None
    """A STAC Item: the path, or file://, http(s):// or s3:// URL. An ItemCollection, or a file with an Item per line,
    means all of its Items."""
    safe: Reference | None = None
    """A Sentinel-2 product of level 1C or 2A as ESA distributes it: the path of the .SAFE folder or of its zip."""
    mask: MaskFile | None = None
    """The mask: its reference alone, as a string, or an object with href, band, values. Default with item: the asset
    that assets names for mask, otherwise SCL, QA_PIXEL, Fmask or cloud_mask."""
    assets: AssetMap | None = None
    """Keys of the item's assets by band, if they are not found by STAC common name; mask names the asset of the mask.
    With safe, only mask: SCL (default) or MSK_CLDPRB, the probability of cloud."""
    datetime: Moment | None = None
    """The acquisition time: as in RFC 3339, UTC without a time zone, or a date."""
    cloud_cover: Percent | None = None
    """The cloud cover of the scene, percent."""


class Files(Model):
    """Scenes listed in the request."""

    scenes: Annotated[list[FilesScene], Field(min_length=1, max_length=500)]
    """The scenes."""


class Stac(Model):
    """Scenes of a STAC API."""

    url: Annotated[
        str,
        Text(
            r"(https?://[^ \x00-\x1f\x7f]+|earth-search|planetary-computer)",
            1024,
            "an http or https URL such as https://example.org/v1, earth-search or planetary-computer",
        ),
    ]
    """The URL of the API, or the name of a public one: earth-search (Element 84) or planetary-computer (Microsoft)."""
    collection: Annotated[str, Field(min_length=1, max_length=256), NO_CONTROL]
    """The collection."""
    datetime: Interval
    """A date or time, or an interval such as 2024-06-01/2024-08-31 or 2024-06-01/..; times without a time zone
    are UTC."""
    max_cloud_cover: Percent | None = None
    """The maximum cloud cover, percent."""
    query: Annotated[dict[str, Any], Field(max_length=32)] | None = None
    """Further conditions, as in the query extension of the STAC API."""
    assets: AssetMap | None = None
    """Keys of assets by band, if they are not found by STAC common name; mask names the asset of the mask."""


class EarthDaily(Model):
    """Mosaics of EarthDaily; credentials come from a Secret."""

    collection: Annotated[str, Field(min_length=1, max_length=256), NO_CONTROL] = "ai-ready-mosaics"
    """The collection."""
    datetime: Interval
    """A date or time, or an interval such as 2024-06-01/2024-08-31 or 2024-06-01/..; times without a time zone
    are UTC."""
    assets: AssetMap | None = None
    """Keys of assets by band, if they are not found by STAC common name; mask names the asset of the mask."""


OnUnreadable = Literal["fail", "skip"]


class Scenes(Model):
    """The fields of the kinds of source."""

    files: Files | None = None
    """Scenes listed in the request."""
    stac: Stac | None = None
    """Scenes of a STAC API."""
    earth_daily: EarthDaily | None = None
    """Mosaics of EarthDaily."""


class Source(Scenes):
    """The source of the scenes: exactly one of files, stac and earthDaily."""

    rules = (exactly_one(*(kind.field for kind in SOURCE_KINDS)),)

    on_unreadable: OnUnreadable = "fail"
    """What happens if a scene is missing, damaged or unusable. fail: the request fails. skip: the mosaic is made
    without that scene, which status and Item note; the request still fails if more than half of the scenes are
    unreadable."""

    @property
    def kind(self) -> SourceKind:
        """The kind of the field that is given."""
        return next(kind for kind in SOURCE_KINDS if getattr(self, kind.field) is not None)
