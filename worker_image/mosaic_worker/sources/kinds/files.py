"""Scenes that a request lists: files per band, STAC Items, or Sentinel-2 products."""

from collections.abc import Hashable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from mosaic_crds.composite import Composite
from mosaic_crds.errors import RequestError
from mosaic_crds.source import Files, FilesScene, OnUnreadable
from mosaic_crds.spelling import counted
from shapely.geometry.base import BaseGeometry

from mosaic_worker.product.bands import canonical
from mosaic_worker.sources.access.gate import is_url, redacted
from mosaic_worker.sources.http.client import Client
from mosaic_worker.sources.http.signed_urls import Signer
from mosaic_worker.sources.items.item import StacItem, read_items
from mosaic_worker.sources.items.layers import MASK, Note, mapped_assets, summarized
from mosaic_worker.sources.items.scene_masks import scene_mask
from mosaic_worker.sources.kinds.base import ScenePreview, SceneQuery, SceneSource
from mosaic_worker.sources.kinds.safe import safe_scene
from mosaic_worker.sources.readers.headers import Headers
from mosaic_worker.sources.scenes import Band, Found, Scene, Unreadable
from mosaic_worker.sources.unreadable import read_or_reason

MOST_SCENES = 500
"""The maximum of a request, also if an entry has many Items."""
PREFETCH_ITEMS = 16
"""Items whose files on servers are prefetched together."""


@dataclass(frozen=True)
class FilesSource(SceneSource):
    """`spec.source.files`.

    Attributes:
        asked: its part of the request.
    """

    asked: Files

    def scenes(self, query: SceneQuery) -> Found:
        """See `SceneSource`. Layers of classes are used only where the request masks classes."""
        with Headers(self.gate, self.signer()) as headers:
            entries = _Entries(self.where, query.bands, query.composite, headers, self.on_unreadable)
            observed: dict[Hashable, Scene] = {}
            unreadable: list[Unreadable] = []
            listed = 0
            for number, entry in enumerate(self.asked.scenes):
                for outcome in entries.read(entry, number, MOST_SCENES - listed - len(unreadable)):
                    if isinstance(outcome, Unreadable):
                        unreadable.append(outcome)
                    else:
                        listed += 1
                        observed.setdefault(_observed(entry, outcome), outcome)
            notes = [*summarized(entries.notes), *headers.notes]
        if listed > len(observed):
            notes.append(f"ignored {counted(listed - len(observed), 'duplicate')} in the list of scenes")
        return Found(list(observed.values()), tuple(notes), unreadable=tuple(unreadable))

    def signer(self, scenes: Sequence[Scene] = ()) -> Signer:  # noqa: ARG002 (the interface's)
        """See `SceneSource`. Signatures in Items are read when they are needed.

        An Item is read again when a signature in it is about to expire, because its server may have renewed it.
        """

        def ask(_: str) -> Iterator[str]:
            for number, scene in enumerate(self.asked.scenes):
                if scene.item is not None:
                    where = f"{self.where}.scenes[{number}].item"
                    try:
                        for item in read_items(self.gate.admit(scene.item, where), where, client, self.on_unreadable):
                            yield from () if isinstance(item, Unreadable) else item.signed_hrefs()
                    except RequestError:  # an unreadable Item must not affect the others
                        if self.on_unreadable == "fail":
                            raise

        signer = Signer(ask)
        client = Client(self.gate, signer)
        for scene in self.asked.scenes:
            named = [file.href for file in (*(scene.bands or {}).values(), scene.mask) if file is not None]
            for reference in (*named, scene.item or ""):
                if is_url(reference):
                    signer.take(reference)
        return signer

    def previews(self, area: BaseGeometry | None, most: int) -> list[ScenePreview]:  # noqa: ARG002 (the interface's)
        """The listed scenes; only what the request states is known."""
        return [ScenePreview(scene.datetime, scene.cloud_cover) for scene in self.asked.scenes]


