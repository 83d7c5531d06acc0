"""Scenes that a request lists itself: by the files of their bands, by a STAC Item, or as a Sentinel-2 product."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mosaic_crds.errors import RequestError
from mosaic_crds.source import Files, FilesScene

from mosaic_worker.product.bands import canonical
from mosaic_worker.sources.client import Client
from mosaic_worker.sources.gate import Gate, is_url
from mosaic_worker.sources.headers import Headers
from mosaic_worker.sources.item_layers import Note, counted, mapped_assets
from mosaic_worker.sources.safe import safe_scene
from mosaic_worker.sources.scene_masks import scene_mask
from mosaic_worker.sources.scenes import Found, Scene
from mosaic_worker.sources.signing import Signer
from mosaic_worker.sources.stac_item import read_item


def files_scenes(files: Files, bands: Sequence[str], classes: Sequence[str], gate: Gate, signer: Signer) -> Found:
    """The scenes of `source.files`.

    Args:
        files: the source.
        bands: the canonical names of the bands that the product needs.
        classes: the classes that the request masks; layers of classes are used only when there are any.
        gate: what may be read.
        signer: what signs URLs.
    """
    with Headers(gate, signer) as headers:
        notes: list[Note] = []
        scenes = [_scene(scene, number, bands, classes, headers, notes) for number, scene in enumerate(files.scenes)]
        return Found(scenes, (*counted(notes), *headers.notes))


def files_signer(files: Files, gate: Gate) -> Signer:
    """The signatures of `source.files`: those in the request are known at once, those in its Items when they are asked.

    An Item is read again when a signature in it is about to end, for a server may have renewed it.
    """

    def ask(_: str) -> Iterator[str]:
        for number, scene in enumerate(files.scenes):
            if scene.item is not None:
                where = f"spec.source.files.scenes[{number}].item"
                yield from read_item(gate.admit(scene.item, where), where, client).signed_hrefs()

    signer = Signer(ask)
    client = Client(gate, signer)
    for scene in files.scenes:
        named = [file.href for file in (*(scene.bands or {}).values(), scene.mask) if file is not None]
        for reference in (*named, scene.item or ""):
            if is_url(reference):
                signer.take(reference)
    return signer


def _scene(
    scene: FilesScene, number: int, bands: Sequence[str], classes: Sequence[str], headers: Headers, notes: list[Note]
) -> Scene:
    """A scene of the request; what the user should know of its Item is added to the notes."""
    where = f"spec.source.files.scenes[{number}]"
    gate = headers.gate
    if scene.safe is not None:
        return safe_scene(gate.admit(scene.safe, f"{where}.safe"), bands, classes, f"{where}.safe", headers)
    if scene.item is not None:
        item = read_item(gate.admit(scene.item, f"{where}.item"), f"{where}.item", headers.client)
        item = replace(item, assets=mapped_assets(scene.assets))
        notes += item.layers.assumptions(bands, bool(classes) and scene.mask is None)
        return Scene(
            id=item.id,
            datetime=item.datetime,
            cloud_cover=item.cloud_cover,
            bands={name: item.band(name, headers) for name in bands},
            mask=scene_mask(scene.mask, classes, f"{where}.mask", headers, item),
        )
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
