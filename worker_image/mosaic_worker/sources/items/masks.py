"""Finds the mask among the bands of a STAC Item, and its encoding."""

from collections.abc import Sequence
from dataclasses import dataclass

from mosaic_crds.source import MaskValues

from mosaic_worker.sources.items.bands import AssetBand, plain
from mosaic_worker.sources.items.platforms import OTHER, SENTINEL_2, Platform

_BY_NAME: dict[str, MaskValues] = {"scl": "scl", "qa_pixel": "qaPixel", "fmask": "fmask", "cloud_mask": "earthDaily"}
"""The encoding of masks by their key or name; those with more classes come first."""
_PROBABILITIES = {"cloud", "cld", "msk_cldprb", "s2cloudless"}
"""Probabilities of cloud of Sentinel-2, by their key or name; only a request that names them uses them."""
_NO_CLASSES = _PROBABILITIES | {
    "snow", "snw", "msk_snwprb", "cloud_qa", "sr_cloud_qa", "qa_aerosol", "sr_qa_aerosol",
    "qa_radsat", "qa60", "pixel_qa", "bqa",
}  # fmt: skip
"""Layers that are not masks with classes: probabilities, and encodings that are not supported."""
_SEVERAL = {"cloud", "cloud-shadow"}
"""A layer with both roles has classes; a layer of probabilities has only one of them."""
_SINGLE = {"cloud", "cloud-shadow", "snow-ice", "water-mask"}
"""A layer with exactly one of these roles is a flag for it."""
NAMES = "SCL, QA_PIXEL, Fmask or cloud_mask"
"""Supported masks, for messages."""


@dataclass(frozen=True)
class MaskBand:
    """A mask layer.

    Attributes:
        band: its band.
        values: its encoding, as in mask.values of a request; None if unknown.
        assumed: whether the encoding is an assumption.
    """

    band: AssetBand
    values: MaskValues | None
    assumed: bool = False


def find_mask(bands: Sequence[AssetBand], platform: Platform) -> MaskBand | None:
    """The mask among the bands of an Item, by its key or name, otherwise by the roles of its asset."""
    for name, values in _BY_NAME.items():
        found = [band for band in bands if name in map(plain, band.labels)]
        if found:
            return MaskBand(min(found, key=lambda band: (band.is_jpeg2000, band.metres)), values)
    for band in bands:
        if band.roles >= _SEVERAL and platform.mask and not _has_no_classes(band):
            return MaskBand(band, platform.mask, platform.assumed)
    return None


def named_mask(bands: Sequence[AssetBand], platform: Platform) -> MaskBand:
    """The mask among the bands of an asset that a request names."""
    for band in bands:
        for label in map(plain, band.labels):
            if label in _BY_NAME:
                return MaskBand(band, _BY_NAME[label])
    band = bands[0]
    if platform.name == SENTINEL_2.name and len(bands) == 1 and _PROBABILITIES & set(map(plain, band.labels)):
        return MaskBand(band, "probability", platform.assumed)
    if len(bands) > 1 or _has_no_classes(band) or platform.name == OTHER.name:
        return MaskBand(band, None)
    if len(band.roles & _SINGLE) == 1:
        return MaskBand(band, "nonzero")
    if "data-mask" in band.roles and not band.roles & _SINGLE:
        return MaskBand(band, "zero")
    return MaskBand(band, platform.mask, platform.assumed)


def _has_no_classes(band: AssetBand) -> bool:
    return any(plain(label) in _NO_CLASSES for label in band.labels)
