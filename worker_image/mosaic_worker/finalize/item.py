"""The STAC Item of a mosaic: product, scenes, software, and how to interpret the numbers."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any

import rasterio
from mosaic_crds.classes import ProductClass
from mosaic_crds.files import COG, PNG, THUMBNAIL, ResultFile
from mosaic_crds.spelling import counted
from mosaic_crds.times import utc_text
from shapely.geometry import mapping

from mosaic_worker.finalize.classes import CLASSES, EXTENSION, band_classes, class_pixels
from mosaic_worker.finalize.footprint import bbox, footprint
from mosaic_worker.finalize.renders import EXTENSION as RENDER_EXTENSION
from mosaic_worker.finalize.renders import colour_fields, renders
from mosaic_worker.geometry.area import cut_at_antimeridian, first_turn
from mosaic_worker.geometry.projection import crs_of
from mosaic_worker.output.picture import Picture
from mosaic_worker.pixels.statistics import BandStatistics, MosaicStatistics
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.scenes import PlannedScene
from mosaic_worker.sources.access.gate import redacted
from mosaic_worker.sources.scenes import Band, Detection, Unreadable
from mosaic_worker.tiles.records import TileRecord
from mosaic_worker.version import DISTRIBUTION

STAC_VERSION = "1.1.0"
EXTENSIONS = [
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    RENDER_EXTENSION,
]
SHA256_MULTIHASH = "1220"
"""Multihash prefix: function sha2-256 (0x12), 32 bytes (0x20)."""


@dataclass(frozen=True)
class Published:
    """A file in the store, with its size in bytes and its SHA-256 as hexadecimal digits."""

    file: ResultFile
    size: int
    sha256: str


def mosaic_item(
    plan: Plan,
    statistics: MosaicStatistics,
    stretch: Sequence[tuple[float, float]],
    picture: Picture | None,
    files: Sequence[Published],
    records: Sequence[TileRecord],
    skipped: Sequence[Unreadable],
    notes: Sequence[str],
    made: datetime,
) -> bytes:
    """The Item as JSON in UTF-8. Only its times differ between runs of a plan."""
    used = sorted({number for record in records for number in record.scenes})
    scenes = [plan.scenes[number - 1] for number in used]
    outline = first_turn(footprint(plan))
    taken = sorted(item.scene.datetime for item in scenes if item.scene.datetime is not None)
    several = len(taken) > 1 and taken[0] != taken[-1]
    span = {"start_datetime": utc_text(taken[0]), "end_datetime": utc_text(taken[-1])} if several else {}
    when = None if several else utc_text(taken[0] if taken else made)
    described = {COG: _cog_fields(plan, statistics)}
    if picture is not None:
        described |= {PNG: _picture_fields(plan, statistics, stretch, picture), THUMBNAIL: {}}
    published = {each.file: each for each in files}
    item = {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [EXTENSION, *EXTENSIONS] if plan.product.classes else EXTENSIONS,
        "id": f"{plan.name}-{plan.uid}",
        "geometry": dict(mapping(cut_at_antimeridian(outline))),
        "bbox": bbox(outline),
        "properties": {
            **_properties(plan, statistics, used, made),
            "renders": renders(plan, stretch),
            **_remarks(plan, skipped, notes),
            **span,
            "datetime": when,
        },
        "links": _links(scenes),
        "assets": {
            str(file.asset): {
                "href": file.href,
                "type": file.media_type,
                "title": f"{plan.title}, {file.title}",
                **fields,
                "file:size": published[file].size,
                "file:checksum": SHA256_MULTIHASH + published[file].sha256,
                "roles": list(file.roles),
            }
            for file, fields in described.items()
        },
    }
    return json.dumps(item, indent=2, ensure_ascii=False).encode()


def _properties(plan: Plan, statistics: MosaicStatistics, used: Sequence[int], made: datetime) -> dict[str, Any]:
    formula = plan.formula
    properties: dict[str, Any] = {
        "title": f"{plan.title} mosaic {plan.name}",
        "created": made.isoformat().replace("+00:00", "Z"),
        "proj:code": crs_of(plan.grid.crs).to_string() if crs_of(plan.grid.crs).to_epsg() else None,
        "processing:software": {
            DISTRIBUTION: version(DISTRIBUTION),
            "GDAL": rasterio.__gdal_version__,
        }
        | dict(each.split(" ") for each in plan.detector_versions),
        "processing:lineage": _lineage(plan, used),
        "mosaic:code": plan.code,
        "mosaic:product": plan.product.model_dump(mode="json", by_alias=True, exclude_none=True),
        "mosaic:composite": plan.composite.model_dump(mode="json", by_alias=True, exclude_none=True),
        "mosaic:resampling": plan.resampling or "average onto coarser grids, bilinear otherwise",
        "mosaic:calibrated": plan.calibrated,
        "mosaic:picture": [plan.band_names[number] for number in plan.picture],
        "mosaic:out_of_range": statistics.out_of_range,
        "mosaic:scenes": [_scene(plan, number) for number in used],
    }
    if formula.formula is not None:
        properties["processing:expression"] = {"format": "numexpr", "expression": formula.formula}
    if properties["proj:code"] is None:
        properties["proj:wkt2"] = crs_of(plan.grid.crs).to_wkt()
    return properties


def _remarks(plan: Plan, skipped: Sequence[Unreadable], notes: Sequence[str]) -> dict[str, Any]:
    """Warnings, notes and unreadable scenes.

    Args:
        plan: has warnings and unreadable scenes.
        skipped: scenes of the plan that proved unreadable while tiles were computed.
        notes: notes on the values.
    """
    unreadable = [{"id": each.scene, "reason": each.reason} for each in (*plan.unreadable, *skipped)]
    remarks = {"mosaic:warnings": list(plan.warnings), "mosaic:notes": list(notes), "mosaic:unreadable": unreadable}
    return {name: listed for name, listed in remarks.items() if listed}


def _links(scenes: Sequence[PlannedScene]) -> list[dict[str, str]]:
    """Links to the Items of the scenes."""
    items = dict.fromkeys(redacted(planned.scene.item) for planned in scenes if planned.scene.item is not None)
    return [{"rel": "derived_from", "href": href, "type": "application/geo+json"} for href in items]


def _lineage(plan: Plan, used: Sequence[int]) -> str:
    """One sentence on how the mosaic was made from the scenes with these numbers."""
    method = plan.composite.method
    hidden = f", without {', '.join(plan.composite.mask)}" if plan.composite.mask else ""
    counts = [counted(sum(number in side for number in used), "scene") for side in plan.sides]
    terms = " minus ".join(f"{plan.formula.title} of {count}" for count in counts)
    enough = f" of {counted(plan.composite.enough, 'observation')} at most" if plan.composite.enough else ""
    classified = " and classified" if plan.product.classes else ""
    return f"{terms}{hidden}, composed by {method}{enough} per {plan.composite.of}{classified}."


def _scene(plan: Plan, number: int) -> dict[str, Any]:
    planned = plan.scenes[number - 1]
    scene = planned.scene
    described: dict[str, Any] = {
        "number": number,
        "id": scene.id,
        "bands": {name: _source(plan, planned, name) for name in scene.bands},
    }
    if scene.datetime is not None:
        described["datetime"] = scene.datetime.isoformat().replace("+00:00", "Z")
    if scene.cloud_cover is not None:
        described["eo:cloud_cover"] = scene.cloud_cover
    if plan.subtracted is not None:
        described["subtracted"] = number in plan.sides[1]
    if planned.clear is not None:
        described["mosaic:clear_percent"] = round(100 * planned.clear, 2)
    if isinstance(scene.mask, Detection):
        described["mask"] = f"detected by {scene.mask.detector}"
    elif scene.mask is not None:
        described["mask"] = redacted(scene.mask.href)
    return described


def _source(plan: Plan, planned: PlannedScene, name: str) -> dict[str, Any]:
    """The file of a band.

    With width and height of the overview, if one was read instead of the image, and the correction by harmonising.
    """
    band: Band = planned.scene.bands[name]
    described = {"href": redacted(band.href), "band": band.band, "scale": band.scale, "offset": band.offset}
    overview, image = plan.image_of(band)
    if overview is not None:
        described |= {"overview": [image.width, image.height]}
    if name in planned.corrections:
        described |= {"correction": asdict(planned.corrections[name])}
    return described


def _cog_fields(plan: Plan, statistics: MosaicStatistics) -> dict[str, Any]:
    """The fields of the COG."""
    grid = plan.grid
    return {
        "proj:shape": [grid.height, grid.width],
        "proj:transform": list(grid.transform),
        "proj:bbox": list(grid.bounds),
        "bands": [_band(plan, number, statistics) for number in range(len(plan.band_names))],
    }


def _picture_fields(
    plan: Plan, statistics: MosaicStatistics, stretch: Sequence[tuple[float, float]], picture: Picture
) -> dict[str, Any]:
    """The fields of the picture. The colours of a classified one are those of the classes."""
    place = {
        "proj:code": "EPSG:3857",
        "proj:shape": [picture.height, picture.width],
        "proj:transform": list(picture.transform),
        "proj:bbox": list(picture.bounds),
        "mosaic:reduction": picture.reduction,
    }
    if plan.product.classes is not None:
        return place
    return place | colour_fields(plan, stretch) | _stretch_error(plan, statistics)


def _stretch_error(plan: Plan, statistics: MosaicStatistics) -> dict[str, Any]:
    """The error of percentiles."""
    limits = plan.colours.stretch.percentile
    if limits is None:
        return {}
    shown = [statistics.bands[number] for number in plan.picture]
    errors = [[band.percentile_error(limits.lower), band.percentile_error(limits.upper)] for band in shown]
    return {"mosaic:stretch_error": errors}


def _band(plan: Plan, number: int, statistics: MosaicStatistics) -> dict[str, Any]:
    if plan.product.classes is not None:
        return _class_band(plan, plan.product.classes, statistics.bands[0])
    stored = plan.output.dtype
    described: dict[str, Any] = {
        "name": plan.band_names[number],
        "data_type": stored,
        "nodata": "nan" if stored == "float32" else -32768,
    }
    scale, offset = plan.encoding.scales[number], plan.encoding.offsets[number]
    if (scale, offset) != (1.0, 0.0):
        described |= {"raster:scale": scale, "raster:offset": offset}
    if number < len(statistics.bands):
        described |= _measured(statistics.bands[number])
        if statistics.bands[number].overflow:
            described["mosaic:overflow"] = statistics.bands[number].overflow
    return described


def _class_band(plan: Plan, classes: Sequence[ProductClass], band: BandStatistics) -> dict[str, Any]:
    return {
        "name": plan.band_names[0],
        "data_type": plan.encoding.dtype,
        "nodata": plan.encoding.nodata,
        "statistics": {"valid_percent": band.valid_percent},
        CLASSES: band_classes(class_pixels(classes, band), plan.grid),
    }


def _measured(band: BandStatistics) -> dict[str, Any]:
    if band.valid == 0:
        return {"statistics": {"valid_percent": 0.0}}
    return {
        "statistics": {
            "minimum": band.minimum,
            "maximum": band.maximum,
            "mean": band.mean,
            "stddev": band.stddev,
            "valid_percent": band.valid_percent,
        },
        "raster:histogram": band.item_histogram(),
    }
