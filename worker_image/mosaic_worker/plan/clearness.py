"""The clear share of scenes inside the area, for `composite.prefer: clear`: read from their masks while planning.

Clouds that are detected in a scene without a mask are not measured: that takes as long as to compute the mosaic.

A lattice of points over the area is looked up in each mask, at its full resolution: overviews of classes may be means
of their numbers, which are other classes.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import compress

import numpy as np
from mosaic_crds.composite import Composite
from mosaic_crds.errors import RequestError
from mosaic_crds.spec import MosaicRequestSpec
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from mosaic_worker.geometry.area import inside
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.sampling import coarseness
from mosaic_worker.plan.notes import listed
from mosaic_worker.plan.sides import Shares, window_of
from mosaic_worker.sources.access.gate import Gate
from mosaic_worker.sources.http.remote_files import MEMORY
from mosaic_worker.sources.kinds.registry import signer_of
from mosaic_worker.sources.masks import CLEAR
from mosaic_worker.sources.readers.environment import raster_environment
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.readers.reading import mask_pieces, read_mask
from mosaic_worker.sources.scenes import SIDES, Found, Mask, Scene, Unreadable
from mosaic_worker.sources.unreadable import expect_most_readable, read_or_reason

SIDE = 256
"""The maximum points of the lattice, across and down."""
STRIP_PIXELS = 4_000_000
"""Pixels of a mask that are read in one step, if a row of the lattice does not need more."""
AHEAD = 4
"""Masks on servers that are fetched while one is read."""


def measured(
    spec: MosaicRequestSpec, found: Found, grid: Grid, area: BaseGeometry | None, gate: Gate | None
) -> tuple[Found, list[Shares]]:
    """The scenes without those whose mask cannot be read, and the clear shares of each side.

    Args:
        spec: the request.
        found: the scenes.
        grid: the grid of the mosaic.
        area: the area in the CRS of the grid; None for the whole grid.
        gate: what may be read; None to read nothing, as for an estimate.

    Raises:
        RequestError: no scene of a side has a mask, or a mask cannot be read and the request does not skip such scenes.
        PassingError: a server did not respond.
    """
    if spec.composite.prefer == "clear":
        for side in found.sides:
            _expect_masks(side)
    if spec.composite.prefer != "clear" or gate is None:
        return found, [[None] * len(side.scenes) for side in found.sides]
    points = _points(grid, area)
    signer = signer_of(spec, gate, [side.scenes for side in found.sides])
    with closing(OpenSources(gate, signer)) as sources, raster_environment():
        sides = [
            _measured(side, field, grid, points, sources, spec) for side, field in zip(found.sides, SIDES, strict=False)
        ]
    main, *others = [side for side, _ in sides]
    return replace(main, subtracted=others[0] if others else None), [shares for _, shares in sides]


def _expect_masks(side: Found) -> None:
    """Refuse scenes without masks."""
    if not any(isinstance(scene.mask, Mask) for scene in side.scenes):
        raise RequestError(
            "spec.composite.prefer: clear compares the masks of scenes, and none of them has one; set composite.mask, "
            "such as [cloud], or remove prefer"
        )


def _measured(
    side: Found, field: str, grid: Grid, points: "_Points", sources: OpenSources, spec: MosaicRequestSpec
) -> tuple[Found, Shares]:
    """The readable scenes of a side, and their clear shares; `field` is the one of its scenes."""
    apart = [window_of(scene, grid).empty for scene in side.scenes]
    outside = list(compress(side.scenes, apart))
    touching = [scene for scene, empty in zip(side.scenes, apart, strict=True) if not empty]
    found: list[tuple[Scene, float | None]] = []
    unreadable = list(side.unreadable)
    _fetch(sources, touching[:AHEAD], points.lattice)
    for place, scene in enumerate(touching, 1):
        _fetch(sources, touching[place : place + AHEAD], points.lattice)
        read = partial(_share, sources, scene, points, spec.composite)
        share = read_or_reason(scene.id, read, spec.source.on_unreadable)
        if isinstance(share, Unreadable):
            unreadable.append(share)
        else:
            found.append((scene, share))
    expect_most_readable(unreadable, side.total, field)
    notes = (*side.notes, *_notes(found))
    scenes = [scene for scene, _ in found] + outside
    shares = [share for _, share in found] + [None] * len(outside)
    return replace(side, scenes=scenes, unreadable=tuple(unreadable), notes=notes), shares


@dataclass(frozen=True)
class _Points:
    """The points of a lattice, the centres of its pixels; `wanted`, (height, width), are those in the area."""

    lattice: Grid
    wanted: NDArray[np.bool_]


def _points(grid: Grid, area: BaseGeometry | None) -> _Points:
    """At most SIDE x SIDE points, evenly over the grid."""
    step = -(-max(grid.width, grid.height) // SIDE)
    lattice = replace(
        grid.reduced(step), width=max(1, grid.width // step), height=max(1, grid.height // step), whole=grid.bounds
    )
    everywhere = np.ones(lattice.shape, np.bool_)
    wanted = everywhere if area is None else inside(area, lattice)
    return _Points(lattice, wanted if wanted.any() else everywhere)


def _share(sources: OpenSources, scene: Scene, points: _Points, composite: Composite) -> float | None:
    """The share of the points in the area that the mask of a scene leaves visible; None without a mask."""
    if not isinstance(scene.mask, Mask):
        return None
    clear = 0
    for top, strip in _strips(scene.mask, points.lattice):
        codes = read_mask(sources, scene.mask, strip, composite, f"the mask of {scene.id}", "nearest")
        clear += int(np.count_nonzero((codes == CLEAR) & points.wanted[top : top + strip.height]))
    return clear / int(np.count_nonzero(points.wanted))


def _strips(mask: Mask, lattice: Grid) -> Iterator[tuple[int, Grid]]:
    """Strips of the lattice with their first rows, so large that reading one takes little memory."""
    across, down = coarseness(mask.header.grid, lattice)
    width = min(mask.header.grid.width, lattice.width * across)
    rows = max(1, int(STRIP_PIXELS / max(1.0, width * down)))
    for top in range(0, lattice.height, rows):
        yield top, lattice.window(0, top, lattice.width, min(rows, lattice.height - top))


def _fetch(sources: OpenSources, scenes: Sequence[Scene], lattice: Grid) -> None:
    """Start to read the headers of masks on servers, and the pixels of the first one, as many as fit into memory."""
    masks = [scene.mask for scene in scenes if isinstance(scene.mask, Mask)]
    sources.prefetch_headers(mask.href for mask in masks)
    for mask in masks[:1]:
        started = 0
        for _, strip in _strips(mask, lattice):
            windows = [window for piece in mask_pieces(mask.header.grid, strip, "nearest") for window in piece.windows]
            started += sources.prefetch((mask.href, None, mask.band, window) for window in windows)
            if started > MEMORY // 4:
                break


def _notes(scenes: Sequence[tuple[Scene, float | None]]) -> Iterator[str]:
    """Notes on the order of the scenes, from their clear shares."""
    known = sorted(((share, scene.id) for scene, share in scenes if share is not None), key=lambda each: -each[0])
    if known:
        yield f"the clearest scene, {known[0][1]}, is clear in {100 * known[0][0]:.0f} % of the area" + (
            f", and the last, {known[-1][1]}, in {100 * known[-1][0]:.0f} %" if len(known) > 1 else ""
        )
    if unknown := [scene.id for scene, share in scenes if share is None]:
        yield f"scenes without a mask are read last, because their clear share is unknown: {listed(unknown)}"
