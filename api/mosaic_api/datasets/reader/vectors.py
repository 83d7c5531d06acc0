"""Reads vector files: all layers, as one GeoJSON for the page."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from mosaic_crds.errors import RequestError
from numpy.typing import NDArray

from mosaic_api.datasets.boxes import smallest_box
from mosaic_api.datasets.reader.formats import Format
from mosaic_api.datasets.reader.job import Outcome
from mosaic_api.datasets.reader.layers import Layer, read_layers, there

SHOWN_FEATURES = 20_000
SHOWN_VERTICES = 400_000
SHOWN_BYTES = 16 * 2**20
"""Limits of the page. More is simplified or left out there; the original file is complete."""
DIGITS = 7
"""Decimals of a degree; about a centimetre."""


def take_vectors(path: Path, name: str, kind: Format, display: Path) -> Outcome:
    """Read a vector file (see `read_layers`), and write its display copy as GeoJSON.

    Raises:
        RequestError: it cannot be used.
    """
    layers = read_layers(path, name, kind)
    shapes = [shapely.transform(layer.geometries, lambda places: np.round(places, DIGITS)) for layer in layers]
    bounds = [shapely.bounds(shapely.get_parts(each[there(each)])) for each in shapes]
    boxes = np.concatenate([*bounds, np.empty((0, 4))])
    boxes = boxes[np.isfinite(boxes).all(axis=1)]
    if len(boxes) == 0:
        raise RequestError("file: no feature has a geometry")
    if boxes[:, 1].min() < -90.001 or boxes[:, 3].max() > 90.001:
        raise RequestError("file: there are latitudes beyond 90 degrees; check its coordinate system")
    surrounding = smallest_box(boxes)
    drawn = _first(shapes)
    shown = _write(layers, display, drawn, _simplified(drawn, boxes))
    shown["of"] = sum(int(there(each).sum()) for each in shapes)
    described = [layer.described for layer in layers]
    return Outcome(surrounding, surrounding.outline, {"layers": described, "shown": shown})


def _first(layers: list[NDArray[np.object_]]) -> list[NDArray[np.object_]]:
    """Geometries of all layers; None for those beyond the number that is shown."""
    found, left = [], SHOWN_FEATURES
    for geometries in layers:
        rows = np.flatnonzero(there(geometries))[:left]
        kept = np.full(len(geometries), None, dtype=object)
        kept[rows] = geometries[rows]
        left -= len(rows)
        found.append(kept)
    return found


def _simplified(layers: list[NDArray[np.object_]], boxes: NDArray[np.float64]) -> list[NDArray[np.object_]] | None:
    """Geometries of all layers with as few vertices as can be shown; None if that needs no simplification."""
    extent = float(max(np.ptp(boxes[:, (0, 2)]), np.ptp(boxes[:, (1, 3)])))
    found, tolerance = None, extent / 2**15
    while sum(int(shapely.get_num_coordinates(each).sum()) for each in found or layers) > SHOWN_VERTICES:
        found = [shapely.simplify(each, tolerance) for each in layers]
        tolerance *= 2
        if tolerance > extent:
            break
    return found


def _write(
    layers: list[Layer],
    display: Path,
    shapes: list[NDArray[np.object_]],
    simplified: list[NDArray[np.object_]] | None,
) -> dict[str, Any]:
    """Write a FeatureCollection; return how much of the file it has."""
    vertices, features, bytes_left = 0, 0, SHOWN_BYTES
    with display.open("w", encoding="utf-8") as file:
        file.write('{"type":"FeatureCollection","features":[')
        for layer, geometries in zip(layers, simplified or shapes, strict=True):
            for row in np.flatnonzero(there(geometries)).tolist():
                vertices += int(shapely.get_num_coordinates(geometries[row]))
                properties = {name: column[row] for name, column in zip(layer.fields, layer.columns, strict=True)}
                text = (
                    f'{"," if features else ""}{{"type":"Feature","layer":{json.dumps(layer.name)},'
                    f'"properties":{json.dumps(properties, ensure_ascii=False, allow_nan=False)},'
                    f'"geometry":{shapely.to_geojson(geometries[row])}}}'
                )
                bytes_left -= len(text.encode())
                if vertices > SHOWN_VERTICES or bytes_left < 0:
                    break
                features += 1
                file.write(text)
        file.write("]}")
    return {"features": features, "simplified": simplified is not None}
