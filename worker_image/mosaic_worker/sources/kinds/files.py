"""Scenes that a request lists itself: by the files of their bands, by STAC Items, or as a Sentinel-2 product."""

from collections.abc import Hashable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from mosaic_crds.errors import RequestError
from mosaic_crds.source import Files, FilesScene, OnUnreadable

from mosaic_worker.product.bands import canonical
from mosaic_worker.sources.access.gate import Gate, is_url, shown
from mosaic_worker.sources.http.client import Client
from mosaic_worker.sources.http.signed_urls import Signer
from mosaic_worker.sources.items.item import StacItem, read_items
from mosaic_worker.sources.items.layers import Note, counted, mapped_assets
from mosaic_worker.sources.items.scene_masks import scene_mask
from mosaic_worker.sources.kinds.safe import safe_scene
from mosaic_worker.sources.readers.headers import Headers
from mosaic_worker.sources.scenes import Found, Scene, Unreadable
from mosaic_worker.sources.unreadable import read_or_reason

MOST_SCENES = 500
"""As many as a request may list itself, also where one entry stands for many Items."""
EXPECTED_ITEMS = 16
"""Whose files at servers are asked for together."""


def files_scenes(
    files: Files,
    bands: Sequence[str],
    classes: Sequence[str],
    gate: Gate,
    signer: Signer,
    on_unreadable: OnUnreadable = "fail",
) -> Found:
    """The scenes of `source.files`.

    Args:
        files: the source.
        bands: the canonical names of the bands that the product needs.
        classes: the classes that the request masks; layers of classes are used only when there are any.
        gate: what may be read.
        signer: what signs URLs.
        on_unreadable: whether a scene that cannot be used is an error.

    Raises:
        RequestError: one cannot be used, or there are too many.
        PassingError: a server did not answer.
    """
    notes: list[Note] = []
    with Headers(gate, signer) as headers:
        observed: dict[Hashable, Scene] = {}
        unreadable: list[Unreadable] = []
        listed = 0
        for number, entry in enumerate(files.scenes):
            left = MOST_SCENES - listed - len(unreadable)
            for outcome in _outcomes(entry, number, bands, classes, headers, left, notes, on_unreadable):
                if isinstance(outcome, Unreadable):
                    unreadable.append(outcome)
                else:
                    listed += 1
                    observed.setdefault(_observed(entry, outcome), outcome)
        told = [*counted(notes), *headers.notes]
        if listed > len(observed):
            told.append(f"{listed - len(observed)} scene(s) are listed more than once; each is used once")
        return Found(list(observed.values()), tuple(told), unreadable=tuple(unreadable))


def files_signer(files: Files, gate: Gate, on_unreadable: OnUnreadable = "fail") -> Signer:
    """The signatures of `source.files`: those in the request are known at once, those in its Items when they are asked.

    An Item is read again when a signature in it is about to end, for a server may have renewed it.
    """

    def ask(_: str) -> Iterator[str]:
        for number, scene in enumerate(files.scenes):
            if scene.item is not None:
                where = f"spec.source.files.scenes[{number}].item"
                try:
                    for item in read_items(gate.admit(scene.item, where), where, client, on_unreadable):
                        yield from () if isinstance(item, Unreadable) else item.signed_hrefs()
                except RequestError:  # one unreadable Item must not cost the others their signatures
                    if on_unreadable == "fail":
                        raise

    signer = Signer(ask)
    client = Client(gate, signer)
    for scene in files.scenes:
        named = [file.href for file in (*(scene.bands or {}).values(), scene.mask) if file is not None]
        for reference in (*named, scene.item or ""):
            if is_url(reference):
                signer.take(reference)
    return signer


