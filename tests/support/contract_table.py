"""Valid and invalid requests, with which tests check the models and a real API server."""

import json
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, get_args

from mosaic_crds.colormaps import Colormap
from mosaic_crds.composite import METHODS
from mosaic_crds.names import API_VERSION

GONE = object()
"""As a value: remove the field."""


@dataclass(frozen=True)
class Case:
    """A request, and the expected result of its validation.

    Attributes:
        name: Name of the case.
        request: The whole MosaicRequest.
        message: Message of the models; None if the request is valid.
        server: Whether the API server refuses it too, with strict validation of unknown fields.
    """

    name: str
    request: dict[str, Any]
    message: str | None
    server: bool


BASE: dict[str, Any] = {
    "apiVersion": API_VERSION,
    "kind": "MosaicRequest",
    "metadata": {"name": "test", "namespace": "default"},
    "spec": {
        "source": {"files": {"scenes": [{"bands": {"green": "green.tif", "swir16": "swir.tif"}}]}},
        "product": {"index": "NDSI"},
    },
}
SCENE = "spec.source.files.scenes.0"
SCENE_PATH = "spec.source.files.scenes[0]"
SIXTEEN = [f"b{number}" for number in range(1, 17)]
STAC = {"stac": {"url": "https://example.org/v1", "collection": "c", "datetime": "2024-06-01/2024-08-31"}}
BOX = {"bbox": [15, 45, 16, 46]}
THREE_BANDS = {"bands": ["red", "green", "blue"]}
_COLORMAPS = get_args(Colormap)
RING = [[15, 45], [16, 45], [16, 46], [15, 45]]
POLYGON = {"type": "Polygon", "coordinates": [RING]}


def request_with(changes: dict[str, Any]) -> dict[str, Any]:
    """The base request with values set or removed at dotted paths."""
    request = deepcopy(BASE)
    for path, value in changes.items():
        *parents, last = path.split(".")
        place: Any = request
        for step in parents:
            place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
        if value is GONE:
            del place[last]
        else:
            place[last] = deepcopy(value)
    return request


def valid(name: str, changes: dict[str, Any]) -> Case:
    """A request that the models and the API server accept."""
    return Case(name, request_with(changes), None, server=False)


def invalid(name: str, changes: dict[str, Any], message: str, *, server: bool = True) -> Case:
    """A request that the models refuse, and the API server if it can."""
    return Case(name, request_with(changes), message, server)


def crs(name: str) -> dict[str, Any]:
    """The former `crs` member of GeoJSON, with this name."""
    return {"type": "name", "properties": {"name": name}}


def nested(levels: int) -> list[Any]:
    """A list nested to this many levels."""
    found: list[Any] = []
    for _ in range(levels - 1):
        found = [found]
    return found


def ring_of(positions: int) -> list[list[float]]:
    return [[15 + n / positions, 45] for n in range(positions - 1)] + [[15, 45]]


CLOSED_RINGS = (
    "use closed rings of at least 4 positions [longitude, latitude] within [-360, 360] and [-90, 90], "
    "nested as in GeoJSON for the type"
)
WORLD = (
    "use [west, south, east, north] within [-360, 360] and [-90, 90] degrees, at most 360 wide, "
    "such as [15, 45, 16.5, 46]"
)
ORDER = "south must be less than north, and west differ from east (west > east crosses the antimeridian)"
BAND_NAME = "use a band name of at most 32 letters, digits and _, such as nir or swir16"
TIME = "use a time such as 2024-07-01T19:03:11Z (UTC without a time zone), or a date"
INTERVAL = "use a date or time, or an interval such as 2024-06-01/2024-08-31 or 2024-06-01/.. (UTC without a time zone)"
DURATION = "use a duration such as 15m, 6h or 1d12h"
DNS_NAME = "use at most 63 lower-case letters, digits and hyphens, such as team-a"
BAND_FILE = "use the path or URL of the file, or a mapping of href, band, scale, offset, nodata"
NAMES = list(METHODS)
TAKE_SCENES = [name for name, info in METHODS.items() if info.takes_scenes]
GEOMEDIAN = {"method": "geomedian"}
METHOD = f"use {', '.join(NAMES[:-1])} or {NAMES[-1]}"

