"""Converts the Items of a search to scenes: those whose files touch the area, with the headers of their files.

No scene is skipped because another one seems to cover it: only pixels show where a scene has data, and a tile reads
scenes until its pixels are full (docs/decisions, "Only pixels prove that a scene is full").
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from mosaic_crds.composite import Composite
from mosaic_crds.errors import RequestError
from mosaic_crds.source import OnUnreadable
from shapely.geometry.base import BaseGeometry

from mosaic_worker.composites import METHODS
from mosaic_worker.composites.preference import preferred
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.sources.items.coverage import covered, file_bounds, footprint, gap, touches
from mosaic_worker.sources.items.item import StacItem
from mosaic_worker.sources.items.layers import Note, summarized
from mosaic_worker.sources.items.scene_masks import mask_places, scene_mask
from mosaic_worker.sources.readers.headers import Headers
from mosaic_worker.sources.scenes import NOT_TOUCHED, Found, Scene, Unreadable
from mosaic_worker.sources.unreadable import read_or_reason


def scenes_of_items(
    items: Sequence[StacItem],
    composite: Composite,
    area: BaseGeometry,
    bands: Sequence[str],
    headers: Headers,
    on_unreadable: OnUnreadable = "fail",
    no_items: Sequence[Unreadable] = (),
) -> Found:
    """The scenes of Items.

    Args:
        items: the Items.
        composite: how they are composed.
        area: in degrees, unwrapped.
        bands: the canonical names of the bands.
        headers: the files of the request.
        on_unreadable: whether an unusable Item is an error.
        no_items: results of the search that are not STAC Items.

    Raises:
        RequestError: an Item or its files cannot be used, or none touches the area.
        PassingError: a server did not respond.
    """
    for item in items:
        with suppress(RequestError):  # raised again when the scene is read
            headers.prefetch([item.place_of(name) for name in bands])
            if composite.mask:
                headers.prefetch(mask_places(composite, item))
    places: dict[Grid, BaseGeometry | None] = {}
    parts: list[BaseGeometry | None] = []
    assumed: list[Note] = []

    def read(item: StacItem) -> Scene | None:
        """A scene; None if its files do not touch the area."""
        described = {name: item.band(name, headers) for name in bands}
        grids = {band.header.grid for band in described.values()}
        places.update({grid: file_bounds(grid) for grid in grids - places.keys()})
        if not all(touches(places[grid], area) for grid in grids):
            return None
        scene = Scene(
            id=item.id,
            datetime=item.datetime,
            cloud_cover=item.cloud_cover,
            bands=described,
            mask=scene_mask(
                None,
                composite,
                f"{item.where}: the mask of {item.id}",
                headers,
                lambda name: item.band(name, headers),
                item,
            ),
            item=headers.href(item.place),
        )
        first = next(iter(described.values())).header.grid
        parts.append(covered(footprint(item.item.geometry), places[first], area))
        assumed.extend(item.layers.assumptions(bands, bool(composite.mask)))
        return scene

    outcomes = [  # not in parallel: the openers of rasterio are not thread-safe
        read_or_reason(item.id, partial(read, item), on_unreadable) for item in items
    ]
    scenes = [outcome for outcome in outcomes if isinstance(outcome, Scene)]
    unreadable = (*no_items, *(outcome for outcome in outcomes if isinstance(outcome, Unreadable)))
    if not scenes and not unreadable:
        raise RequestError(NOT_TOUCHED)
    missing = gap(parts, area)
    notes = (*summarized(assumed), *([missing] if missing else []))
    return Found(_ordered(scenes, composite), notes, outcomes.count(None), unreadable)


def _ordered(scenes: list[Scene], composite: Composite) -> list[Scene]:
    """Scenes in order, since the first one defines the grid of the source."""
    if not METHODS[composite.method].stops_when_full(composite):
        return scenes
    return [scenes[place] for place in preferred(composite, scenes)]