def _observed(listed: FilesScene, scene: Scene) -> Hashable:
    """What is the same for a scene that is listed twice: its Item or product, or else the very files of its bands.

    Two processings of one observation both stay, for they are listed on purpose.
    """
    bands = sorted(scene.bands.items())
    if listed.bands is None:
        assets = tuple(sorted((listed.assets or {}).items()))
        return scene.id, scene.datetime, tuple((name, band.header.grid) for name, band in bands), assets, listed.mask
    files = tuple((name, band.href, band.band, band.scale, band.offset, band.nodata) for name, band in bands)
    return files, scene.datetime, scene.cloud_cover, scene.mask


def _outcomes(
    scene: FilesScene,
    number: int,
    bands: Sequence[str],
    classes: Sequence[str],
    headers: Headers,
    most: int,
    notes: list[Note],
    on_unreadable: OnUnreadable,
) -> Sequence[Scene | Unreadable]:
    """What comes of an entry of the list; what the user should know of its Items is added to the notes."""
    where, name = f"spec.source.files.scenes[{number}]", f"scene-{number + 1}"
    items = read_or_reason(name, partial(_items, scene, where, headers, on_unreadable), on_unreadable)
    if isinstance(items, Unreadable):
        return [items]
    if max(len(items), 1) > most:
        raise RequestError(f"{where}: with it there are more than {MOST_SCENES} scenes; list fewer")
    if scene.item is None:
        read = partial(_scene, scene, number, where, bands, classes, headers)
        return [read_or_reason(name, read, on_unreadable)]

    def scene_of(item: StacItem) -> Scene:
        found = Scene(
            id=item.id,
            datetime=item.datetime,
            cloud_cover=item.cloud_cover,
            bands={name: item.band(name, headers) for name in bands},
            mask=scene_mask(scene.mask, classes, f"{where}.mask", headers, item),
        )
        notes.extend(item.layers.assumptions(bands, bool(classes) and scene.mask is None))
        return found

    found: list[Scene | Unreadable] = []
    for start in range(0, len(items), EXPECTED_ITEMS):
        some = items[start : start + EXPECTED_ITEMS]
        for item in some:
            if isinstance(item, StacItem):
                with suppress(RequestError):  # which is met again when the scene is read
                    headers.expect([item.place_of(name) for name in bands])
        found += [
            item if isinstance(item, Unreadable) else read_or_reason(item.id, partial(scene_of, item), on_unreadable)
            for item in some
        ]
    return found


def _items(
    scene: FilesScene, where: str, headers: Headers, on_unreadable: OnUnreadable
) -> Sequence[StacItem | Unreadable]:
    """The Items of an entry of the list; none of one that names no document."""
    if scene.item is None:
        return []
    admitted = headers.gate.admit(scene.item, f"{where}.item")
    items = read_items(admitted, f"{where}.item", headers.client, on_unreadable)
    if scene.mask is not None and len(items) > 1:
        raise RequestError(
            f"{where}.mask: it is the mask of one scene, and {shown(scene.item)} holds {len(items)} Items; list "
            "each Item with its mask"
        )
    assets = mapped_assets(scene.assets)
    return [item if isinstance(item, Unreadable) else replace(item, assets=assets) for item in items]


def _scene(
    scene: FilesScene, number: int, where: str, bands: Sequence[str], classes: Sequence[str], headers: Headers
) -> Scene:
    """The scene of a product, or of listed files."""
    gate = headers.gate
    if scene.safe is not None:
        return safe_scene(gate.admit(scene.safe, f"{where}.safe"), bands, classes, f"{where}.safe", headers)
    listed = {canonical(name): (name, file) for name, file in (scene.bands or {}).items()}
    found = {}
    for name in bands:
        if name not in listed:
            raise RequestError(f"{where}.bands: the product needs {name}, and this scene has {', '.join(listed)}")
        given, file = listed[name]
        place = f"{where}.bands.{given}"
        stated = (file.scale, file.offset, file.nodata)
        found[name] = headers.described_band(gate.admit(file.href, place), file.band, stated, place)
    return Scene(
        id=f"scene-{number + 1}",
        datetime=scene.datetime,
        cloud_cover=scene.cloud_cover,
        bands=found,
        mask=scene_mask(scene.mask, classes, f"{where}.mask", headers),
    )