@dataclass(frozen=True)
class _Entries:
    """Reads the entries of the list.

    Attributes:
        where: the field of the request with the list.
        bands: the canonical names of the bands.
        composite: has the classes that the request masks.
        headers: the files of the request.
        on_unreadable: whether an unusable scene is an error.
        notes: notes on the Items.
    """

    where: str
    bands: Sequence[str]
    composite: Composite
    headers: Headers
    on_unreadable: OnUnreadable
    notes: list[Note] = field(default_factory=list)

    def read(self, entry: FilesScene, number: int, most: int) -> Sequence[Scene | Unreadable]:
        """The scenes of an entry, at most `most`."""
        where, name = f"{self.where}.scenes[{number}]", f"scene-{number + 1}"
        items = read_or_reason(name, partial(self._items, entry, where), self.on_unreadable)
        if isinstance(items, Unreadable):
            return [items]
        if max(len(items), 1) > most:
            raise RequestError(f"{where}: the list has more than {MOST_SCENES} scenes here; list fewer")
        if entry.item is None:
            return [read_or_reason(name, partial(self._scene, entry, name, where), self.on_unreadable)]
        found: list[Scene | Unreadable] = []
        for start in range(0, len(items), PREFETCH_ITEMS):
            some = items[start : start + PREFETCH_ITEMS]
            for item in some:
                if isinstance(item, StacItem):
                    with suppress(RequestError):  # raised again when the scene is read
                        self.headers.prefetch([item.place_of(name) for name in self.bands])
            found += [
                item
                if isinstance(item, Unreadable)
                else read_or_reason(item.id, partial(self._scene_of_item, entry, item, where), self.on_unreadable)
                for item in some
            ]
        return found

    def _items(self, entry: FilesScene, where: str) -> Sequence[StacItem | Unreadable]:
        """The Items of an entry; none if it has no `item`."""
        if entry.item is None:
            return []
        admitted = self.headers.gate.admit(entry.item, f"{where}.item")
        items = read_items(admitted, f"{where}.item", self.headers.client, self.on_unreadable)
        if entry.mask is not None and len(items) > 1:
            raise RequestError(
                f"{where}.mask: a mask belongs to one scene, but {redacted(entry.item)} has {len(items)} Items; list "
                "each Item with its mask"
            )
        assets = mapped_assets(entry.assets)
        return [item if isinstance(item, Unreadable) else replace(item, assets=assets) for item in items]

    def _scene_of_item(self, entry: FilesScene, item: StacItem, where: str) -> Scene:
        found = Scene(
            id=item.id,
            datetime=item.datetime,
            cloud_cover=item.cloud_cover,
            bands={name: item.band(name, self.headers) for name in self.bands},
            mask=scene_mask(
                entry.mask,
                self.composite,
                f"{where}.mask",
                self.headers,
                lambda name: item.band(name, self.headers),
                item,
            ),
        )
        self.notes.extend(item.layers.assumptions(self.bands, bool(self.composite.mask) and entry.mask is None))
        return found

    def _scene(self, entry: FilesScene, name: str, where: str) -> Scene:
        """The scene of a Sentinel-2 product, or of files per band."""
        gate = self.headers.gate
        if entry.safe is not None:
            product = gate.admit(entry.safe, f"{where}.safe")
            mask = (entry.assets or {}).get(MASK)
            return safe_scene(product, self.bands, self.composite, mask, f"{where}.safe", self.headers)
        listed = {canonical(band): (band, file) for band, file in (entry.bands or {}).items()}

        def read(band: str) -> Band:
            if band not in listed:
                raise RequestError(f"{where}.bands: the product needs {band}, but this scene has {', '.join(listed)}")
            given, file = listed[band]
            place = f"{where}.bands.{given}"
            stated = (file.scale, file.offset, file.nodata)
            return self.headers.described_band(gate.admit(file.href, place), file.band, stated, place)

        return Scene(
            id=name,
            datetime=entry.datetime,
            cloud_cover=entry.cloud_cover,
            bands={name: read(name) for name in self.bands},
            mask=scene_mask(entry.mask, self.composite, f"{where}.mask", self.headers, read),
        )


def _observed(listed: FilesScene, scene: Scene) -> Hashable:
    """The identity of a scene, to find duplicates: its Item or product, or the files of its bands.

    Two processings of an observation are not duplicates, because they were listed on purpose.
    """
    bands = sorted(scene.bands.items())
    if listed.bands is None:
        assets = tuple(sorted((listed.assets or {}).items()))
        return scene.id, scene.datetime, tuple((name, band.header.grid) for name, band in bands), assets, listed.mask
    files = tuple((name, band.href, band.band, band.scale, band.offset, band.nodata) for name, band in bands)
    return files, scene.datetime, scene.cloud_cover, scene.mask
