"""The mask of a scene, from the request or from its STAC Item."""

from collections.abc import Sequence

from mosaic_crds.composite import Composite, MaskClass
from mosaic_crds.errors import RequestError
from mosaic_crds.source import MaskFile, MaskValues

from mosaic_worker.sources.items.item import StacItem
from mosaic_worker.sources.masks import LEGENDS, classes_of, undetected_classes
from mosaic_worker.sources.readers.headers import Headers
from mosaic_worker.sources.scenes import Mask


def scene_mask(
    file: MaskFile | None, composite: Composite, where: str, headers: Headers, item: StacItem | None = None
) -> Mask | None:
    """The mask of a scene; None if nothing is masked.

    Args:
        file: the mask in the request, if any.
        composite: has the classes that the request masks.
        where: the field of the mask.
        headers: the files of the request.
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
    elif item is None:
        raise RequestError(
            f"{where}: spec.composite.mask has {', '.join(classes)}, but this scene has no mask; give it one"
        )
    else:
        admitted, band, values = item.mask()
    check_classes(values, classes, where)
    _, header = headers.read(admitted, band, where)
    href = headers.href(admitted)
    if values in LEGENDS and not header.dtype.startswith(("uint", "int")):
        raise RequestError(f"{where}: {href} has the type {header.dtype}, but a mask of kind {values} has integers")
    return Mask(href=href, band=band, values=values, header=header)


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
