"""Sentinel-2 products of ESA as scenes: the .SAFE folder or its zip."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element, ParseError  # types; defusedxml reads  # nosec B405

from defusedxml.ElementTree import fromstring
from mosaic_crds.composite import Composite
from mosaic_crds.errors import RequestError
from mosaic_crds.source import MaskValues
from mosaic_crds.times import moment

from mosaic_worker.product.bands import canonical
from mosaic_worker.sources.access.gate import is_url, redacted
from mosaic_worker.sources.access.zips import member_reference, members
from mosaic_worker.sources.http.client import Client
from mosaic_worker.sources.items.scene_masks import check_classes, detected
from mosaic_worker.sources.readers.documents import read_document
from mosaic_worker.sources.readers.headers import Headers
from mosaic_worker.sources.scenes import Band, Detection, Mask, Scene

_METADATA = re.compile(r"(?:MTD_MSIL(?:1C|2A)|S2[A-D]_(?:OPER|USER)_MTD_SAFL(?:1C|2A)_[^/]*)\.xml")
_IMAGE = re.compile(
    r"GRANULE/(?P<granule>[^/]+)/(?:IMG_DATA/(?:R\d0m/)?[^/]*_(?P<band>B\d\d|B8A|SCL)|QI_DATA/(?P<quality>MSK_CLDPRB))"
    r"(?:_(?P<metres>\d0)m)?\.jp2"
)
SCL = "SCL"
_MASKS: dict[str, MaskValues] = {SCL: "scl", "MSK_CLDPRB": "probability"}
"""The encoding of the masks of a product, by the names that `assets` of a request accepts."""
_LEVELS = {"Level-1C_User_Product": "L1C", "Level-2A_User_Product": "L2A"}
_BAND_IDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
"""By band_id in the metadata (Sentinel-2 Products Specification Document, S2-PDGS-TAS-DI-PSD)."""
_QUANTIFICATION = {"L1C": "QUANTIFICATION_VALUE", "L2A": "BOA_QUANTIFICATION_VALUE"}
_OFFSET = {"L1C": "RADIO_ADD_OFFSET", "L2A": "BOA_ADD_OFFSET"}


def safe_scene(
    admitted: str, bands: Sequence[str], composite: Composite, mask: str | None, where: str, headers: Headers
) -> Scene:
    """A Sentinel-2 product as a scene, with each band from the file of the best resolution.

    Args:
        admitted: the path of the .SAFE folder or of its zip.
        bands: the canonical names of the bands.
        composite: has the classes that the request masks.
        mask: the name of the mask in the request; by default the scene classification.
        where: the field that names the product.
        headers: the files of the request.

    Raises:
        RequestError: it is not such a product, or lacks a band or a mask.
    """
    product = read_product(admitted, where, headers.client)
    return Scene(
        id=product.id,
        datetime=product.taken,
        cloud_cover=product.cloud_cover,
        bands={name: product.band(name, headers) for name in bands},
        mask=product.mask(mask, composite, headers) if composite.mask else None,
    )


@dataclass(frozen=True)
class Product:
    """A product with its metadata.

    Attributes:
        root: the root element of its metadata.
        name: the name of its folder.
        images: the admitted paths of its images by path in the folder.
        where: the field of the request that names it.
    """

    root: Element
    name: str
    images: dict[str, str]
    where: str

    @cached_property
    def level(self) -> str:
        """L1C or L2A."""
        tag = self.root.tag.rpartition("}")[2]
        if tag not in _LEVELS:
            raise RequestError(f"{self.where}: {self.name} is not a Sentinel-2 product of level 1C or 2A ({tag})")
        return _LEVELS[tag]

    @property
    def id(self) -> str:
        """The name of the product; for products from before December 2016, of its folder."""
        uri = self.text("PRODUCT_URI") or ""
        return uri.removesuffix(".SAFE") if uri.endswith(".SAFE") else self.name.removesuffix(".SAFE")

    @property
    def taken(self) -> datetime | None:
        """The start of the datatake."""
        text = self.text("PRODUCT_START_TIME")
        try:
            return None if text is None else moment(text)
        except ValueError:
            raise RequestError(f"{self.where}: PRODUCT_START_TIME of {self.id} is {text!r}, not a time") from None

    @property
    def cloud_cover(self) -> float | None:
        """The cloud cover, percent."""
        return self.number("Cloud_Coverage_Assessment")

    @property
    def bbox(self) -> tuple[float, float, float, float] | None:
        """West, south, east, north of its footprint in degrees, if known; west > east across the antimeridian."""
        numbers = [self._parsed(text, "EXT_POS_LIST") for text in (self.text("EXT_POS_LIST") or "").split()]
        if not numbers or len(numbers) % 2:
            return None
        latitudes, longitudes = numbers[::2], numbers[1::2]
        west, east = min(longitudes), max(longitudes)
        if max(map(abs, latitudes)) > 90 or max(map(abs, longitudes)) > 180:
            return None
        if east - west > 180:
            west = min(longitude for longitude in longitudes if longitude > 0)
            east = max(longitude for longitude in longitudes if longitude <= 0)
        return west, min(latitudes), east, max(latitudes)

    def band(self, name: str, headers: Headers) -> Band:
        """The band of a canonical common name, with scale, offset and nodata of the metadata.

        reflectance = (number + offset) / quantification; the offset exists since processing baseline 04.00.
        """
        ids = {canonical(found): found for found in self._best if found not in _MASKS}
        if name not in ids:
            raise RequestError(f"{self.where}: the product needs {name}, but {self.id} has {', '.join(sorted(ids))}")
        quantification = self.number(_QUANTIFICATION[self.level])
        if not quantification:
            raise RequestError(f"{self.where}: the metadata of {self.id} state no {_QUANTIFICATION[self.level]}")
        stated = (1 / quantification, self._offset(ids[name]) / quantification, self._nodata)
        return headers.described_band(self._best[ids[name]], 1, stated, f"{self.where}: {ids[name]} of {self.id}")

    def mask(self, named: str | None, composite: Composite, headers: Headers) -> Mask | Detection:
        """The mask that the request names, otherwise the scene classification or how clouds are detected."""
        name, classes = named or SCL, composite.mask
        if composite.detect is not None and named is None and SCL not in self._best:
            return detected(composite, self.where, lambda band: self.band(band, headers), self.level[1:].lower())
        if name not in _MASKS:
            raise RequestError(
                f"{self.where.removesuffix('.safe')}.assets.mask is {name}, but a SAFE product has the masks "
                f"{' and '.join(_MASKS)}; use one of them"
            )
        if name not in self._best:
            full = "scene classification (SCL)" if name == SCL else f"{name}, the probability of cloud"
            raise RequestError(
                f"{self.where}: spec.composite.mask has {', '.join(classes)}, but {self.id} has no {full}, like all "
                "products of level 1C; use the product of level 2A, or set spec.composite.detect"
            )
        check_classes(_MASKS[name], classes, self.where)
        _, header = headers.read(self._best[name], 1, f"{self.where}: {name} of {self.id}")
        return Mask(href=self._best[name], band=1, values=_MASKS[name], header=header)

    def text(self, tag: str) -> str | None:
        """The text of the first element with a tag, if any."""
        found = self.root.findtext(f".//{{*}}{tag}")
        return None if found is None else found.strip()

    def number(self, tag: str) -> float | None:
        """The number in the first element with a tag, if any."""
        text = self.text(tag)
        return None if text is None else self._parsed(text, tag)

    @cached_property
    def _best(self) -> dict[str, str]:
        """The admitted path of the image of each band id, and of each mask, at its best resolution."""
        matches = [(_IMAGE.fullmatch(name), path) for name, path in sorted(self.images.items())]
        found = [(match, path) for match, path in matches if match]
        granules = {match["granule"] for match, _ in found}
        if len(granules) > 1:
            raise RequestError(
                f"{self.where}: {self.id} has {len(granules)} granules, but a scene is one of them; "
                "list the files of each in bands"
            )
        found.sort(key=lambda item: -int(item[0]["metres"] or 0))  # the finest is last and wins
        return {match["band"] or match["quality"]: path for match, path in found}

    def _offset(self, band: str) -> float:
        """The number to add to the numbers of a band."""
        tag = _OFFSET[self.level]
        listed = self.root.findall(f".//{{*}}{tag}")
        for element in listed:
            if element.get("band_id") == str(_BAND_IDS.index(band)):
                return self._parsed(element.text or "", tag)
        if listed:
            raise RequestError(f"{self.where}: the metadata of {self.id} state no {tag} of {band}")
        return 0.0

    @property
    def _nodata(self) -> float:
        for special in self.root.iterfind(".//{*}Special_Values"):
            if special.findtext("{*}SPECIAL_VALUE_TEXT") == "NODATA":
                return self._parsed(special.findtext("{*}SPECIAL_VALUE_INDEX") or "", "SPECIAL_VALUE_INDEX of NODATA")
        raise RequestError(f"{self.where}: the metadata of {self.id} state no number for no data")

    def _parsed(self, text: str, tag: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise RequestError(f"{self.where}: {tag} of {self.id} is {text[:80]!r}, not a number")
        return number


def read_product(admitted: str, where: str, client: Client) -> Product:
    """The product in a folder or a zip.

    Raises:
        RequestError: there is not exactly one, or its metadata cannot be read.
    """
    if is_url(admitted):
        raise RequestError(
            f"{where}: SAFE products are only read from a local disk; download {redacted(admitted)}, list its files in "
            "bands, or use its STAC Item"
        )
    path = Path(admitted)
    if path.is_dir():
        files = _in_folder(path)
    elif path.is_file() and path.suffix.lower() == ".zip":
        files = {name: member_reference(admitted, name) for name in members(admitted, where, client.gate)}
    else:
        raise RequestError(f"{where}: {admitted} is not a .SAFE folder or .zip file, or does not exist")
    places = [name for name in files if _METADATA.fullmatch(PurePosixPath(name).name)]
    if len(places) != 1:
        raise RequestError(
            f"{where}: {admitted} has {len(places)} Sentinel-2 products (files MTD_MSIL1C.xml or MTD_MSIL2A.xml); "
            "use a folder or zip with one product"
        )
    metadata = places[0]
    text = read_document(files[metadata], where, client)
    try:
        root = fromstring(text, forbid_dtd=True)
    except (ParseError, ValueError):
        raise RequestError(f"{where}: {metadata} in {admitted} is not valid XML, or has a DTD") from None
    folder = metadata.removesuffix(PurePosixPath(metadata).name)
    images = {name.removeprefix(folder): href for name, href in files.items() if name.startswith(folder)}
    return Product(root, PurePosixPath(folder).name or path.name.removesuffix(".zip"), images, where)


def _in_folder(path: Path) -> dict[str, str]:
    """The relevant files of a .SAFE folder, which may be in a folder of the same name, as after unpacking a zip."""
    patterns = (
        "*.xml",
        "GRANULE/*/IMG_DATA/*.jp2",
        "GRANULE/*/IMG_DATA/R*m/*.jp2",
        "GRANULE/*/QI_DATA/MSK_CLDPRB*.jp2",
    )
    found = [file for start in ("", "*.SAFE/") for pattern in patterns for file in path.glob(start + pattern)]
    return {file.relative_to(path).as_posix(): str(file) for file in found}
