"""STAC Items as an API returns them: with absolute hrefs, in a collection."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

COLLECTION = "sentinel-2-l2a"


def served_item(path: Path, root: Path, address: str) -> dict[str, Any]:
    """The Item in a file, with assets served from a root folder."""
    item: dict[str, Any] = json.loads(path.read_text())
    folder = f"http://{address}/{path.parent.relative_to(root).as_posix()}"
    for asset in item["assets"].values():
        if "://" not in asset["href"]:
            asset["href"] = f"{folder}/{asset['href'].removeprefix('./')}"
    return item | {"links": [], "collection": COLLECTION}


def around(items: Sequence[dict[str, Any]]) -> list[float]:
    """The bounding box of Items, as the area of a request."""
    west, south, east, north = zip(*(item["bbox"] for item in items), strict=True)
    return [min(west), min(south), max(east), max(north)]
