"""Palettes: the colours of the 256 numbers of a picture of one band."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from mosaic_crds.classes import NO_CLASS, NO_DATA
from mosaic_crds.spec import Product
from numpy.typing import NDArray

from mosaic_worker.output.colormaps import palette


@dataclass(frozen=True)
class Palette:
    """The colours of a picture of one band.

    Attributes:
        colours: 256 times red, green, blue.
        hidden: numbers that are transparent.
        mixable: whether a smaller picture may have colours between them.
    """

    colours: bytes
    hidden: tuple[int, ...] = (NO_DATA,)
    mixable: bool = True

    @property
    def opacity(self) -> bytes:
        """The opacity of the numbers from 0 to the last hidden one: 0 or 255; all others are opaque."""
        return bytes(0 if number in self.hidden else 255 for number in range(max(self.hidden) + 1))

    @property
    def table(self) -> NDArray[np.uint8]:
        """Red, green, blue and opacity of each number, (256, 4)."""
        table = np.full((256, 4), 255, np.uint8)
        table[:, :3] = np.frombuffer(self.colours, np.uint8).reshape(256, 3)
        table[list(self.hidden), 3] = 0
        return table


def colormap_palette(name: str) -> Palette:
    """The palette of a colour map: 0 is no data, 1 to 255 are from its first to its last colour."""
    return Palette(palette(name))


def picture_palette(product: Product, colormap: str) -> Palette:
    """The palette of a product of one band: that of its classes, or of a colour map."""
    if product.classes is None:
        return colormap_palette(colormap)
    return class_palette({number: each.colour for number, each in enumerate(product.classes, 1)})


def class_palette(colours: Mapping[int, str]) -> Palette:
    """The palette of classes: their colours, #rrggbb, by number; no data and no class are transparent."""
    found = bytearray(3 * 256)
    for number, colour in colours.items():
        found[3 * number : 3 * number + 3] = bytes.fromhex(colour[1:])
    return Palette(bytes(found), (NO_DATA, NO_CLASS), mixable=False)
