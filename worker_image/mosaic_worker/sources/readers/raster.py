"""What planning and compositing need of a raster file: the seam below which each library that reads formats is a class.

`opening` chooses the class. GDAL's is in `gdal_raster`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from mosaic_worker.geometry.sampling import Window


@dataclass(frozen=True)
class BandInfo:
    """What a file states of a band.

    Attributes:
        dtype: numpy's name of the stored type.
        blocks: width and height of the blocks in which it is stored, pixels.
        nodata: the number that means "no data", if one does.
        scale, offset: value = scale x number + offset; 1 and 0 if not stated.
        names: what the file calls it, the most specific first; None where it has no such name.
        alpha: whether it holds opacity.
    """

    dtype: str
    blocks: tuple[int, int]
    nodata: float | None
    scale: float
    offset: float
    names: tuple[str | None, ...]
    alpha: bool


@dataclass(frozen=True)
class RasterInfo:
    """What a file states of itself.

    Attributes:
        width, height: pixels.
        transform: from pixels to the CRS; the identity if none is stated.
        bands: in their order in the file.
    """

    width: int
    height: int
    transform: Affine
    bands: tuple[BandInfo, ...]


class Raster(ABC):
    """An open raster file, or one of its overviews. Its errors do not name the field of the request; callers add it.

    Attributes:
        name: its name in messages.
        copied_bytes: what it occupies on this machine's disk because it had to be copied from a server.
    """

    name: str
    copied_bytes: int

    @property
    @abstractmethod
    def identity(self) -> str:
        """Changes when the content of the file does."""

    @property
    @abstractmethod
    def info(self) -> RasterInfo:
        """What the file states of itself."""

    @property
    @abstractmethod
    def crs(self) -> str | None:
        """The coordinate reference system, as PROJ reads it; None if there is none.

        Raises:
            RequestError: PROJ cannot read it.
        """

    @property
    @abstractmethod
    def placement_problem(self) -> str:
        """What places an image without a transform on the ground, and what to do about it; ends a sentence."""

    @abstractmethod
    def averaged_overviews(self, band: int) -> tuple[int, ...]:
        """How many pixels of the image a pixel of each overview is wide, finest first, as far as they hold averages.

        The pixels of such an overview are the means of whole blocks of pixels that are valid by the file's own nodata
        number, and nothing else hides pixels of the band.

        Args:
            band: the band's number, from 1.
        """

    @abstractmethod
    def ranges(self, band: int, window: Window) -> list[tuple[int, int]]:
        """Bytes [start, stop) of the file at its server that hold a window; none if that is unknown, or it is here."""

    @abstractmethod
    def read(self, band: int, window: Window) -> NDArray[Any]:
        """The stored numbers of a window, (height, width), in the stored type.

        Raises:
            RequestError: the file is damaged.
            PassingError: its server did not answer.
        """

    @abstractmethod
    def hidden(self, band: int, window: Window) -> Iterator[NDArray[np.bool_]]:
        """For each mask or alpha band of the file, which pixels of a window of a band it hides, (height, width).

        Raises:
            RequestError: the file is damaged.
            PassingError: its server did not answer.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the file and what it occupies."""
