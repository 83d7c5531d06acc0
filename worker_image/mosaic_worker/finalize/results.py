"""The results of a request in the store. The Item is written last, so if it exists, all files do."""

import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Self

from mosaic_crds import names
from mosaic_crds.files import COG, ITEM, PNG, ResultFile
from mosaic_crds.request import MosaicRequest

from mosaic_worker.finalize.classes import class_shares
from mosaic_worker.plan.model import Plan
from mosaic_worker.store import Store


@dataclass(frozen=True)
class Results:
    """The folder of a request's results.

    Attributes:
        namespace, name, uid: of the request.
    """

    namespace: str
    name: str
    uid: str

    @classmethod
    def of_plan(cls, plan: Plan) -> Self:
        """The results of a planned request."""
        return cls(plan.namespace, plan.name, plan.uid)

    @classmethod
    def of_request(cls, request: MosaicRequest, uid: str) -> Self:
        """The results of a request, which may have no plan any more."""
        return cls(request.metadata.namespace, request.metadata.name, uid)

    def key(self, file: ResultFile) -> str:
        """The key of a file."""
        return names.result_key(self.namespace, self.name, self.uid, file.name)

    @property
    def folder(self) -> str:
        """The common prefix of the keys, without a trailing `/`."""
        return str(PurePosixPath(self.key(ITEM)).parent)

    def item(self, store: Store) -> bytes | None:
        """The Item, if the mosaic is published."""
        return store.read(self.key(ITEM))

    def published(self, store: Store) -> bytes | None:
        """The Item, if the mosaic is published; synced to disk, because its writer may have died before that."""
        item = self.item(store)
        if item is not None:
            store.create(self.key(ITEM), [item])
        return item

    def delete(self, store: Store) -> None:
        """Delete all files, the Item first, so that no reader finds an Item without its files."""
        store.delete(self.key(ITEM))
        for stored in list(store.list(f"{self.folder}/")):
            store.delete(stored.key)

    def summary(self, published: bytes, store: Store) -> dict[str, Any]:
        """`status.result`: the files, their bounds, and the statistics of the first band."""
        item = json.loads(published)
        found = {
            file.key: store.location(self.key(file))
            for file in (COG, PNG, ITEM)
            if file is ITEM or file.asset in item["assets"]
        }
        band = item["assets"][COG.asset]["bands"][0]
        measured, classes = band["statistics"], class_shares(band)
        height, width = item["assets"][COG.asset]["proj:shape"]
        notes = item["properties"].get("mosaic:notes")
        optional = {name: listed for name, listed in (("classes", classes), ("notes", notes)) if listed}
        return (found | optional) | {
            "bounds": item["bbox"],
            "statistics": {
                "minimum": measured.get("minimum"),
                "maximum": measured.get("maximum"),
                "mean": measured.get("mean"),
                "validPercent": measured["valid_percent"],
                "outOfRange": item["properties"]["mosaic:out_of_range"],
            },
            "pixels": height * width,
        }
