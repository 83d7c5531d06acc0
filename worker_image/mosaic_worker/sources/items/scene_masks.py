"""The mask of a scene, from the request or from its STAC Item, or how its clouds are detected."""

import re
from collections.abc import Callable, Sequence

from mosaic_crds.composite import Composite, MaskClass
from mosaic_crds.errors import RequestError
from mosaic_crds.source import MaskFile, MaskValues

from mosaic_worker.sources.items.item import StacItem
from mosaic_worker.sources.masks import LEGENDS, classes_of, undetected_classes
from mosaic_worker.sources.readers.detection import BANDS
from mosaic_worker.sources.readers.headers import Headers
from mosaic_worker.sources.scenes import Band, Detection, Mask
from mosaic_worker.version import detector_versions

_LEVEL_PROPERTIES = ("processing:level", "s2:product_type", "product:type", "s2:product_uri")
_LEVEL = re.compile(r"(?:msil?|l|level[-_ ]?)(1c|2a)(?![a-z0-9])", re.IGNORECASE)
"""As in L1C, Level-1C, S2MSI1C, S2A_MSIL1C_20240701 and sentinel-2-l1c."""


def scene_mask(
    file: MaskFile | None,
    composite: Composite,
    where: str,
    headers: Headers,
    bands: Callable[[str], Band],
    item: StacItem | None = None,
) -> Mask | Detection | None:
    """The mask of a scene, or how its clouds are detected; None if nothing is masked.

    Args:
        file: the mask in the request, if any.
        composite: has the classes that the request masks.
        where: the field of the mask.
        headers: the files of the request.
        bands: returns the band of a canonical name of the scene.
        item: the STAC Item of the scene, if it has one.

    Raises:
        RequestError: there is no mask, or it lacks the classes.
    """
    classes = composite.mask
    if file is not None:
        if classes_of(file.values) is not None and not classes:
            return None
        admitted, band, values = headers.gate.admit(file.href, where), file.band, file.values
    elif not classes:
        return None
    elif composite.detect is not None and (item is None or not item.layers.has_mask):
        return detected(composite, where, bands, None if item is None else level_of(item))
    elif item is None:
        raise RequestError(
            f"{where}: spec.composite.mask has {', '.join(classes)}, but this scene has no mask; give it one, or set "
            "spec.composite.detect"
        )
    else:
        admitted, band, values = item.mask()
    check_classes(values, classes, where)
    _, header = headers.read(admitted, band, where)
    href = headers.href(admitted)
    if values in LEGENDS and not header.dtype.startswith(("uint", "int")):
        raise RequestError(f"{where}: {href} has the type {header.dtype}, but a mask of kind {values} has integers")
    return Mask(href=href, band=band, values=values, header=header)


def mask_places(composite: Composite, item: StacItem) -> list[str]:
    """The admitted paths or URLs of what is read for the mask of an Item.

    Raises:
        RequestError: as for `scene_mask`.
    """
    if composite.detect is not None and not item.layers.has_mask:
        return [item.place_of(name) for name in BANDS]
    return [item.mask()[0]]


def level_of(item: StacItem) -> str | None:
    """The processing level that an Item of Sentinel-2 states, in lower case: 1c or 2a; None if it states none."""
    properties = item.item.properties
    stated = (*(properties.get(name) for name in _LEVEL_PROPERTIES), item.item.collection_id, item.id)
    return next((found[1].lower() for text in stated if (found := _LEVEL.search(str(text or "")))), None)


def detected(composite: Composite, where: str, bands: Callable[[str], Band], level: str | None) -> Detection:
    """How the clouds of a scene without a mask are detected.

    Args:
        composite: has the detector, and the classes that the request masks.
        where: the field of the scene or its mask.
        bands: returns the band of a canonical name of the scene.
        level: the processing level of the scene, 1c or 2a; None if it states none.

    Raises:
        RequestError: the detector cannot be used for the scene.
    """
    if composite.detect is None:
        raise ValueError("the request detects no clouds")
    others = [name for name in composite.mask if name != "cloud"]
    if others:
        raise RequestError(
            f"{where}: spec.composite.mask has {', '.join(others)}, but this scene has no mask, and {composite.detect} "
            "only detects cloud; remove it there, or give the scene a mask"
        )
    if level == "2a":
        raise RequestError(
            f"{where}: {composite.detect} needs top-of-atmosphere reflectances, but this scene is of level 2A; give it "
            "a mask such as its scene classification, or use the product of level 1C"
        )
    try:
        found = tuple(map(bands, BANDS))
    except RequestError as error:
        raise RequestError(
            f"{error}; spec.composite.detect reads {', '.join(BANDS)}, because the scene has no mask"
        ) from None
    plain = [name for name, band in zip(BANDS, found, strict=True) if not band.calibrated]
    if plain:
        raise RequestError(
            f"{where}: {composite.detect} needs reflectances, but {', '.join(plain)} has no scale; give scale and "
            "offset (Sentinel-2: scale 0.0001, offset -0.1 since baseline 04.00)"
        )
    return Detection(composite.detect, found, stated=level == "1c", versions=detector_versions())


def check_classes(values: MaskValues, classes: Sequence[MaskClass], where: str) -> None:
    """Refuse classes that masks of a kind lack.

    Raises:
        RequestError: there are some; the sentence starts with `where`.
    """
    lacking = undetected_classes(values, classes)
    if lacking:
        raise RequestError(
            f"{where}: spec.composite.mask has {', '.join(lacking)}, but a mask of kind {values} has no such class; "
            "remove it there, or give the scene another mask"
        )
