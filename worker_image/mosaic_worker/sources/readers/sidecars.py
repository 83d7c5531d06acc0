"""Files beside a local image, which GDAL must not read by itself.

GDAL opens masks and overviews beside an image with any driver, so they could refer to any other file. They are ignored;
the plan warns about masks. The metadata in an `.aux.xml` are numbers and a CRS: they are read here, with an XML parser
that follows no references.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, ParseError  # types; defusedxml parses  # nosec B405

from affine import Affine
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from mosaic_crds.errors import RequestError
from rasterio.crs import CRS
from rasterio.errors import CRSError

from mosaic_worker.sources.access.gate import Gate
from mosaic_worker.sources.access.zips import open_bytes

LARGEST_METADATA = 2**20
"""Bytes of an `.aux.xml`; histograms and attribute tables are the largest parts of one."""
_SHOWN = 5


@dataclass(frozen=True)
class BandMetadata:
    """The metadata of a band in an `.aux.xml`; None if not stated. value = scale x number + offset."""

    nodata: float | None = None
    scale: float | None = None
    offset: float | None = None


@dataclass(frozen=True)
class Metadata:
    """The metadata of an image in an `.aux.xml`, which override those in the image, as in GDAL.

    Attributes:
        crs: the CRS.
        transform: from pixels to the CRS.
        bands: by number, from 1.
    """

    crs: CRS | None = None
    transform: Affine | None = None
    bands: Mapping[int, BandMetadata] = field(default_factory=dict)

    def band(self, number: int) -> BandMetadata:
        """The metadata of a band."""
        return self.bands.get(number, BandMetadata())


def metadata_beside(admitted: str, where: str, gate: Gate | None) -> Metadata:
    """The metadata in the `.aux.xml` beside an image, also in an archive; empty if there is none.

    Args:
        admitted: the path of the image.
        where: the field that names the image.
        gate: what may be read.

    Raises:
        RequestError: the file is invalid.
    """
    name = f"{admitted}.aux.xml"
    content = _content(name, gate)
    if content is None:
        return Metadata()
    if len(content) > LARGEST_METADATA:
        raise RequestError(f"{where}: {name} is larger than 1 MiB, the limit; delete or shorten it")
    try:
        root = fromstring(content, forbid_dtd=True)
        return Metadata(_crs(root), _transform(root), dict(map(_band, root.iterfind("PAMRasterBand"))))
    except (ParseError, DefusedXmlException, CRSError, ValueError) as error:
        raise RequestError(f"{where}: {name} is invalid ({error}); correct or delete it") from None


def has_mask_beside(admitted: str, gate: Gate | None) -> bool:
    """Whether there is a mask beside an image, which is ignored."""
    return _content(f"{admitted}.msk", gate) is not None


def warning_of(masked: list[str]) -> str:
    """A note on images whose masks are ignored."""
    more = f" and {len(masked) - _SHOWN} more" if len(masked) > _SHOWN else ""
    named = ", ".join(f"{path}.msk" for path in masked[:_SHOWN])
    return (
        f"mask files beside images are not read: {named}{more}; put the mask into the image, or name it as the scene's "
        "mask"
    )


def _crs(root: Element) -> CRS | None:
    text = root.findtext("SRS")
    return CRS.from_wkt(text) if text and text.strip() else None


def _transform(root: Element) -> Affine | None:
    text = root.findtext("GeoTransform")
    if text is None:
        return None
    numbers = [float(part) for part in text.split(",")]
    if len(numbers) != 6 or not all(map(math.isfinite, numbers)):
        raise ValueError("GeoTransform must be six numbers")
    return Affine.from_gdal(*numbers)


def _band(element: Element) -> tuple[int, BandMetadata]:
    numbers = {name: element.findtext(name) for name in ("NoDataValue", "Scale", "Offset")}
    nodata, scale, offset = (None if text is None else float(text) for text in numbers.values())
    if not all(number is None or math.isfinite(number) for number in (scale, offset)):
        raise ValueError("Scale and Offset must be finite")
    return int(element.get("band", "")), BandMetadata(nodata, scale, offset)


def _content(admitted: str, gate: Gate | None) -> bytes | None:
    """The beginning of a file; None if it does not exist or must not be read."""
    try:
        with open_bytes(admitted, gate) as file:
            return file.read(LARGEST_METADATA + 1)
    except RequestError:
        return None
