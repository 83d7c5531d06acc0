"""Scenes, their bands and masks, and the headers of their files."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mosaic_crds.composite import Detector
from mosaic_crds.errors import RequestError
from mosaic_crds.source import MaskValues

from mosaic_worker.geometry.grid import Grid

NOT_TOUCHED = "spec.area: none of the scenes touches the area; compare its longitudes and latitudes with theirs"
SIDES = ("spec.source", "spec.minus")
"""The fields of a request with scenes, in the order of `Found.sides`."""
Nodata = int | float


class NoScenesError(RequestError):
    """A search found no scenes."""


@dataclass(frozen=True)
class Header:
    """The header of an image.

    Attributes:
        grid: its pixels.
        dtype: the stored type, as a numpy name.
        blocks: width and height of its blocks, pixels.
        identity: changes with the content of the file.
    """

    grid: Grid
    dtype: str
    blocks: tuple[int, int]
    identity: str


@dataclass(frozen=True)
class Band:
    """A band of a scene.

    Attributes:
        href: an admitted path or URL.
        band: the number of the band in its file, from 1.
        scale, offset: value = scale x number + offset.
        calibrated: whether a scale is stated, or the numbers are floating-point.
        nodata: the stored numbers that mean "no data", in ascending order, in addition to non-finite ones.
        overviews: the grids of its averaged overviews, finest first.
    """

    href: str
    band: int
    scale: float
    offset: float
    calibrated: bool
    nodata: tuple[Nodata, ...]
    header: Header
    overviews: tuple[Grid, ...] = ()


@dataclass(frozen=True)
class Mask:
    """A mask of a scene; `values` is its encoding (see MosaicRequest, scenes[].mask)."""

    href: str
    band: int
    values: MaskValues
    header: Header

    @property
    def files(self) -> Sequence["Mask | Band"]:
        """What is read of it."""
        return (self,)


@dataclass(frozen=True)
class Detection:
    """Clouds of a scene without a mask, which are detected in its bands.

    Attributes:
        detector: what detects them.
        bands: the bands that it needs, in its order.
        stated: whether the scene states that the bands are what it needs: top-of-atmosphere reflectances.
        versions: the name and version of each package that detects them.
    """

    detector: Detector
    bands: tuple[Band, ...]
    stated: bool
    versions: tuple[str, ...]

    @property
    def files(self) -> Sequence[Mask | Band]:
        """What is read for it."""
        return self.bands

    @property
    def grid(self) -> Grid:
        """Where clouds are detected: the pixels of the coarsest band, 60 m in products of ESA."""
        return max((band.header.grid for band in self.bands), key=lambda grid: grid.xres * grid.yres)


@dataclass(frozen=True)
class Scene:
    """An observation.

    Attributes:
        id: the STAC Item's id, or "scene-3" for the third that a request lists by its bands.
        datetime: the acquisition time, with a time zone.
        cloud_cover: percent, 0 to 100.
        bands: by STAC common name.
        mask: its mask, or how its clouds are detected, if pixels are masked.
        item: the admitted path or URL of its STAC Item, if it has one.
    """

    id: str
    datetime: datetime | None
    cloud_cover: float | None
    bands: dict[str, Band]
    mask: Mask | Detection | None
    item: str | None = None

    @property
    def hrefs(self) -> list[str]:
        """The references of its files."""
        return [file.href for file in self.files]

    @property
    def files(self) -> list[Mask | Band]:
        """Its bands, and what is read for its mask."""
        return [*self.bands.values(), *(self.mask.files if self.mask else ())]


@dataclass(frozen=True)
class Unreadable:
    """A skipped scene: its id (as in `Scene`), and a sentence that says why it cannot be read."""

    scene: str
    reason: str


@dataclass(frozen=True)
class Found:
    """The result of a source.

    Attributes:
        scenes: the scenes.
        notes: sentences for the user.
        outside: the number of scenes whose files do not touch the area.
        unreadable: skipped scenes.
        subtracted: the result for `spec.minus`, if the request has it.
    """

    scenes: Sequence[Scene]
    notes: tuple[str, ...] = ()
    outside: int = 0
    unreadable: tuple[Unreadable, ...] = ()
    subtracted: "Found | None" = None

    @property
    def sides(self) -> "tuple[Found, ...]":
        """This result, and that for `spec.minus`."""
        return (self,) if self.subtracted is None else (self, self.subtracted)

    @property
    def total(self) -> int:
        """The number of scenes, including skipped ones."""
        return len(self.scenes) + len(self.unreadable)