REQUEST = [
    valid("the smallest request", {}),
    valid("metadata of Kubernetes", {"metadata.labels": {"a": "b"}, "metadata.annotations": {"c": "d"}}),
    invalid("another kind", {"kind": "Job"}, 'kind is "Job"; use MosaicRequest'),
    invalid("another version", {"apiVersion": "v1"}, f'apiVersion is "v1"; use {API_VERSION}'),
    invalid(
        "another kind with fields of its own",
        {"kind": "Job", "spec": {"template": {}}},
        'kind is "Job"; use MosaicRequest',
    ),
    invalid("no spec", {"spec": GONE}, "spec is missing"),
    invalid("a spec that is text", {"spec": "NDVI"}, 'spec is "NDVI"; it must be a mapping of fields'),
    invalid(
        "an unknown field at the top",
        {"sepc": {}},
        "sepc is not a field (did you mean spec?); use apiVersion, kind, metadata, spec or status",
    ),
    invalid(
        "a misspelt required field",
        {"spec.product": GONE, "spec.prodct": {"index": "NDVI"}},
        "spec.prodct is not a field (did you mean product?); "
        "use area, source, minus, product, composite, grid, output or execution",
    ),
    invalid(
        "a name in capitals",
        {"metadata.name": "NDVI"},
        'metadata.name is "NDVI"; use at most 52 lower-case letters, digits and hyphens, such as my-mosaic',
    ),
    valid("a name of 52 characters", {"metadata.name": "a" * 52}),
    invalid(
        "a name of 53 characters",
        {"metadata.name": "a" * 53},
        f'metadata.name is "{"a" * 53}"; use at most 52 lower-case letters, digits and hyphens, such as my-mosaic',
    ),
    invalid(
        "a name with a dot",
        {"metadata.name": "a.b"},
        'metadata.name is "a.b"; use at most 52 lower-case letters, digits and hyphens, such as my-mosaic',
    ),
]
AREA = [
    valid("a box", {"spec.area": BOX}),
    valid("a box across the antimeridian", {"spec.area": {"bbox": [179.5, -17.5, -179.5, -16.5]}}),
    valid("a box across the antimeridian, beyond 180", {"spec.area": {"bbox": [179.5, -17.5, 180.5, -16.5]}}),
    valid("a box across the antimeridian, beyond -180", {"spec.area": {"bbox": [-180.5, -17.5, -179.5, -16.5]}}),
    valid("the whole world", {"spec.area": {"bbox": [-180, -90, 180, 90]}}),
    valid("the whole world from Greenwich", {"spec.area": {"bbox": [0, -90, 360, 90]}}),
    invalid(
        "more than the world",
        {"spec.area": {"bbox": [-180, -90, 181, 90]}},
        f"spec.area.bbox is [-180, -90, 181, 90]; {WORLD}",
    ),
    valid("a polygon", {"spec.area": {"geometry": {"type": "Polygon", "coordinates": [RING]}}}),
    valid("two polygons", {"spec.area": {"geometry": {"type": "MultiPolygon", "coordinates": [[RING], [RING]]}}}),
    valid("10,000 positions", {"spec.area": {"geometry": {"type": "Polygon", "coordinates": [ring_of(10_000)]}}}),
    valid(
        "a polygon with GeoJSON's other members",
        {"spec.area": {"geometry": POLYGON | {"bbox": [15, 45, 16, 46], "crs": crs("urn:ogc:def:crs:OGC:1.3:CRS84")}}},
    ),
    *(
        valid(f"a polygon in {name}", {"spec.area": {"geometry": POLYGON | {"crs": crs(name)}}})
        for name in ("EPSG:4326", "urn:ogc:def:crs:EPSG::4326", "http://www.opengis.net/def/crs/OGC/1.3/CRS84")
    ),
    *(
        invalid(
            f"a polygon in {name}",
            {"spec.area": {"geometry": POLYGON | {"crs": crs(name)}}},
            f'spec.area.geometry.crs.properties.name is "{name}"; '
            "use longitudes and latitudes in WGS 84 (RFC 7946): reproject the polygons to EPSG:4326",
        )
        for name in ("EPSG:32633", "EPSG:43260", "urn:ogc:def:crs:EPSG::3857")
    ),
    invalid(
        "a Feature as geometry",
        {"spec.area": {"geometry": {"type": "Feature", "properties": {}, "geometry": POLYGON}}},
        'spec.area.geometry.type is "Feature"; use Polygon or MultiPolygon: give only the geometry of the Feature',
    ),
    invalid(
        "a FeatureCollection as area",
        {"spec.area": {"type": "FeatureCollection", "features": []}},
        'spec.area.type is "FeatureCollection"; give only its Polygon or MultiPolygon, as area.geometry',
    ),
    invalid("no area in it", {"spec.area": {}}, "spec.area is {}; give exactly one of bbox, geometry"),
    invalid(
        "two areas",
        {"spec.area": BOX | {"geometry": {"type": "Polygon", "coordinates": [RING]}}},
        'spec.area is {"bbox": [15, 45, 16, 46], "geometry": {"type": "Polygon", "coordinates": [[[...; '
        "give exactly one of bbox, geometry",
    ),
    invalid("three numbers", {"spec.area": {"bbox": [1, 2, 3]}}, f"spec.area.bbox is [1, 2, 3]; {WORLD}"),
    invalid(
        "five numbers",
        {"spec.area": {"bbox": [1, 2, 3, 4, 5]}},
        "spec.area.bbox is [1, 2, 3, 4, 5]; give at most 4",
    ),
    invalid(
        "text for a number",
        {"spec.area": {"bbox": [1, 2, 3, "4"]}},
        'spec.area.bbox[3] is "4"; it must be a number',
    ),
    invalid("no north", {"spec.area": {"bbox": [15, 45, 16, 91]}}, f"spec.area.bbox is [15, 45, 16, 91]; {WORLD}"),
    invalid("no south", {"spec.area": {"bbox": [15, -91, 16, 46]}}, f"spec.area.bbox is [15, -91, 16, 46]; {WORLD}"),
    invalid(
        "no west", {"spec.area": {"bbox": [-361, 45, -345, 46]}}, f"spec.area.bbox is [-361, 45, -345, 46]; {WORLD}"
    ),
    invalid("no east", {"spec.area": {"bbox": [15, 45, 361, 46]}}, f"spec.area.bbox is [15, 45, 361, 46]; {WORLD}"),
    invalid(
        "south above north", {"spec.area": {"bbox": [15, 46, 16, 45]}}, f"spec.area.bbox is [15, 46, 16, 45]; {ORDER}"
    ),
    invalid(
        "a box without width", {"spec.area": {"bbox": [15, 45, 15, 46]}}, f"spec.area.bbox is [15, 45, 15, 46]; {ORDER}"
    ),
    invalid(
        "a box without height",
        {"spec.area": {"bbox": [15, 45, 16, 45]}},
        f"spec.area.bbox is [15, 45, 16, 45]; {ORDER}",
    ),
    invalid(
        "no area of a catalogue",
        {"spec.source": STAC},
        "spec.area is missing; it is required, except with source.files",
    ),
    invalid(
        "a point",
        {"spec.area": {"geometry": {"type": "Point", "coordinates": [1, 2]}}},
        'spec.area.geometry.type is "Point"; use Polygon or MultiPolygon',
    ),
    invalid(
        "a ring of three positions",
        {"spec.area": {"geometry": {"type": "Polygon", "coordinates": [[[1, 1], [2, 2], [1, 1]]]}}},
        f"spec.area.geometry.coordinates is [[[1, 1], [2, 2], [1, 1]]]; {CLOSED_RINGS}",
        server=False,
    ),
    invalid(
        "a ring that is open",
        {"spec.area": {"geometry": {"type": "Polygon", "coordinates": [[[1, 1], [2, 1], [2, 2], [1, 2]]]}}},
        f"spec.area.geometry.coordinates is [[[1, 1], [2, 1], [2, 2], [1, 2]]]; {CLOSED_RINGS}",
        server=False,
    ),
    invalid(
        "a position outside the world",
        {"spec.area": {"geometry": {"type": "Polygon", "coordinates": [[[1, 1], [2, 91], [2, 2], [1, 1]]]}}},
        f"spec.area.geometry.coordinates is [[[1, 1], [2, 91], [2, 2], [1, 1]]]; {CLOSED_RINGS}",
        server=False,
    ),
    invalid(
        "a polygon that calls itself several",
        {"spec.area": {"geometry": {"type": "MultiPolygon", "coordinates": [RING]}}},
        f"spec.area.geometry.coordinates is [[[15, 45], [16, 45], [16, 46], [15, 45]]]; {CLOSED_RINGS}",
        server=False,
    ),
    invalid(
        "10,001 positions",
        {"spec.area": {"geometry": {"type": "Polygon", "coordinates": [ring_of(10_001)]}}},
        f"spec.area.geometry.coordinates is {str([ring_of(10_001)])[:77]}...; "
        "it must have at most 10,000 positions: simplify the polygon",
        server=False,
    ),
]
SOURCE = [
    valid(
        "a band with all details",
        {f"{SCENE}.bands.green": {"href": "a.tif", "band": 2, "scale": 0.0001, "offset": -0.1, "nodata": 0}},
    ),
    valid("a mask as text", {f"{SCENE}.mask": "scl.tif"}),
    valid("a mask with details", {f"{SCENE}.mask": {"href": "m.tif", "band": 1, "values": "nonzero"}}),
    valid("a time", {f"{SCENE}.datetime": "2024-07-01T19:03:11.024Z", f"{SCENE}.cloudCover": 12.5}),
    valid("a time in a zone", {f"{SCENE}.datetime": "2024-07-01T19:03:11-07:00"}),
    valid("a date", {f"{SCENE}.datetime": "2024-07-01"}),
    *(
        valid(f"the time {text}", {f"{SCENE}.datetime": text})
        for text in (
            "2024-07-01T19:03:11",
            "2024-07-01t19:03:11z",
            "2024-07-01 19:03",
            "2024-06-30T23:59:60Z",
            "2024-07-01T24:00:00+0000",
            "2024-07-01T19:03:11.123456789Z",
        )
    ),
    valid("an item with a mask", {SCENE.removesuffix(".0"): [{"item": "item.json", "mask": "scl.tif"}]}),
    valid(
        "an item with assets",
        {SCENE.removesuffix(".0"): [{"item": "item.json", "assets": {"nir": "nir08", "mask": "SCL_60m"}}]},
    ),
    *(
        valid(f"a mask of {values}", {f"{SCENE}.mask": {"href": "m.tif", "values": values}})
        for values in ("scl", "qaPixel", "fmask", "earthDaily", "probability", "zero")
    ),
    valid("a SAFE folder", {SCENE.removesuffix(".0"): [{"safe": "S2A.SAFE"}]}),
    valid("a SAFE folder with its mask", {SCENE.removesuffix(".0"): [{"safe": "s", "assets": {"mask": "MSK_CLDPRB"}}]}),
    valid("a SAFE folder without a mask", {SCENE.removesuffix(".0"): [{"safe": "S2A.SAFE", "assets": {}}]}),
    valid("500 scenes", {SCENE.removesuffix(".0"): [{"item": "item.json"}] * 500}),
    valid("32 bands", {f"{SCENE}.bands": {f"b{number}": "b.tif" for number in range(32)}}),
    valid("a catalogue", {"spec.area": BOX, "spec.source": STAC}),
    valid(
        "all of a catalogue's fields",
        {
            "spec.area": BOX,
            "spec.source": STAC,
            "spec.source.stac.datetime": "2024-06-01T00:00:00Z/..",
            "spec.source.stac.maxCloudCover": 20,
            "spec.source.stac.query": {"platform": {"eq": "sentinel-2a"}},
            "spec.source.stac.assets": {"nir": "B08"},
        },
    ),
    valid("EarthDaily", {"spec.area": BOX, "spec.source": {"earthDaily": {"datetime": "2024-07-01"}}}),
    valid("unreadable scenes are skipped", {"spec.source.onUnreadable": "skip"}),
    invalid(
        "another way with unreadable scenes",
        {"spec.source.onUnreadable": "Skip"},
        'spec.source.onUnreadable is "Skip" (did you mean skip?); use fail or skip',
    ),
    invalid(
        "a name in snake case",
        {"spec.area": BOX, "spec.source": STAC, "spec.source.stac.max_cloud_cover": 20},
        "spec.source.stac.max_cloud_cover is not a field (did you mean maxCloudCover?); "
        "use url, collection, datetime, maxCloudCover, query or assets",
    ),
    invalid("no source", {"spec.source": GONE}, "spec.source is missing"),
    invalid(
        "an empty source",
        {"spec.source": {}},
        "spec.source is {}; give exactly one of files, stac, earthDaily",
    ),
    invalid(
        "two sources",
        {"spec.area": BOX, "spec.source": {"earthDaily": {"datetime": "2024-07-01"}} | STAC},
        'spec.source is {"earthDaily": {"datetime": "2024-07-01"}, "stac": {"url": "https://example.o...; '
        "give exactly one of files, stac, earthDaily",
    ),
    invalid(
        "no scenes",
        {SCENE.removesuffix(".0"): []},
        "spec.source.files.scenes is []; give at least 1",
    ),
    invalid(
        "501 scenes",
        {SCENE.removesuffix(".0"): [{"item": "i"}] * 501},
        'spec.source.files.scenes is [{"item": "i"}, {"item": "i"}, {"item": "i"}, {"item": "i"}, {"item": "i"}, {...; '
        "give at most 500",
    ),
    invalid(
        "an empty scene",
        {SCENE.removesuffix(".0"): [{}]},
        f"{SCENE_PATH} is {{}}; give exactly one of bands, item, safe",
    ),
    invalid(
        "a scene that is two things",
        {SCENE.removesuffix(".0"): [{"item": "i", "safe": "s"}]},
        f'{SCENE_PATH} is {{"item": "i", "safe": "s"}}; give exactly one of bands, item, safe',
    ),
    invalid("no bands", {f"{SCENE}.bands": {}}, f"{SCENE_PATH}.bands is {{}}; give at least 1"),
    invalid(
        "33 bands",
        {f"{SCENE}.bands": {f"b{number}": "b" for number in range(33)}},
        f'{SCENE_PATH}.bands is {{"b0": "b", "b1": "b", "b2": "b", "b3": "b", "b4": "b", "b5": "b", "b6": "b",...; '
        "give at most 32",
    ),
    invalid(
        "a band's name with a space",
        {f"{SCENE}.bands": {"near infrared": "b.tif"}},
        f'{SCENE_PATH}.bands has an entry "near infrared"; {BAND_NAME}',
        server=False,
    ),
    invalid(
        "a number for a file", {f"{SCENE}.bands.green": 3}, f"{SCENE_PATH}.bands.green is 3; {BAND_FILE}", server=False
    ),
    invalid(
        "an empty reference",
        {f"{SCENE}.bands.green": ""},
        f'{SCENE_PATH}.bands.green.href is ""; it must have at least 1 character',
        server=False,
    ),
    invalid(
        "a reference that is too long",
        {f"{SCENE}.bands.green": "a" * 4097},
        f'{SCENE_PATH}.bands.green.href is "{"a" * 76}...; it must have at most 4096 characters',
        server=False,
    ),
    invalid(
        "a band file without a reference",
        {f"{SCENE}.bands.green": {"band": 1}},
        f"{SCENE_PATH}.bands.green.href is missing",
        server=False,
    ),
    invalid(
        "an unknown field of a band",
        {f"{SCENE}.bands.green": {"href": "a", "nodta": 0}},
        f"{SCENE_PATH}.bands.green.nodta is not a field (did you mean nodata?); "
        "use href, band, scale, offset or nodata",
        server=False,
    ),
    invalid(
        "band 0",
        {f"{SCENE}.bands.green": {"href": "a", "band": 0}},
        f"{SCENE_PATH}.bands.green.band is 0; it must be at least 1",
        server=False,
    ),
    invalid(
        "half a band",
        {f"{SCENE}.bands.green": {"href": "a", "band": 1.5}},
        f"{SCENE_PATH}.bands.green.band is 1.5; it must be an integer",
        server=False,
    ),
    invalid(
        "another kind of mask",
        {f"{SCENE}.mask": {"href": "a", "values": "nonzeros"}},
        f'{SCENE_PATH}.mask.values is "nonzeros" (did you mean nonzero?); '
        "use scl, qaPixel, fmask, earthDaily, probability, nonzero or zero",
        server=False,
    ),
    invalid(
        "a mask of a SAFE product",
        {SCENE.removesuffix(".0"): [{"safe": "S2A.SAFE", "mask": "m.tif"}]},
        f'{SCENE_PATH}.mask is "m.tif"; it can only be set with bands or item: a SAFE product has its own mask',
    ),
    invalid(
        "bands of a SAFE product",
        {SCENE.removesuffix(".0"): [{"safe": "S2A.SAFE", "assets": {"nir": "B8A", "mask": "SCL"}}]},
        f'{SCENE_PATH}.assets is {{"nir": "B8A", "mask": "SCL"}}; '
        "with safe, it can only name the mask, such as {mask: MSK_CLDPRB}",
    ),
    invalid(
        "assets of files",
        {SCENE.removesuffix(".0"): [{"bands": {"nir": "nir.tif"}, "assets": {"mask": "SCL"}}]},
        f'{SCENE_PATH}.assets is {{"mask": "SCL"}}; it can only be set with item or safe, which have assets',
    ),
    invalid(
        "a mask of a SAFE product, with details",
        {SCENE.removesuffix(".0"): [{"safe": "S2A.SAFE", "mask": {"href": "m.tif"}}]},
        f'{SCENE_PATH}.mask is {{"href": "m.tif"}}; '
        "it can only be set with bands or item: a SAFE product has its own mask",
    ),
    invalid(
        "an asset of no band",
        {SCENE.removesuffix(".0"): [{"item": "i", "assets": {"near infrared": "nir08"}}]},
        f'{SCENE_PATH}.assets has an entry "near infrared"; {BAND_NAME}',
    ),
    invalid(
        "a date of an item",
        {SCENE.removesuffix(".0"): [{"item": "i", "datetime": "2024-07-01"}]},
        f'{SCENE_PATH} is {{"item": "i", "datetime": "2024-07-01"}}; '
        "datetime and cloudCover can only be set with bands: an item and a SAFE product have their own",
    ),
    invalid(
        "a cloud cover of a SAFE product",
        {SCENE.removesuffix(".0"): [{"safe": "s", "cloudCover": 3}]},
        f'{SCENE_PATH} is {{"safe": "s", "cloudCover": 3}}; '
        "datetime and cloudCover can only be set with bands: an item and a SAFE product have their own",
    ),
    invalid(
        "ten digits of a second",
        {f"{SCENE}.datetime": "2024-07-01T19:03:11.0123456789Z"},
        f'{SCENE_PATH}.datetime is "2024-07-01T19:03:11.0123456789Z"; {TIME}',
    ),
    invalid(
        "an hour that no day has",
        {f"{SCENE}.datetime": "2024-07-01T25:00:00Z"},
        f'{SCENE_PATH}.datetime is "2024-07-01T25:00:00Z"; {TIME}',
        server=False,
    ),
    invalid(
        "a day that no calendar has",
        {f"{SCENE}.datetime": "2024-02-30"},
        f'{SCENE_PATH}.datetime is "2024-02-30"; {TIME}',
        server=False,
    ),
    invalid("a number for a time", {f"{SCENE}.datetime": 2024}, f"{SCENE_PATH}.datetime is 2024; {TIME}"),
    invalid(
        "more than all clouds", {f"{SCENE}.cloudCover": 101}, f"{SCENE_PATH}.cloudCover is 101; it must be at most 100"
    ),
    invalid(
        "less than no clouds", {f"{SCENE}.cloudCover": -1}, f"{SCENE_PATH}.cloudCover is -1; it must be at least 0"
    ),
    invalid(
        "a catalogue that is no URL",
        {"spec.area": BOX, "spec.source": STAC, "spec.source.stac.url": "example.org"},
        'spec.source.stac.url is "example.org"; '
        "use an http or https URL such as https://example.org/v1, earth-search or planetary-computer",
    ),
    invalid(
        "a catalogue without a collection",
        {"spec.area": BOX, "spec.source": STAC, "spec.source.stac.collection": GONE},
        "spec.source.stac.collection is missing",
    ),
    invalid(
        "an interval in words",
        {"spec.area": BOX, "spec.source": STAC, "spec.source.stac.datetime": "summer 2024"},
        f'spec.source.stac.datetime is "summer 2024"; {INTERVAL}',
    ),
    invalid(
        "an interval that ends before it starts",
        {"spec.area": BOX, "spec.source": STAC, "spec.source.stac.datetime": "2024-08-01/2024-07-01"},
        'spec.source.stac.datetime is "2024-08-01/2024-07-01"; '
        f"{INTERVAL} (the start of the interval is after its end)",
        server=False,
    ),
    invalid(
        "an interval without a beginning and an end",
        {"spec.area": BOX, "spec.source": STAC, "spec.source.stac.datetime": "../.."},
        f'spec.source.stac.datetime is "../.."; {INTERVAL}',
    ),
]
PRODUCT = [
    valid("an expression", {"spec.product": {"expression": "(nir - red) / (nir + red)"}}),
    valid("one band", {"spec.product": {"bands": ["green"]}}),
    valid("three bands", {"spec.product": {"bands": ["red", "green", "blue"]}}),
    invalid("no product", {"spec.product": GONE}, "spec.product is missing"),
    invalid(
        "an empty product",
        {"spec.product": {}},
        "spec.product is {}; give exactly one of index, expression, bands",
    ),
    invalid(
        "two products",
        {"spec.product.bands": ["green"]},
        'spec.product is {"index": "NDSI", "bands": ["green"]}; give exactly one of index, expression, bands',
    ),
    invalid(
        "no index's name",
        {"spec.product.index": "ND SI"},
        'spec.product.index is "ND SI"; use the name of an index, such as NDVI',
    ),
    invalid(
        "an empty expression",
        {"spec.product": {"expression": ""}},
        'spec.product.expression is ""; it must have at least 1 character',
    ),
    invalid(
        "an expression that is too long",
        {"spec.product": {"expression": "1" * 1025}},
        f'spec.product.expression is "{"1" * 76}...; it must have at most 1024 characters',
    ),
    valid("16 bands", {"spec.product": {"bands": SIXTEEN}}),
    invalid("an empty list of bands", {"spec.product": {"bands": []}}, "spec.product.bands is []; give at least 1"),
    invalid(
        "17 bands",
        {"spec.product": {"bands": [*SIXTEEN, "red"]}},
        f"spec.product.bands is {json.dumps(SIXTEEN)[:77]}...; give at most 16",
    ),
    invalid(
        "a band twice",
        {"spec.product": {"bands": ["red", "green", "red"]}},
        'spec.product.bands is ["red", "green", "red"]; it must not contain duplicates',
    ),
    invalid("a band's odd name", {"spec.product": {"bands": ["8a"]}}, f'spec.product.bands[0] is "8a"; {BAND_NAME}'),
]


