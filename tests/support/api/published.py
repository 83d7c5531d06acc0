"""Published mosaics for tests that show them."""

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from mosaic_api.auth.identity import named_user
from mosaic_api.database import Database, Request
from mosaic_worker.local.run import run
from mosaic_worker.sources.access.gate import own_machine
from numpy.typing import NDArray

from support.scenes.pipeline import files, request_of
from support.scenes.rasters import noise, write_raster

NDSI = {"index": "NDSI"}


@dataclass(frozen=True)
class Published:
    """A mosaic in a store.

    Attributes:
        folder: Folder of the files.
        key: Key of that folder in the store.
        name: Name of the request.
        spec: Spec of the request.
        item: STAC Item.
    """

    folder: Path
    key: str
    name: str
    spec: dict[str, Any]
    item: dict[str, Any]

    @property
    def uid(self) -> str:
        return self.folder.name

    @property
    def cog(self) -> Path:
        return self.folder / "mosaic.tif"

    def read(self, level: int = 0) -> tuple[NDArray[np.float64], rasterio.Affine]:
        """The scaled values of an overview level, NaN for no data, and the transform from column and row to the CRS."""
        options = {} if level == 0 else {"overview_level": level - 1}
        with rasterio.open(self.cog, **options) as dataset:
            values = dataset.read(masked=True).astype(float) * np.array(dataset.scales)[:, None, None]
            transform = dataset.transform
        with rasterio.open(self.cog) as dataset:
            full = dataset.transform
        exact = rasterio.Affine(full.a * 2**level, 0, full.c, 0, full.e * 2**level, full.f)
        assert level or exact == transform
        return values.filled(np.nan), exact

    def row(self, database: Database, owner: str = "ann", **columns: Any) -> str:
        """Insert the mosaic into a database; return the id of its row."""
        with database.transaction() as session:
            request = Request(
                id=uuid.uuid4(),
                namespace="default",
                name=self.name,
                owner_id=named_user(session, owner).id,
                spec=self.spec,
                status={"phase": "Succeeded"},
                phase="Succeeded",
                uid=self.uid,
                item=self.item,
            )
            for column, value in columns.items():
                setattr(request, column, value)
            session.add(request)
        return str(request.id)


def publish(folder: Path, name: str, spec: dict[str, Any]) -> Published:
    """Make a mosaic of files in a folder; its store is in the same folder."""
    result = run(request_of(spec, name), own_machine(folder), str(folder / "store"), workers=1)
    return Published(folder / "store" / result.folder, result.folder, name, spec, result.item)


def two_bands(folder: Path, name: str, height: int, width: int, **place: Any) -> dict[str, Any]:
    """The source of green and swir16: noise, with no data in a corner."""
    paths = {}
    for seed, band in enumerate(("green", "swir16")):
        values = noise(height, width, seed)
        values[: height // 4, : width // 3] = 0
        path = write_raster(folder / name / f"{band}.tif", values, nodata=0, tiled=True, **place)
        paths[band] = {"href": str(path), "scale": 0.0001, "offset": 0.0}
    return files({"bands": paths})


def publish_all(folder: Path) -> dict[str, Published]:
    """One mosaic of each kind that is shown differently."""
    utm = two_bands(folder, "utm", 1300, 1100)
    across = two_bands(folder, "across", 700, 900, left=290_000, top=5_800_000, crs="EPSG:32601")
    degrees = two_bands(folder, "degrees", 300, 400, left=179.9, top=51.0, resolution=0.0005, crs="EPSG:4326")
    polar = two_bands(folder, "polar", 1000, 1000, left=-2e6, top=2e6, resolution=4000, crs="EPSG:3413")
    colours = {
        band: str(write_raster(folder / "colours" / f"{band}.tif", noise(600, 500, seed), nodata=0))
        for seed, band in enumerate(("nir", "blue", "green", "red"))
    }
    minmax = {"stretch": {"minmax": {}}}
    specs = {
        "utm": {"source": utm, "product": NDSI, "output": minmax},
        "int16": {"source": utm, "product": NDSI, "output": {"dtype": "int16"}, "composite": {"count": True}},
        "no-picture": {"source": utm, "product": NDSI, "output": {"formats": ["cog"]}},
        "across": {"source": across, "product": NDSI, "output": minmax},
        "degrees": {"source": degrees, "product": NDSI, "output": minmax},
        "polar": {"source": polar, "product": NDSI, "output": minmax},
        "colours": {
            "source": files({"bands": colours}),
            "product": {"bands": list(colours)},
            "output": minmax,
        },
        "true-colour": {
            "source": files({"bands": {name: {"href": href, "scale": 0.0001} for name, href in colours.items()}}),
            "product": {"bands": ["red", "green", "blue"]},
        },
    }
    return {name: publish(folder, name, spec) for name, spec in specs.items()}


def store_of(mosaics: dict[str, Published]) -> Path:
    """The folder of the store that contains mosaics."""
    return next(iter(mosaics.values())).folder.parents[3]
