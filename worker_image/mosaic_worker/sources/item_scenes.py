"""From the Items that a search found to scenes: those that are needed, with the headers of their files."""

from collections.abc import Sequence

from mosaic_crds.spec import Composite
from shapely.geometry.base import BaseGeometry

from mosaic_worker.sources.headers import Headers
from mosaic_worker.sources.item_layers import counted
from mosaic_worker.sources.scene_masks import scene_mask
from mosaic_worker.sources.scenes import Found, Scene
from mosaic_worker.sources.selection import gap, needed
from mosaic_worker.sources.stac_item import StacItem


def scenes_of_items(
    items: Sequence[StacItem], composite: Composite, area: BaseGeometry, bands: Sequence[str], headers: Headers
) -> Found:
    """The scenes of Items.

    Args:
        items: what a search found.
        composite: how they are composed.
        area: in degrees, unwrapped.
        bands: the canonical names of the bands that are needed.
        headers: the files of the request.

    Raises:
        RequestError: an Item lacks what is needed, or its files cannot be used.
        PassingError: a server did not answer.
    """
    used = needed(items, composite, area)

    def scene(item: StacItem) -> Scene:
        return Scene(
            id=item.id,
            datetime=item.datetime,
            cloud_cover=item.cloud_cover,
            bands={name: item.band(name, headers) for name in bands},
            mask=scene_mask(None, composite.mask, f"{item.where}: the mask of {item.id}", headers, item),
            item=headers.href(item.place),
        )

    for item in used:
        headers.expect([item.place_of(name) for name in bands])
        if composite.mask:
            headers.expect([item.mask()[0]])
    scenes = [scene(item) for item in used]  # one by one: GDAL's list of who reads what is not safe in threads
    notes = list(counted(note for item in used for note in item.layers.assumptions(bands, bool(composite.mask))))
    if len(used) < len(items):
        notes.append(f"{len(items) - len(used)} scene(s) that lie behind others are not used")
    missing = gap(used, area)
    return Found(scenes, (*notes, missing) if missing else tuple(notes))
