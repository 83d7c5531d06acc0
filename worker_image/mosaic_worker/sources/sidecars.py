"""Files beside an image, which GDAL would read and which are not read here.

A mask or an overview beside an image may be of any format, and so lead to any other file of this machine; and beside
an image at a server none is looked for. An image means the same at both places, so that what is beside it is left out,
and the user is told where that may change the mosaic.
"""

import re

from mosaic_crds.errors import RequestError

from mosaic_worker.sources.archives import open_bytes
from mosaic_worker.sources.gate import Gate

_CHANGES_PIXELS = re.compile(rb"<(SRS|GeoTransform|GCPList|NoDataValue|Scale|Offset)\b")
"""In an .aux.xml: what would change a mosaic. Most of them hold statistics only."""
_LOOKED_AT = 2**20
_SHOWN = 5


def ignored_beside(admitted: str, gate: Gate | None) -> list[str]:
    """The files beside an image of this machine, or of an archive, that would change a mosaic if they were read.

    Args:
        admitted: the path of the image.
        gate: what may be read.
    """
    found = []
    for suffix, changes in ((".msk", None), (".aux.xml", _CHANGES_PIXELS)):
        content = _content(admitted + suffix, gate)
        if content is not None and (changes is None or changes.search(content)):
            found.append(admitted + suffix)
    return found


def warning_of(ignored: list[str]) -> str:
    """One sentence about files that are not read."""
    more = f" and {len(ignored) - _SHOWN} more" if len(ignored) > _SHOWN else ""
    return (
        f"files beside images are not read, such as {', '.join(ignored[:_SHOWN])}{more}; put a mask into the image "
        "itself or name it as the scene's mask, and give nodata, scale and offset in the request"
    )


def _content(admitted: str, gate: Gate | None) -> bytes | None:
    """The beginning of a file; None if there is none that may be read."""
    try:
        with open_bytes(admitted, "", gate) as file:
            return file.read(_LOOKED_AT)
    except RequestError:
        return None
