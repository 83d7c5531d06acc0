"""What a mosaic is made from, once it is known: scenes, their bands, and what the files' headers say."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mosaic_crds.errors import RequestError
from mosaic_crds.source import MaskValues

from mosaic_worker.geometry.grid import Grid

NOT_TOUCHED = "spec.area: none of the scenes touches the area; compare its longitudes and latitudes with theirs"


Nodata = int | float


class NoScenesError(RequestError):
    """A search went well, and found nothing."""


@dataclass(frozen=True)
class Header:
    """How an image lies on the ground and in its file.

    Attributes:
        grid: its own pixels.
        dtype: numpy's name of the stored type.
        blocks: width and height of the blocks in which it is stored, pixels.
        identity: what changes when the file's content does.
    """

    grid: Grid
    dtype: str
    blocks: tuple[int, int]
    identity: str


@dataclass(frozen=True)
class Band:
    """One band of a scene: where its numbers are, and what they mean.

    Attributes:
        href: an admitted path or URL.
        band: the band's number in its file, from 1.
        scale, offset: value = scale x number + offset.
        calibrated: whether a scale was stated anywhere, or the numbers are floating-point already.
        nodata: the stored numbers that mean "no data", in ascending order; besides, all that are not finite do.
        overviews: the grids of its overviews that hold averages, finest first.
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
    """A mask layer of a scene; `values` says how to read it (see MosaicRequest, scenes[].mask)."""

    href: str
    band: int
    values: MaskValues
    header: Header


@dataclass(frozen=True)
class Scene:
    """One observation of the ground.

    Attributes:
        id: the STAC Item's id, or "scene-3" for the third that a request lists by its bands.
        datetime: when it was taken, with a time zone.
        cloud_cover: percent, 0 to 100.
        bands: by STAC common name.
        mask: says what is to be left out, if anything does.
        item: the admitted path or URL of its STAC Item, if it has one.
    """

    id: str
    datetime: datetime | None
    cloud_cover: float | None
    bands: dict[str, Band]
    mask: Mask | None
    item: str | None = None


@dataclass(frozen=True)
class Unreadable:
    """A scene that cannot be read, and is skipped.

    Attributes:
        scene: its id, or "scene-3" for the third that a request lists.
        reason: one sentence.
    """

    scene: str
    reason: str


@dataclass(frozen=True)
class Found:
    """What a source came to.

    Attributes:
        scenes: those that are used.
        notes: sentences for the user.
        outside: how many others were found whose files do not touch the area.
        unreadable: scenes that are skipped because they cannot be read.
    """

    scenes: Sequence[Scene]
    notes: tuple[str, ...] = ()
    outside: int = 0
    unreadable: tuple[Unreadable, ...] = ()

    @property
    def total(self) -> int:
        """How many scenes there are, with those that are skipped."""
        return len(self.scenes) + len(self.unreadable)