def a_class(name: str, value: float | None = None, **limits: float) -> dict[str, Any]:
    """A class of a value, or of a range with these limits."""
    return {"name": name, "colour": "#00ff7F"} | ({"range": limits} if value is None else {"value": value})


LOW, HIGH = a_class("low", below=0.2), a_class("high", atLeast=0.2)
NO_OVERLAP = "no two classes may have a common value"
NOT_BESIDE = "a classified mosaic has one band; remove it or product.classes"
CLASSES = [
    valid("two classes that meet", {"spec.product.classes": [LOW, HIGH]}),
    valid("classes of values", {"spec.product.classes": [a_class("zero", 0), a_class("one", 1.0)]}),
    valid("a value between two ranges", {"spec.product.classes": [LOW, a_class("a", atLeast=1), a_class("b", 0.5)]}),
    valid("a value at the end of a range", {"spec.product.classes": [LOW, a_class("b", 0.2)]}),
    valid("classes of one band", {"spec.product": {"bands": ["green"], "classes": [LOW]}}),
    valid("64 classes", {"spec.product.classes": [a_class(str(number), number) for number in range(64)]}),
    valid("64 ranges", {"spec.product.classes": [a_class(str(n) * 32, atLeast=n, below=n + 1) for n in range(10, 74)]}),
    invalid(
        "65 classes",
        {"spec.product.classes": [a_class(str(n), n) for n in range(65)]},
        'spec.product.classes is [{"name": "0", "colour": "#00ff7F", "value": 0}, {"name": "1", "colour": "#00...; '
        "give at most 64",
    ),
    invalid("no classes", {"spec.product.classes": []}, "spec.product.classes is []; give at least 1"),
    invalid(
        "classes of three bands",
        {"spec.product": {"bands": ["red", "green", "blue"], "classes": [LOW]}},
        'spec.product.bands is ["red", "green", "blue"]; classes need a product of one band',
    ),
    invalid(
        "a value and a range",
        {"spec.product.classes": [LOW | {"value": 1}]},
        'spec.product.classes[0] is {"name": "low", "colour": "#00ff7F", "range": {"below": 0.2}, "value": 1}; '
        "give exactly one of value, range",
    ),
    invalid(
        "a class without values",
        {"spec.product.classes": [{"name": "a", "colour": "#000000"}]},
        'spec.product.classes[0] is {"name": "a", "colour": "#000000"}; give exactly one of value, range',
    ),
    invalid(
        "a range without limits",
        {"spec.product.classes": [a_class("a")]},
        "spec.product.classes[0].range is {}; give atLeast, below or both",
    ),
    invalid(
        "an empty range",
        {"spec.product.classes": [a_class("a", atLeast=0.2, below=0.2)]},
        'spec.product.classes[0].range is {"atLeast": 0.2, "below": 0.2}; atLeast must be less than below',
    ),
    *(
        invalid(f"classes that overlap: {name}", {"spec.product.classes": classes}, message)
        for name, classes, message in [
            (
                "open ranges",
                [LOW, a_class("b", atLeast=0.1)],
                f"spec.product.classes has low and b, which overlap; {NO_OVERLAP}",
            ),
            (
                "a range in another",
                [a_class("a", atLeast=0, below=9), HIGH | {"range": {"atLeast": 1, "below": 2}}],
                f"spec.product.classes has a and high, which overlap; {NO_OVERLAP}",
            ),
            (
                "a value at the start of a range",
                [HIGH, LOW, a_class("b", 0.2)],
                f"spec.product.classes has high and b, which overlap; {NO_OVERLAP}",
            ),
            (
                "equal values",
                [a_class("a", 3), a_class("b", 3.0)],
                f"spec.product.classes has a and b, which overlap; {NO_OVERLAP}",
            ),
            (
                "two open starts",
                [LOW, a_class("b", below=-5)],
                f"spec.product.classes has low and b, which overlap; {NO_OVERLAP}",
            ),
        ]
    ),
    invalid(
        "a name twice",
        {"spec.product.classes": [LOW, HIGH | {"name": "low"}]},
        'spec.product.classes is [{"name": "low", "colour": "#00ff7F", "range": {"below": 0.2}}, {"name": "low...; '
        "each name must be unique",
    ),
    invalid(
        "a name with a line break",
        {"spec.product.classes": [LOW | {"name": "a\nb"}]},
        'spec.product.classes[0].name is "a\\nb"; it must not contain control characters',
    ),
    invalid(
        "a colour by its name",
        {"spec.product.classes": [LOW | {"colour": "green"}]},
        'spec.product.classes[0].colour is "green"; use a colour in the form #rrggbb, such as #1a9850',
    ),
    invalid(
        "a number beyond the limit",
        {"spec.product.classes": [a_class("a", 2e18)]},
        "spec.product.classes[0].value is 2e+18; it must be at most 1e+18",
    ),
    *(
        invalid(
            f"{band} of a classified mosaic",
            {"spec.product.classes": [LOW], "spec.composite": {"method": "latest", band: True}},
            f"spec.composite.{band} is true; {NOT_BESIDE}",
        )
        for band in ("count", "chosen")
    ),
    invalid(
        "deviations of a classified mosaic",
        {"spec.product.classes": [LOW], "spec.composite": GEOMEDIAN | {"of": "bands", "deviations": True}},
        f"spec.composite.deviations is true; {NOT_BESIDE}",
    ),
    invalid(
        "classes as int16",
        {"spec.product.classes": [LOW], "spec.output": {"dtype": "int16"}},
        'spec.output.dtype is "int16"; classes are stored as 8-bit integers; remove it or product.classes',
    ),
    invalid(
        "a colour map of classes",
        {"spec.product.classes": [LOW], "spec.output": {"colormap": "viridis"}},
        'spec.output.colormap is "viridis"; classes have their own colours; remove it or product.classes',
    ),
    invalid(
        "a stretch of classes",
        {"spec.product.classes": [LOW], "spec.output": {"stretch": {"minmax": {}}}},
        'spec.output.stretch is {"minmax": {}}; classes have their own colours; remove it or product.classes',
    ),
]
COMPOSITE = [
    *(
        valid(f"method {method}", {"spec.composite": {"method": method, "of": "bands"}})
        for method in METHODS
        if method != "percentile"
    ),
    *(
        valid(f"the scene chosen by {method}", {"spec.composite": {"method": method, "of": "bands", "chosen": True}})
        for method in METHODS
        if method != "percentile"
    ),
    *(
        valid(f"blended edges of {method}", {"spec.composite": {"method": method, "feather": 200}})
        for method in TAKE_SCENES
    ),
    *(valid(f"harmonise {how}", {"spec.composite": {"harmonise": how}}) for how in ("none", "gain", "gainOffset")),
    valid("no feather of a median", {"spec.composite": {"feather": 0}}),
    invalid(
        "blended edges of a median",
        {"spec.composite": {"feather": 0.5}},
        "spec.composite.feather is 0.5; "
        f"it needs a method that takes whole scenes: {', '.join(TAKE_SCENES[:-1])} or {TAKE_SCENES[-1]}",
    ),
    invalid(
        "a feather of 201 km",
        {"spec.composite": {"method": "latest", "feather": 201000}},
        "spec.composite.feather is 201000; it must be at most 200000",
    ),
    invalid(
        "a negative feather",
        {"spec.composite": {"method": "latest", "feather": -1}},
        "spec.composite.feather is -1; it must be at least 0",
    ),
    invalid(
        "an unknown harmonisation",
        {"spec.composite": {"harmonise": "offset"}},
        'spec.composite.harmonise is "offset" (did you mean gainOffset?); use none, gain or gainOffset',
    ),
    valid("method percentile", {"spec.composite": {"method": "percentile", "percentile": 90}}),
    valid(
        "all of a composite",
        {
            "spec.composite": {
                "method": "latest",
                "of": "bands",
                "mask": ["cloud", "shadow", "cirrus", "snow", "water"],
                "detect": "s2cloudless",
                "above": 99.5,
                "open": 30,
                "dilate": 100,
                "count": True,
                "chosen": True,
                "harmonise": "gainOffset",
                "feather": 200000,
            }
        },
    ),
    invalid(
        "a method that there is not",
        {"spec.composite": {"method": "mode"}},
        f'spec.composite.method is "mode" (did you mean medoid?); {METHOD}',
    ),
    invalid(
        "no percentile",
        {"spec.composite": {"method": "percentile"}},
        "spec.composite.percentile is missing; set it with method percentile, and only then",
    ),
    invalid(
        "a percentile of a mean",
        {"spec.composite": {"method": "mean", "percentile": 50}},
        "spec.composite.percentile is 50; set it with method percentile, and only then",
    ),
    invalid(
        "percentile 101",
        {"spec.composite": {"method": "percentile", "percentile": 101}},
        "spec.composite.percentile is 101; it must be at most 100",
    ),
    valid("files minus other files", {"spec.minus": {"files": {"scenes": [{"item": "a.json"}]}}}),
    valid(
        "a search minus another interval",
        {"spec.source": STAC, "spec.area": BOX, "spec.minus": {"datetime": "2023-06-01/2023-08-31"}},
    ),
    valid("files minus a search", {"spec.area": BOX, "spec.minus": STAC}),
    invalid(
        "nothing to subtract",
        {"spec.minus": {}},
        "spec.minus is {}; give exactly one of datetime, files, stac, earthDaily",
    ),
    invalid(
        "a date and scenes to subtract",
        {"spec.minus": {"datetime": "2023-07-01", "files": {"scenes": [{"item": "i"}]}}},
        'spec.minus is {"datetime": "2023-07-01", "files": {"scenes": [{"item": "i"}]}}; '
        "give exactly one of datetime, files, stac, earthDaily",
    ),
    invalid(
        "files minus a date",
        {"spec.minus": {"datetime": "2023-07-01"}},
        'spec.minus is {"datetime": "2023-07-01"}; datetime needs a source that is searched; list the scenes in '
        "minus.files",
    ),
    invalid(
        "files minus a search without an area",
        {"spec.minus": {"earthDaily": {"datetime": "2023-07-01"}}},
        "spec.area is missing; it is required, because the scenes of minus are searched in it",
    ),
    invalid(
        "a difference with the chosen scene",
        {"spec.minus": {"files": {"scenes": [{"item": "i"}]}}, "spec.composite": {"method": "latest", "chosen": True}},
        'spec.minus is {"files": {"scenes": [{"item": "i"}]}}; remove composite.chosen, because each pixel of a '
        "difference comes from scenes of two mosaics",
    ),
    invalid(
        "a difference with deviations",
        {
            "spec.minus": {"files": {"scenes": [{"item": "i"}]}},
            "spec.composite": GEOMEDIAN | {"of": "bands", "deviations": True},
        },
        'spec.minus is {"files": {"scenes": [{"item": "i"}]}}; remove composite.deviations, because those of two '
        "mosaics have no difference",
    ),
    valid("a percentile of scenes", {"spec.composite": {"method": "percentile", "percentile": 5, "chosen": True}}),
    valid("a geometric median of bands", {"spec.composite": GEOMEDIAN, "spec.product": {"bands": SIXTEEN}}),
    valid("an index of a geometric median", {"spec.composite": GEOMEDIAN | {"of": "bands", "deviations": True}}),
    invalid(
        "a geometric median of an index",
        {"spec.composite": GEOMEDIAN | {"of": "product"}},
        'spec.composite.of is "product"; method geomedian composes bands, so set it to bands, or use method median for '
        "the values of the product",
    ),
    invalid(
        "deviations of a median",
        {"spec.composite": {"deviations": True}},
        "spec.composite.deviations is true; it needs method geomedian",
    ),
    invalid(
        "deviations as integers",
        {"spec.composite": GEOMEDIAN | {"of": "bands", "deviations": True}, "spec.output": {"dtype": "int16"}},
        "spec.composite.deviations is true; "
        "deviations are smaller than the steps of int16, so use output.dtype float32",
    ),
    valid("enough observations", {"spec.composite": {"method": "percentile", "percentile": 25, "enough": 1}}),
    *(
        valid(f"enough {order} observations", {"spec.composite": {"enough": 500, "prefer": order}})
        for order in ("newest", "clear")
    ),
    valid("the clearest scene", {"spec.composite": {"method": "leastCloudy", "prefer": "clear"}}),
    *(
        invalid(
            f"enough of {method}",
            {"spec.composite": {"method": method, "enough": 2}},
            "spec.composite.enough is 2; latest, oldest and leastCloudy use one observation of each pixel; remove it",
        )
        for method in ("latest", "oldest", "leastCloudy")
    ),
    invalid("no observation", {"spec.composite": {"enough": 0}}, "spec.composite.enough is 0; it must be at least 1"),
    invalid(
        "501 observations", {"spec.composite": {"enough": 501}}, "spec.composite.enough is 501; it must be at most 500"
    ),
    *(
        invalid(
            f"{method} that prefers the {order} scenes",
            {"spec.composite": {"method": method, "prefer": order}},
            f'spec.composite.prefer is "{order}"; set it with enough; clear is also allowed with method leastCloudy',
        )
        for method, order in (("median", "clear"), ("latest", "clear"), ("leastCloudy", "newest"))
    ),
    invalid(
        "an unknown order",
        {"spec.composite": {"enough": 2, "prefer": "oldest"}},
        'spec.composite.prefer is "oldest"; use newest or clear',
    ),
    invalid(
        "an unknown class",
        {"spec.composite": {"mask": ["cloud", "clouds"]}},
        'spec.composite.mask[1] is "clouds" (did you mean cloud?); use cloud, shadow, cirrus, snow or water',
    ),
    invalid(
        "a class twice",
        {"spec.composite": {"mask": ["cloud", "cloud"]}},
        'spec.composite.mask is ["cloud", "cloud"]; it must not contain duplicates',
    ),
    invalid(
        "detection of no clouds",
        {"spec.composite": {"detect": "s2cloudless", "mask": ["snow"]}},
        'spec.composite.detect is "s2cloudless"; it detects clouds, so mask must contain cloud',
    ),
    invalid(
        "another detector",
        {"spec.composite": {"detect": "fmask", "mask": ["cloud"]}},
        'spec.composite.detect is "fmask"; use s2cloudless',
    ),
    invalid("31 pixels", {"spec.composite": {"open": 31}}, "spec.composite.open is 31; it must be at most 30"),
    invalid(
        "a probability as a fraction of 1000",
        {"spec.composite": {"above": 400}},
        "spec.composite.above is 400; it must be at most 100",
    ),
    invalid("101 pixels", {"spec.composite": {"dilate": 101}}, "spec.composite.dilate is 101; it must be at most 100"),
    invalid(
        "text for a flag",
        {"spec.composite": {"count": "yes"}},
        'spec.composite.count is "yes"; it must be true or false',
    ),
    invalid(
        "of something else",
        {"spec.composite": {"of": "band"}},
        'spec.composite.of is "band" (did you mean bands?); use product or bands',
    ),
]
GRID = [
    valid("a grid in UTM", {"spec.grid": {"crs": "utm", "resolution": 10, "resampling": "bilinear"}}),
    valid("the source's own grid", {"spec.grid": {"crs": "source"}}),
    valid("a grid by its EPSG code", {"spec.grid": {"crs": "EPSG:3857", "resolution": 0.5, "resampling": "nearest"}}),
    invalid(
        "a CRS in words",
        {"spec.grid": {"crs": "mercator"}},
        'spec.grid.crs is "mercator"; use utm, source or an EPSG code such as EPSG:32633',
    ),
    invalid(
        "an EPSG code from 0",
        {"spec.grid": {"crs": "EPSG:03"}},
        'spec.grid.crs is "EPSG:03"; use utm, source or an EPSG code such as EPSG:32633',
    ),
    invalid(
        "no resolution",
        {"spec.grid": {"resolution": 0}},
        "spec.grid.resolution is 0; it must be from 1e-9 to 1e9",
    ),
    invalid(
        "a resolution finer than anything",
        {"spec.grid": {"resolution": 1e-300}},
        "spec.grid.resolution is 1e-300; it must be from 1e-9 to 1e9",
    ),
    invalid(
        "a resolution coarser than the Earth",
        {"spec.grid": {"resolution": 1e300}},
        "spec.grid.resolution is 1e+300; it must be from 1e-9 to 1e9",
    ),
    invalid(
        "a stretch beyond all pixels",
        {"spec.output": {"stretch": {"fixed": {"lower": 0, "upper": 1e300}}}},
        "spec.output.stretch.fixed.upper is 1e+300; it must be at most 1e+18",
    ),
    invalid(
        "a control character in a collection",
        {"spec.area": BOX, "spec.source": STAC, "spec.source.stac.collection": "a\x1bb"},
        'spec.source.stac.collection is "a\\u001bb"; it must not contain control characters',
    ),
    invalid(
        "NUL in a reference",
        {f"{SCENE}.item": "a\0b", f"{SCENE}.bands": GONE},
        f"{SCENE_PATH}.item: text must not contain NUL or half of a surrogate pair",
    ),
    invalid(
        "NUL in a query",
        {"spec.area": BOX, "spec.source": STAC, "spec.source.stac.query": {"a": {"eq": "\0"}}},
        "spec.source.stac.query.a.eq: text must not contain NUL or half of a surrogate pair",
        server=False,
    ),
    invalid(
        "a query that is nested too deeply",
        {"spec.area": BOX, "spec.source": STAC, "spec.source.stac.query": {"a": nested(70)}},
        "spec.source.stac.query.a[0][0][0][0][0][0][0]: it is nested more than 64 levels deep",
        server=False,
    ),
    invalid(
        "an unknown kernel",
        {"spec.grid": {"resampling": "lanczos"}},
        'spec.grid.resampling is "lanczos"; use nearest, bilinear, cubic or average',
    ),
]
OUTPUT = [
    valid("no picture", {"spec.output": {"formats": ["cog"]}}),
    valid("integers", {"spec.output": {"dtype": "int16", "colormap": "RdYlGn"}}),
    valid("a reversed colormap", {"spec.output": {"colormap": "Blues_r"}}),
    valid("a gamma", {"spec.product": THREE_BANDS, "spec.output": {"gamma": 2.2}}),
    valid("the largest gamma, an integer", {"spec.product": THREE_BANDS, "spec.output": {"gamma": 5}}),
    invalid(
        "a gamma below all",
        {"spec.product": THREE_BANDS, "spec.output": {"gamma": 0.1}},
        "spec.output.gamma is 0.1; it must be from 0.2 to 5",
    ),
    invalid(
        "no gamma, an integer",
        {"spec.product": THREE_BANDS, "spec.output": {"gamma": 0}},
        "spec.output.gamma is 0; it must be from 0.2 to 5",
    ),
    invalid(
        "a gamma of one band",
        {"spec.product": {"bands": ["nir"]}, "spec.output": {"gamma": 2}},
        "spec.output.gamma is 2; remove it, because only pictures of three bands of product.bands have a gamma",
    ),
    invalid(
        "a gamma of a picture of one of three bands",
        {"spec.product": THREE_BANDS, "spec.output": {"gamma": 2, "picture": ["red"]}},
        "spec.output.gamma is 2; remove it, because only pictures of three bands of product.bands have a gamma",
    ),
    invalid(
        "a gamma of an index",
        {"spec.product": {"index": "NDVI"}, "spec.output": {"gamma": 2}},
        "spec.output.gamma is 2; remove it, because only pictures of three bands of product.bands have a gamma",
    ),
    valid("the usual stretch", {"spec.output": {"stretch": {"percentile": {}}}}),
    valid("from the smallest to the largest", {"spec.output": {"stretch": {"minmax": {}}}}),
    valid("a fixed stretch", {"spec.output": {"stretch": {"fixed": {"lower": -1, "upper": 1}}}}),
    invalid(
        "a picture alone",
        {"spec.output": {"formats": ["png"]}},
        'spec.output.formats is ["png"]; it must contain cog, the source of the picture',
    ),
    invalid(
        "a format twice",
        {"spec.output": {"formats": ["cog", "cog"]}},
        'spec.output.formats is ["cog", "cog"]; it must not contain duplicates',
    ),
    invalid(
        "another format",
        {"spec.output": {"formats": ["cog", "jpeg"]}},
        'spec.output.formats[1] is "jpeg"; use cog or png',
    ),
    invalid(
        "another type",
        {"spec.output": {"dtype": "float64"}},
        'spec.output.dtype is "float64" (did you mean float32?); use float32 or int16',
    ),
    invalid(
        "a colormap in lower case",
        {"spec.output": {"colormap": "rdylgn"}},
        'spec.output.colormap is "rdylgn" (did you mean RdYlGn?); '
        f"use {', '.join(_COLORMAPS[:-1])} or {_COLORMAPS[-1]}",
    ),
    invalid(
        "no stretch in it",
        {"spec.output": {"stretch": {}}},
        "spec.output.stretch is {}; give exactly one of percentile, minmax, fixed",
    ),
    valid("a picture of one band", {"spec.product": {"bands": SIXTEEN}, "spec.output": {"picture": ["b9"]}}),
    valid("three for it", {"spec.product": {"bands": SIXTEEN}, "spec.output": {"picture": ["b16", "b2", "b1"]}}),
    invalid(
        "a picture of two bands",
        {"spec.product": {"bands": SIXTEEN}, "spec.output": {"picture": ["b1", "b2"]}},
        'spec.output.picture is ["b1", "b2"]; it must name 1 or 3 bands, such as [red, green, blue]',
    ),
    invalid(
        "a picture of another band",
        {"spec.product": {"bands": SIXTEEN}, "spec.output": {"picture": ["red"]}},
        'spec.output.picture is ["red"]; it must name bands of product.bands, as they are written there',
    ),
    invalid(
        "a picture's bands of an index",
        {"spec.output": {"picture": ["green"]}},
        'spec.output.picture is ["green"]; it must name bands of product.bands, as they are written there',
    ),
    invalid(
        "two stretches",
        {"spec.output": {"stretch": {"minmax": {}, "percentile": {}}}},
        'spec.output.stretch is {"minmax": {}, "percentile": {}}; give exactly one of percentile, minmax, fixed',
    ),
    invalid(
        "a fixed stretch without an end",
        {"spec.output": {"stretch": {"fixed": {"lower": 0}}}},
        "spec.output.stretch.fixed.upper is missing",
    ),
    invalid(
        "a fixed stretch upside down",
        {"spec.output": {"stretch": {"fixed": {"lower": 1, "upper": 1}}}},
        'spec.output.stretch.fixed is {"lower": 1, "upper": 1}; lower must be less than upper',
    ),
    invalid(
        "percentiles upside down",
        {"spec.output": {"stretch": {"percentile": {"lower": 99}}}},
        'spec.output.stretch.percentile is {"lower": 99}; lower must be less than upper',
    ),
    invalid(
        "percentile 101 of a stretch",
        {"spec.output": {"stretch": {"percentile": {"upper": 101}}}},
        "spec.output.stretch.percentile.upper is 101; it must be at most 100",
    ),
]
EXECUTION = [
    valid(
        "all of an execution",
        {
            "spec.execution": {
                "parallelism": 1000,
                "retriesPerRange": 0,
                "rangeDeadline": "90s",
                "deadline": "1d12h",
                "ttlAfterFinished": "1h30m",
                "suspend": True,
                "cancel": False,
                "queue": "imagery",
                "priorityClass": "low",
            }
        },
    ),
    invalid(
        "no pods", {"spec.execution": {"parallelism": 0}}, "spec.execution.parallelism is 0; it must be at least 1"
    ),
    invalid(
        "1001 pods",
        {"spec.execution": {"parallelism": 1001}},
        "spec.execution.parallelism is 1001; it must be at most 1000",
    ),
    invalid(
        "21 retries",
        {"spec.execution": {"retriesPerRange": 21}},
        "spec.execution.retriesPerRange is 21; it must be at most 20",
    ),
    invalid(
        "less than no retries",
        {"spec.execution": {"retriesPerRange": -1}},
        "spec.execution.retriesPerRange is -1; it must be at least 0",
    ),
    invalid("no duration", {"spec.execution": {"deadline": "0s"}}, f'spec.execution.deadline is "0s"; {DURATION}'),
    invalid(
        "a number of seconds",
        {"spec.execution": {"rangeDeadline": 900}},
        f"spec.execution.rangeDeadline is 900; {DURATION}",
    ),
    invalid(
        "another unit",
        {"spec.execution": {"ttlAfterFinished": "1w"}},
        f'spec.execution.ttlAfterFinished is "1w"; {DURATION}',
    ),
    valid(
        "the longest durations",
        {"spec.execution": {"rangeDeadline": "23h60m", "deadline": "29d24h", "ttlAfterFinished": "999999s999999s164h"}},
    ),
    invalid(
        "a deadline beyond all calendars",
        {"spec.execution": {"deadline": "999999d999999d999999d999999d"}},
        'spec.execution.deadline is "999999d999999d999999d999999d"; it must be at most 30d',
    ),
    invalid(
        "a time to live that no 32 bits hold",
        {"spec.execution": {"ttlAfterFinished": "24856d"}},
        'spec.execution.ttlAfterFinished is "24856d"; it must be at most 30d',
    ),
    invalid(
        "a sum of short parts that is too long",
        {"spec.execution": {"deadline": "29d23h59m61s"}},
        'spec.execution.deadline is "29d23h59m61s"; it must be at most 30d',
    ),
    invalid(
        "a range that may take days",
        {"spec.execution": {"rangeDeadline": "24h1s"}},
        'spec.execution.rangeDeadline is "24h1s"; it must be at most 1d',
    ),
    invalid(
        "a queue in capitals", {"spec.execution": {"queue": "Fast"}}, f'spec.execution.queue is "Fast"; {DNS_NAME}'
    ),
    invalid(
        "a priority class that ends in a hyphen",
        {"spec.execution": {"priorityClass": "low-"}},
        f'spec.execution.priorityClass is "low-"; {DNS_NAME}',
    ),
    invalid(
        "an unknown field of the execution",
        {"spec.execution": {"retries": 3}},
        "spec.execution.retries is not a field (did you mean retriesPerRange?); use parallelism, retriesPerRange, "
        "rangeDeadline, deadline, ttlAfterFinished, suspend, cancel, queue or priorityClass",
    ),
]
CASES = [*REQUEST, *AREA, *SOURCE, *PRODUCT, *CLASSES, *COMPOSITE, *GRID, *OUTPUT, *EXECUTION]
