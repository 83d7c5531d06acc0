"""The scenes that lie in the folders of this machine that requests may read: found by name, told by their metadata."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from mosaic_crds.errors import RequestError

from mosaic_worker.sources.client import Client
from mosaic_worker.sources.gate import Gate
from mosaic_worker.sources.safe import read_product
from mosaic_worker.sources.stac_item import read_item

MOST_SCENES = 500
MOST_FILES = 50_000
"""That are looked at by name, so that a folder that is a whole disk is given up soon."""

Kind = Literal["item", "safe"]
"""As `spec.source.files` names it."""


@dataclass(frozen=True)
class FolderScene:
    """A scene that a request may name.

    Attributes:
        kind: what it is.
        path: of the STAC Item, or of the .SAFE folder or its zip.
        id: of the Item or the product.
        datetime, cloud_cover: as it says, if it does; the latter in percent.
        bbox: west, south, east, north in degrees, west > east across the antimeridian; if it says.
    """

    kind: Kind
    path: str
    id: str
    datetime: datetime | None
    cloud_cover: float | None
    bbox: tuple[float, float, float, float] | None


@dataclass(frozen=True)
class FolderScenes:
    """Those that were found.

    Attributes:
        scenes: by their paths.
        complete: whether there are no more.
    """

    scenes: list[FolderScene]
    complete: bool


def scenes_below(gate: Gate, without: Path | None = None, most: int = MOST_SCENES) -> FolderScenes:
    """The scenes in the folders that a gate lets local files lie in.

    Files that cannot be read, or are no scenes, are left out: the folder is a user's own.

    Args:
        gate: of the installation.
        without: a folder that is not looked into, such as the store of mosaics.
        most: how many scenes are told.
    """
    client = Client(gate)
    found: list[FolderScene] = []
    for looked_at, (kind, path) in enumerate(_candidates(gate.below or (), without)):
        if looked_at == MOST_FILES:
            return FolderScenes(found, complete=False)
        scene = None if kind is None else _scene(kind, path, client)
        if scene is not None:
            if len(found) == most:
                return FolderScenes(found, complete=False)
            found.append(scene)
    return FolderScenes(found, complete=True)


def _candidates(folders: tuple[Path, ...], without: Path | None) -> Iterator[tuple[Kind | None, Path]]:
    """What may be a scene by its name, and of what kind; None for each file that is none."""
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
    if lower.endswith((".json", ".geojson")):
        return "item"
    return "safe" if lower.endswith(".zip") and (lower.endswith(".safe.zip") or lower.startswith("s2")) else None


def _scene(kind: Kind, path: Path, client: Client) -> FolderScene | None:
    """The scene at a path; None if there is none that may be read."""
    try:
        admitted = client.gate.admit(str(path), path.name)
        if kind == "safe":
            product = read_product(admitted, path.name, client)
            return FolderScene(kind, admitted, product.id, product.taken, product.cloud_cover, product.bbox)
        item = read_item(admitted, path.name, client)
        return FolderScene(kind, admitted, item.id, item.datetime, item.cloud_cover, _flat(item.item.bbox or []))
    except RequestError:
        return None


def _flat(bbox: Sequence[object]) -> tuple[float, float, float, float] | None:
    """The bbox of an Item, which may tell heights too; None if it is none."""
    sides = [*bbox[:2], *bbox[3:5]] if len(bbox) == 6 else bbox
    numbers = [float(side) for side in sides if isinstance(side, int | float)]
    return (numbers[0], numbers[1], numbers[2], numbers[3]) if len(numbers) == len(sides) == 4 else None
