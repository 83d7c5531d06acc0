"""Finds the scenes in local folders that requests may read, by file name, and reads their metadata."""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from mosaic_crds.errors import RequestError

from mosaic_worker.sources.access.gate import Gate
from mosaic_worker.sources.http.client import Client
from mosaic_worker.sources.items.documents import documents_in, looks_like_item
from mosaic_worker.sources.items.item import item_of
from mosaic_worker.sources.kinds.safe import read_product
from mosaic_worker.sources.readers.documents import read_document

MOST_SCENES = 500
MOST_FILES = 50_000
"""Files whose names are examined: the search gives up early in a folder that is a whole disk."""
MOST_UNREADABLE = 20
"""Unreadable files that are listed."""
_log = logging.getLogger(__name__)

Kind = Literal["item", "safe"]
"""The field of a scene in `spec.source.files`."""


@dataclass(frozen=True)
class FolderScene:
    """A scene for a request.

    Attributes:
        kind: its field in a request.
        path: the path of a file with one or more STAC Items, of a .SAFE folder, or of its zip.
        id: the id of the Item or the product; for several Items the name of the file and their number.
        datetime: the acquisition time, if known; the first of several.
        cloud_cover: percent, if known; None for several Items.
        bbox: west, south, east, north in degrees, if known; west > east across the antimeridian.
    """

    kind: Kind
    path: str
    id: str
    datetime: datetime | None
    cloud_cover: float | None
    bbox: tuple[float, float, float, float] | None


@dataclass(frozen=True)
class Unreadable:
    """A file or folder with the name of a scene that cannot be read; `reason` is a sentence."""

    path: str
    reason: str


@dataclass(frozen=True)
class FolderScenes:
    """The result of a search in folders.

    Attributes:
        scenes: the scenes.
        complete: whether the search ended before its limits.
        unreadable: the first unreadable scenes.
    """

    scenes: list[FolderScene]
    complete: bool
    unreadable: list[Unreadable] = field(default_factory=list)


def scenes_below(gate: Gate, without: Path | None = None, most: int = MOST_SCENES) -> FolderScenes:
    """The scenes in the folders that a gate admits.

    Args:
        gate: the gate of the installation.
        without: a folder to exclude, such as the store.
        most: the maximum number of scenes.
    """
    client = Client(gate)
    found: list[FolderScene] = []
    unreadable: list[Unreadable] = []
    for looked_at, (kind, path) in enumerate(_candidates(gate.below or (), without)):
        if looked_at == MOST_FILES:
            return FolderScenes(found, False, unreadable)
        scene = None if kind is None else _read(kind, path, client)
        if isinstance(scene, FolderScene):
            if len(found) == most:
                return FolderScenes(found, False, unreadable)
            found.append(scene)
        elif scene is not None and len(unreadable) < MOST_UNREADABLE:
            unreadable.append(scene)
    return FolderScenes(found, True, unreadable)


def _candidates(folders: tuple[Path, ...], without: Path | None) -> Iterator[tuple[Kind | None, Path]]:
    """All files and products with their kind by name; None for other files."""
    for folder in folders:
        for place, inner, names in os.walk(folder):
            here = Path(place)
            products = {name for name in inner if name.upper().endswith(".SAFE")}
            inner[:] = sorted(
                name for name in inner if name not in products and name[0] != "." and here / name != without
            )
            yield from (("safe", here / name) for name in sorted(products))
            yield from ((_kind(name), here / name) for name in sorted(names))


def _kind(name: str) -> Kind | None:
    lower = name.lower()
    if lower.endswith((".json", ".geojson", ".ndjson", ".jsonl")):
        return "item"
    return "safe" if lower.endswith(".zip") and (lower.endswith(".safe.zip") or lower.startswith("s2")) else None


def _read(kind: Kind, path: Path, client: Client) -> FolderScene | Unreadable | None:
    """The scene at a path; None if it is not a scene, or outside the folders."""
    try:
        admitted = client.gate.admit(str(path), path.name)
    except RequestError:
        return None
    try:
        return _scene(kind, admitted, path.name, client)
    except RequestError as error:
        return Unreadable(str(path), str(error))
    except Exception:  # a file that breaks a library must not hide the others
        _log.exception("%s cannot be read", path)
        return Unreadable(str(path), f"{path.name}: it is damaged")


def _scene(kind: Kind, admitted: str, name: str, client: Client) -> FolderScene | None:
    if kind == "safe":
        product = read_product(admitted, name, client)
        return FolderScene(kind, admitted, product.id, product.taken, product.cloud_cover, product.bbox)
    documents = documents_in(read_document(admitted, name, client), name)
    if not any(looks_like_item(document) for _, document in documents):
        return None
    items = [item_of(document, admitted, each, client) for each, document in documents]
    if len(items) == 1:
        item = items[0]
        return FolderScene(kind, admitted, item.id, item.datetime, item.cloud_cover, _flat(item.item.bbox or []))
    taken = [item.datetime for item in items if item.datetime is not None]
    boxes = [_flat(item.item.bbox or []) for item in items]
    return FolderScene(kind, admitted, f"{name} ({len(items)} Items)", min(taken, default=None), None, _around(boxes))


def _around(boxes: Sequence[tuple[float, float, float, float] | None]) -> tuple[float, float, float, float] | None:
    """The box around boxes; None if one is unknown or crosses the antimeridian."""
    known = [box for box in boxes if box is not None and box[0] <= box[2]]
    if len(known) < len(boxes):
        return None
    west, south, east, north = zip(*known, strict=True)
    return min(west), min(south), max(east), max(north)


def _flat(bbox: Sequence[object]) -> tuple[float, float, float, float] | None:
    """The bbox of an Item without heights; None if it is invalid."""
    sides = [*bbox[:2], *bbox[3:5]] if len(bbox) == 6 else bbox
    numbers = [float(side) for side in sides if isinstance(side, int | float)]
    return (numbers[0], numbers[1], numbers[2], numbers[3]) if len(numbers) == len(sides) == 4 else None
