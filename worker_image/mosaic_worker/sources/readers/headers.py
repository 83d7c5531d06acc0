"""Headers of files, combined with metadata beside the files and in the request."""

import math
from collections.abc import Iterable
from typing import Self

from affine import Affine
from mosaic_crds.errors import RequestError
from mosaic_crds.spelling import counted

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
"""Maximum obliqueness of a north-up transform: pixels over the whole image."""


class Headers:
    """The files of a request while its headers are read; each is opened once."""

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
        """The file of an admitted path or URL, and the header of one of its bands."""
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
        """Notes for the user on the files."""
        return (warning_of(self._masked),) if self._masked else ()

    def prefetch(self, admitted: Iterable[str]) -> None:
        """Fetch the beginnings of remote files in the background."""
        for href in map(self.href, filter(is_url, admitted)):
            if href not in self._opened:
                self._files.get(href).prefetch([(0, HEAD)])

    def href(self, admitted: str) -> str:
        """An admitted path or URL without its signature."""
        return self.client.signer.take(admitted) if is_url(admitted) else admitted

    def described_band(
        self, admitted: str, band: int, stated: tuple[float | None, float | None, float | None], where: str
    ) -> Band:
        """A band with the metadata of its file.

        Args:
            admitted: an admitted path or URL.
            band: the number of the band in the file, from 1.
            stated: scale, offset and nodata in the request or the STAC Item. Scale and offset replace those of the
                file; nodata is added to that of the file.
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
    """The header of a band; arguments as above.

    Raises:
        RequestError: the band does not exist, or the image is not georeferenced or is rotated.
    """
    info, name = image.info, image.name
    if band > len(info.bands):
        raise RequestError(f"{where}: {name} has {counted(len(info.bands), 'band')}, so band {band} does not exist")
    with at_field(where):
        crs = image.crs if beside.crs is None else beside.crs.to_string()
    transform = info.transform if beside.transform is None else beside.transform
    if problem := _placement_problem(image, transform):
        raise RequestError(f"{where}: {name} {problem}")
    if crs is None:
        raise RequestError(f"{where}: {name} has no coordinate reference system; assign one with gdal_edit.py -a_srs")
    grid = Grid(crs, transform.c, transform.f, transform.a, -transform.e, info.width, info.height)
    problem = why_nowhere(grid.bounds, grid.crs)
    if problem is not None:
        raise RequestError(f"{where}: {name} cannot be located: {problem}")
    stated = info.bands[band - 1]
    return Header(grid, stated.dtype, stated.blocks, image.identity)


def _is_oblique(info: RasterInfo, transform: Affine) -> bool:
    """Whether rows and columns are not parallel to the axes of the CRS, beyond rounding."""
    across, down = abs(transform.b) * info.height, abs(transform.d) * info.width
    return bool(across > ROUNDING * abs(transform.a) or down > ROUNDING * abs(transform.e))


def _placement_problem(image: Raster, transform: Affine) -> str | None:
    """Why an image has no north-up transform, and what to do; None if it has one."""
    if transform == Affine.identity():
        return image.placement_problem
    if _is_oblique(image.info, transform):
        degrees = math.degrees(math.atan2(transform.d, transform.a))
        return f"is rotated or sheared (by {degrees:.3g} degrees); warp it first with gdalwarp"
    if transform.a <= 0 or transform.e >= 0:
        way = "its first row is the southernmost" if transform.e >= 0 else "its first column is the easternmost"
        return f"is mirrored ({way}); warp it to north-up pixels first with gdalwarp"
    return None
