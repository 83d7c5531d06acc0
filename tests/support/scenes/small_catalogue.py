"""A small STAC API that answers each search with the same pages of Items, and serves a folder of files."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.servers.range_server import RangeHandler, RequestLog, serving_by

CORE = "https://api.stacspec.org/v1.0.0"
CONFORMS = [f"{CORE}/core", f"{CORE}/item-search", f"{CORE}/item-search#query", f"{CORE}/collections"]
SEARCH = "/api/search"


def item(name: str, href: str, taken: str = "2024-07-01T10:00:00Z", geometry: Any = None, **properties: Any) -> Any:
    """An Item with one asset, nir, whose numbers are ten thousandths."""
    described = [{"nodata": 0, "scale": 0.0001, "offset": 0}]
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": "c", "links": [],
        "geometry": geometry, "bbox": None if geometry is None else [-180, -90, 180, 90],
        "properties": {"datetime": taken} | properties,
        "assets": {"nir": {"href": href, "roles": ["data"], "raster:bands": described}},
    }  # fmt: skip


@contextmanager
def catalogue(
    folder: Path,
    pages: Sequence[Sequence[Any]],
    then: int | None = None,
    looping_collections: bool = False,
    by_time: bool = False,
) -> Iterator[tuple[str, RequestLog]]:
    """Run an API, and yield its URL and its log.

    Args:
        folder: Folder with the files at /NAME.
        pages: Items of each page; hrefs are relative to the folder.
        then: Page to which the next link of the last page refers, if any.
        by_time: Whether a search only finds Items of its interval, which has two times in UTC.
        looping_collections: Whether the API lists one collection, a, on endless pages.
    """
    log = RequestLog()

    class Handler(RangeHandler):
        def do_GET(self) -> None:
            root = f"http://{self.headers['Host']}"
            if self.path.startswith("/api/collections") and looping_collections:
                described = {
                    "type": "Collection", "stac_version": "1.0.0", "id": "a", "description": "a", "license": "other",
                    "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}},
                    "links": [],
                }  # fmt: skip
                again = [{"rel": "next", "href": f"{root}/api/collections?token=1", "method": "GET"}]
                self.answer(200, json.dumps({"collections": [described], "links": again}).encode())
                return
            if self.path != "/api":
                super().do_GET()
                return
            links = [{"rel": "data", "href": f"{root}/api/collections", "type": "application/json"}]
            links += [{"rel": "search", "href": root + SEARCH, "method": "POST", "type": "application/geo+json"}]
            landing = {"type": "Catalog", "stac_version": "1.0.0", "id": "api", "description": "a", "links": links}
            self.answer(200, json.dumps(landing | {"conformsTo": CONFORMS}).encode())

        def do_POST(self) -> None:
            root = f"http://{self.headers['Host']}"
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            number = body.get("page", 0)
            following = number + 1 if number + 1 < len(pages) else then
            link = {"rel": "next", "href": root + SEARCH, "method": "POST", "body": {"page": following}, "merge": True}
            found = pages[number]
            if by_time:
                start, end = body["datetime"].split("/")
                found = [each for each in found if start <= each["properties"]["datetime"] <= end]
            features = [_absolute(each, root) for each in found]
            page = {"type": "FeatureCollection", "features": features, "links": [] if following is None else [link]}
            self.answer(200, json.dumps(page).encode())

    Handler.log = log
    with serving_by(lambda *arguments: Handler(*arguments, directory=str(folder))) as address:
        yield f"http://{address}/api", log


def _absolute(document: Any, root: str) -> Any:
    assets = {key: asset | {"href": f"{root}/{asset['href']}"} for key, asset in document["assets"].items()}
    return document | {"assets": assets}


def spec(url: str, area: Sequence[float], method: str = "latest", **changes: Any) -> dict[str, Any]:
    """The spec of a request for the band nir of all Items."""
    return {
        "area": {"bbox": list(area)},
        "source": {"stac": {"url": url, "collection": "c", "datetime": "2024-07-01/2024-07-31"}},
        "product": {"bands": ["nir"]},
        "grid": {"crs": "source", "resolution": 10},
        "composite": {"method": method},
        "output": {"formats": ["cog"]},
    } | changes
