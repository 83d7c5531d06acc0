"""Checks images, and makes the Cloud Optimized GeoTIFF for their tiles."""

import numpy as np
import rasterio
from affine import Affine
from mosaic_crds.errors import RequestError
from mosaic_worker.geometry.area import cut_at_antimeridian
from mosaic_worker.geometry.projection import WGS84, places_in
from mosaic_worker.sources.readers.environment import raster_environment
from mosaic_worker.sources.readers.gdal_opening import open_gdal
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from shapely.geometry import Polygon, box, mapping

from mosaic_api.datasets.boxes import box_around, smallest_box
from mosaic_api.datasets.reader.bands import details_of
from mosaic_api.datasets.reader.cogs import check_size, write_cog
from mosaic_api.datasets.reader.job import Outcome

Floats = NDArray[np.float64]

MOST_BANDS = 100
OUTLINE_STEPS = 32
"""Points on each side of an outline; fewer than 90 degrees apart, so that longitudes are continuous."""


def take_image(path: str, max_pixels: int, most_bytes: int, display: str | None) -> Outcome:
    """Check a georeferenced image of at most so many pixels, and write its display copy as a COG, if it has a path.

    `most_bytes` limits the display copy before compression.

    Raises:
        RequestError: the image cannot be used.
    """
    with raster_environment():
        image = open_gdal(path, "file")
        try:
            dataset = image.dataset
            _check(dataset, max_pixels)
            outline = _outline(dataset)
            if display is None:
                details = details_of(dataset)
            else:
                check_size(dataset, most_bytes)
                write_cog(dataset, display)
                with rasterio.open(display) as shown:
                    details = details_of(shown)
        finally:
            image.close()
    west, south, east, north = outline.bounds
    return Outcome(box_around(west, south, east, north), dict(mapping(cut_at_antimeridian(outline))), details)


def _check(dataset: DatasetReader, max_pixels: int) -> None:
    pixels = dataset.width * dataset.height
    if pixels > max_pixels:
        raise RequestError(
            f"file: the image has {dataset.width} x {dataset.height} pixels; at most {max_pixels:,} are allowed"
        )
    if dataset.count > MOST_BANDS:
        raise RequestError(f"file: the image has {dataset.count} bands; at most {MOST_BANDS} are allowed")
    _check_place(dataset)
    if any(kind.startswith("complex") for kind in dataset.dtypes):
        raise RequestError("file: the image has complex numbers, which cannot be shown; upload their magnitude")
    if len(set(dataset.dtypes)) > 1:
        raise RequestError("file: the image's bands have several data types; save them with one")


def _check_place(dataset: DatasetReader) -> None:
    """Refuse an image without a complete georeference; the message names what it has instead."""
    if dataset.transform == Affine.identity() or dataset.transform.is_degenerate:
        if dataset.gcps[0]:
            reason = "is only placed by ground control points, which is ambiguous; warp it with gdalwarp first"
        elif dataset.rpcs is not None:
            reason = "is only placed by rational polynomials (RPC); warp it with gdalwarp -rpc first"
        else:
            reason = (
                "has no georeference; save it with its coordinate system (such as gdalwarp does), or upload it as PNG "
                "or JPEG with its corners"
            )
        raise RequestError(f"file: the image {reason}")
    if dataset.crs is None:
        raise RequestError(
            "file: the image has no georeference: it has a geotransform but no coordinate reference system; assign "
            "one, as gdal_edit.py -a_srs does"
        )
    if not (dataset.crs.is_geographic or dataset.crs.is_projected):
        raise RequestError(
            "file: the image cannot be located: its coordinate reference system is neither geographic nor projected; "
            "assign the correct one, as gdal_edit.py -a_srs does"
        )


def _outline(dataset: DatasetReader) -> Polygon:
    """The outline in degrees with continuous longitudes; a box if some of it is not on the globe.

    Raises:
        RequestError: no pixel is on the globe.
    """
    steps = np.linspace(0, 1, OUTLINE_STEPS, endpoint=False)
    longitudes, latitudes, there = _degrees(
        dataset,
        np.concatenate([steps, np.ones_like(steps), 1 - steps, np.zeros_like(steps)]),
        np.concatenate([np.zeros_like(steps), steps, np.ones_like(steps), 1 - steps]),
    )
    pole = _pole_inside(dataset)
    if not there.all() and pole is None:
        return _box_on_the_globe(dataset)
    longitudes, latitudes = np.unwrap(longitudes[there], period=360), np.clip(latitudes[there], -90, 90)
    south, north = float(latitudes.min()), float(latitudes.max())
    if pole is not None:
        return box(-180, -90 if pole < 0 else south, 180, 90 if pole > 0 else north)
    if longitudes.max() - longitudes.min() >= 360:
        return box(-180, south, 180, north)
    turns = np.floor(((longitudes.max() + longitudes.min()) / 2 + 180) / 360)
    outline = Polygon(np.column_stack([longitudes - 360 * turns, latitudes]))
    if outline.is_valid and outline.area > 0:
        return outline
    return box(*outline.bounds)


def _box_on_the_globe(dataset: DatasetReader) -> Polygon:
    """A box around the pixels that are on the globe, such as the disk that a geostationary satellite sees.

    Raises:
        RequestError: there are none.
    """
    columns, rows = np.meshgrid(*[np.linspace(0, 1, 2 * OUTLINE_STEPS + 1)] * 2)
    longitudes, latitudes, there = _degrees(dataset, columns.ravel(), rows.ravel())
    if there.sum() < 4:
        raise RequestError(
            "file: the image cannot be projected to EPSG:4326; check its coordinate system, or warp it to another one"
        )
    longitudes, latitudes = longitudes[there], np.clip(latitudes[there], -90, 90)
    found = smallest_box(np.column_stack([longitudes, latitudes, longitudes, latitudes]))
    return box(found.west, found.south, found.unwrapped_east, found.north)


def _degrees(dataset: DatasetReader, columns: Floats, rows: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Longitudes and latitudes of points in an image, and which of them are on the globe.

    `columns` and `rows` are (n,) shares of its width and height.
    """
    xs, ys = dataset.transform @ (columns * dataset.width, rows * dataset.height)
    longitudes, latitudes = map(np.asarray, places_in(dataset.crs.to_wkt(), WGS84, xs.tolist(), ys.tolist()))
    return longitudes, latitudes, np.isfinite(longitudes) & np.isfinite(latitudes) & (np.abs(latitudes) <= 90.001)


def _pole_inside(dataset: DatasetReader) -> int | None:
    """The pole inside the image: 90, -90 or None."""
    if dataset.crs.is_geographic:
        return None
    for pole in (90, -90):
        xs, ys = places_in(WGS84, dataset.crs.to_wkt(), [0.0], [float(pole)])
        if np.isfinite([xs[0], ys[0]]).all():
            column, row = ~dataset.transform @ (xs[0], ys[0])
            if 0 < column < dataset.width and 0 < row < dataset.height:
                return pole
    return None
