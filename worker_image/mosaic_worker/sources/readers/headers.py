"""Headers of files: what they state about a band, together with the metadata beside them and in the request."""

import math
from collections.abc import Iterable
from typing import Self

from affine import Affine
from mosaic_crds.errors import RequestError

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.projection import why_nowhere
from mosaic_worker.sources.access.gate import Gate, is_url
from mosaic_worker.sources.http.client import Client, at_field
from mosaic_worker.sources.http.remote_files import HEAD, RemoteFiles
from mosaic_worker.sources.http.signed_urls import Signer
from mosaic_worker.sources.readers.nodata import numbers_of
from mosaic_worker.sources.readers.opening import open_raster
from mosaic_worker.sources.readers.raster import Raster, RasterInfo
from mosaic_worker.sources.readers.sidecars import Metadata, has_mask_beside, metadata_beside, warning_of
from mosaic_worker.sources.scenes import Band, Header

ROUNDING = 1e-3
"""Pixels, over the whole of an image, by which a transform may be oblique and counts as north-up."""


class Headers:
    """The files of one request while it is resolved: each is opened once, however many of its bands are used."""

    def __init__(self, gate: Gate, signer: Signer | None = None) -> None:
        self.gate = gate
        self.client = Client(gate, signer)
        self._files = RemoteFiles(self.client)
        self._opened: dict[str, Raster] = {}
        self._beside: dict[str, Metadata] = {}
        self._masked: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for image in self._opened.values():
            image.close()
        self._files.close()

    def read(self, admitted: str, band: int, where: str) -> tuple[Raster, Header]:
        """The open file of an admitted path or URL, and the header of one of its bands."""
        href = self.href(admitted)
        if href not in self._opened:
            self._opened[href] = open_raster(href, where, self._files)
            if not is_url(href):
                self._beside[href] = metadata_beside(href, where, self.gate)
                self._masked += [href] if has_mask_beside(href, self.gate) else []
        image = self._opened[href]
        return image, _header_of(image, self._beside.get(href, Metadata()), band, where)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of the files that were read."""
        return (warning_of(self._masked),) if self._masked else ()

    def prefetch(self, admitted: Iterable[str]) -> None:
        """Fetch the beginnings of files that will be opened, in the background."""
        for href in map(self.href, filter(is_url, admitted)):
            if href not in self._opened:
                self._files.get(href).prefetch([(0, HEAD)])

    def href(self, admitted: str) -> str:
        """An admitted path or URL as it is kept: without its signature."""
        return self.client.signer.take(admitted) if is_url(admitted) else admitted

    def described_band(
        self, admitted: str, band: int, stated: tuple[float | None, float | None, float | None], where: str
    ) -> Band:
        """A band as its file, and what was stated about it, describe it.

        Args:
            admitted: a path or URL that the gate admitted.
            band: its number in the file, from 1.
            stated: scale, offset and nodata that the request or the STAC Item gives. Scale and offset replace the
                file's own; nodata counts beside the file's own, so that both numbers mean "no data".
            where: the field that names the file.
        """
        image, header = self.read(admitted, band, where)
        href = self.href(admitted)
        info = image.info.bands[band - 1]
        beside = self._beside.get(href, Metadata()).band(band)
        scale, offset, nodata = stated
        calibrated = scale is not None or offset is not None
        if not calibrated:
            scale = info.scale if beside.scale is None else beside.scale
            offset = info.offset if beside.offset is None else beside.offset
            calibrated = (scale, offset) != (1.0, 0.0) or header.dtype.startswith("float")
        own = numbers_of([info.nodata], header.dtype)
        file = numbers_of([beside.nodata], header.dtype) or own
        absent = numbers_of([nodata, *file], header.dtype)
        factors = image.averaged_overviews(band) if own == absent else ()
        return Band(
            href=href,
            band=band,
            scale=1.0 if scale is None else scale,
            offset=0.0 if offset is None else offset,
            calibrated=calibrated,
            nodata=absent,
            header=header,
            overviews=tuple(map(header.grid.reduced, factors)),
        )


def _header_of(image: Raster, beside: Metadata, band: int, where: str) -> Header:
    """The header of a band.

    Args:
        image: the open file.
        beside: the metadata beside it.
        band: its number in the file, from 1.
        where: the field that names the file.

    Raises:
        RequestError: the image has no such band, no place on the ground, or is rotated.
    """
    info, name = image.info, image.name
    if band > len(info.bands):
        raise RequestError(f"{where}: {name} has {len(info.bands)} band(s), so band {band} does not exist")
    with at_field(where):
        crs = image.crs if beside.crs is None else beside.crs.to_string()
    transform = info.transform if beside.transform is None else beside.transform
    if problem := _placement_problem(image, transform):
        raise RequestError(f"{where}: {name} {problem}")
    if crs is None:
        raise RequestError(
            f"{where}: {name} has no coordinate reference system; assign one, as gdal_edit.py -a_srs does"
        )
    grid = Grid(crs, transform.c, transform.f, transform.a, -transform.e, info.width, info.height)
    problem = why_nowhere(grid.bounds, grid.crs)
    if problem is not None:
        raise RequestError(f"{where}: {name} is nowhere on Earth: {problem}")
    stated = info.bands[band - 1]
    return Header(grid, stated.dtype, stated.blocks, image.identity)


def _is_oblique(info: RasterInfo, transform: Affine) -> bool:
    """Whether rows and columns do not run along the axes of the CRS, by more than rounding explains."""
    across, down = abs(transform.b) * info.height, abs(transform.d) * info.width
    return bool(across > ROUNDING * abs(transform.a) or down > ROUNDING * abs(transform.e))


def _placement_problem(image: Raster, transform: Affine) -> str | None:
    """What places an image on the ground, if it is not a transform to north-up pixels; and what to do about it."""
    if transform == Affine.identity():
        return image.placement_problem
    if _is_oblique(image.info, transform):
        degrees = math.degrees(math.atan2(transform.d, transform.a))
        return f"is rotated or sheared (its rows run {degrees:.3g} degrees off); warp it first, as gdalwarp does"
    if transform.a <= 0 or transform.e >= 0:
        way = "its first row is the southernmost" if transform.e >= 0 else "its first column is the easternmost"
        return f"is mirrored ({way}); warp it to north-up pixels first, as gdalwarp does"
    return None
