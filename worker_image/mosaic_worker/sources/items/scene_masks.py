"""The mask of a scene: the one that a request names, else the one that its STAC Item has."""

from collections.abc import Sequence

from mosaic_crds.errors import RequestError
from mosaic_crds.source import MaskFile

from mosaic_worker.sources.items.item import StacItem
from mosaic_worker.sources.masks import LEGENDS, undetected_classes
from mosaic_worker.sources.readers.headers import Headers
from mosaic_worker.sources.scenes import Mask


def scene_mask(
    file: MaskFile | None, classes: Sequence[str], where: str, headers: Headers, item: StacItem | None = None
) -> Mask | None:
    """The mask of a scene, where something is to be masked.

    Args:
        file: what the request names, if anything.
        classes: the classes that the request masks.
        where: the field that describes the scene's mask.
        headers: the files of the request.
        item: the scene's STAC Item, if it has one.

    Raises:
        RequestError: there is none, or it cannot tell the classes.
    """
    if file is not None:
        if file.values in LEGENDS and not classes:
            return None
        admitted, band, values = headers.gate.admit(file.href, where), file.band, file.values
    elif not classes:
        return None
    elif item is None:
        raise RequestError(
            f"{where}: spec.composite.mask leaves out {', '.join(classes)}, and this scene has no mask to tell them by"
        )
    else:
        admitted, band, values = item.mask()
    lacking = undetected_classes(values, classes)
    if lacking:
        raise RequestError(
            f"{where}: spec.composite.mask leaves out {', '.join(lacking)}, and a mask of kind {values} does not tell "
            f"{' or '.join(lacking)}; take it out of there, or give the scene a mask that tells"
        )
    _, header = headers.read(admitted, band, where)
    href = headers.href(admitted)
    if values in LEGENDS and not header.dtype.startswith(("uint", "int")):
        raise RequestError(f"{where}: {href} holds {header.dtype}, and a mask of kind {values} integers")
    return Mask(href=href, band=band, values=values, header=header)
