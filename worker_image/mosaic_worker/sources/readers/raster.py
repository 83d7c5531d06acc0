"""The interface of raster files for planning and compositing. Each library that reads formats has a class.

`opening` selects the class. `gdal_raster` has that of GDAL.
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
    """The metadata of a band in a file.

    Attributes:
        dtype: the stored type, as a numpy name.
        blocks: width and height of its blocks, pixels.
        nodata: the number that means "no data", if any.
        scale, offset: value = scale x number + offset; 1 and 0 if not stated.
        names: its names, the most specific first; None for a missing one.
        alpha: whether it is an alpha band.
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
    """The metadata of a file.

    Attributes:
        width, height: pixels.
        transform: from pixels to the CRS; the identity if there is none.
        bands: in the order of the file.
    """

    width: int
    height: int
    transform: Affine
    bands: tuple[BandInfo, ...]


class Raster(ABC):
    """An open raster file, or one of its overviews. Callers add the field of the request to its errors.

    Attributes:
        name: its name in messages.
        copied_bytes: the size of its copy on the local disk, if a remote file had to be copied.
    """

    name: str
    copied_bytes: int

    @property
    @abstractmethod
    def identity(self) -> str:
        """It changes with the content of the file."""

    @property
    @abstractmethod
    def info(self) -> RasterInfo:
        """The metadata of the file."""

    @property
    @abstractmethod
    def crs(self) -> str | None:
        """The coordinate reference system; None if there is none.

        Raises:
            RequestError: PROJ cannot read it.
        """

    @property
    @abstractmethod
    def placement_problem(self) -> str:
        """Why the image has no transform, and what to do; the end of a sentence."""

    @abstractmethod
    def averaged_overviews(self, band: int) -> tuple[int, ...]:
        """The factors of the averaged overviews of a band (from 1), finest first.

        The pixels of such an overview are means of the pixels in whole blocks that are valid by the nodata number of
        the file. Nothing else hides pixels of the band.
        """

    @abstractmethod
    def ranges(self, band: int, window: Window) -> list[tuple[int, int]]:
        """The bytes [start, stop) of a window in a remote file; empty if unknown, or if the file is local."""

    @abstractmethod
    def read(self, band: int, window: Window) -> NDArray[Any]:
        """The stored numbers of a window, (height, width), in the stored type.

        Raises:
            RequestError: the file is damaged.
            PassingError: its server did not respond.
        """

    @abstractmethod
    def hidden(self, band: int, window: Window) -> Iterator[NDArray[np.bool_]]:
        """For each mask or alpha band of the file: the pixels that it hides in a window of a band, (height, width).

        Raises:
            RequestError, PassingError: as for `read`.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the file and delete its copy."""
