"""Build and run requests in tests."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from mosaic_crds.composite import Composite, MaskClass
from mosaic_crds.names import API_VERSION
from mosaic_crds.request import MosaicRequest
from mosaic_crds.validation import load_request
from mosaic_worker.local.run import run
from mosaic_worker.sources.access.gate import own_machine
from numpy.typing import NDArray


def request_of(spec: dict[str, Any], name: str = "test") -> MosaicRequest:
    """A MosaicRequest with a spec."""
    return load_request(
        {
            "apiVersion": API_VERSION,
            "kind": "MosaicRequest",
            "metadata": {"name": name},
            "spec": spec,
        }
    )


@dataclass(frozen=True)
class Made:
    """A mosaic that was read again."""

    folder: Path
    item: dict[str, Any]

    @property
    def cog(self) -> bytes:
        return (self.folder / "mosaic.tif").read_bytes()

    @property
    def png(self) -> bytes:
        return (self.folder / "mosaic.png").read_bytes()

    @property
    def timeless_item(self) -> dict[str, Any]:
        """The Item without the times that differ between runs."""
        item = json.loads((self.folder / "mosaic.json").read_text())
        made = item["properties"].pop("created")
        if item["properties"]["datetime"] == made:
            del item["properties"]["datetime"]
        return item

    def values(self, band: int = 1) -> NDArray[Any]:
        with rasterio.open(self.folder / "mosaic.tif") as dataset:
            return dataset.read(band)

    def open(self) -> rasterio.io.DatasetReader:
        return rasterio.open(self.folder / "mosaic.tif")


def make(folder: Path, spec: dict[str, Any], name: str = "test", workers: int = 1, store: str = "store") -> Made:
    """Run a request on this machine."""
    result = run(request_of(spec, name), own_machine(folder), str(folder / store), workers=workers)
    return Made(folder / store / result.folder, result.item)


def masking(classes: Sequence[MaskClass] = (), **fields: Any) -> Composite:
    """A composite that masks classes."""
    return Composite(mask=list(classes), **fields)


def files(*scenes: dict[str, Any]) -> dict[str, Any]:
    return {"files": {"scenes": list(scenes)}}


def same(found: NDArray[Any], expected: NDArray[Any], within: float = 1e-6) -> bool:
    """Whether the same pixels are valid, and their values agree."""
    return bool(
        np.array_equal(np.isnan(found), np.isnan(expected))
        and (np.isnan(expected).all() or np.nanmax(np.abs(found - expected)) <= within)
    )
