"""The pages of a search in a STAC API: each Item once, and an end even if the API repeats pages."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mosaic_crds.errors import RequestError

MOST_PAGES = 1000
"""Of one search; APIs give fewer Items on a page than they are asked for when they like."""
MOST_ITEMS = 10_000
"""That one search looks at, of an API without the query extension, which may list what the request leaves out."""
MOST_BYTES = 32 * 2**20
"""Of the Items of one search together: 500 of 64 KiB; those of Sentinel-2 have 30 KiB."""


class Pages:
    """The Items of a search, page by page.

    The first page without an Item that is new is the last: the links of some APIs lead back to where they came from.

    Args:
        pages: FeatureCollections.
        where: the field of the request that names the API, and the API.

    Attributes:
        repeated: how many Items were met again.
    """

    def __init__(self, pages: Iterable[Mapping[str, Any]], where: str) -> None:
        self._pages = pages
        self._where = where
        self._known: set[tuple[str, str]] = set()
        self._size = 0
        self.repeated = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Each Item once, by its id and collection.

        Raises:
            RequestError: there are more than may be looked at, or they are larger than fits in memory.
            ValueError: a page is no FeatureCollection.
        """
        for number, page in enumerate(self._pages, 1):
            fresh = list(self._fresh(page.get("features")))
            if not fresh:
                return
            self._require(number <= MOST_PAGES, f"are on more than {MOST_PAGES:,} pages")
            self._require(len(self._known) <= MOST_ITEMS, f"are more than {MOST_ITEMS:,}")
            yield from fresh

    def _fresh(self, features: object) -> Iterator[dict[str, Any]]:
        """The Items of a page that are new."""
        if not isinstance(features, list):
            raise ValueError("its features are no list")
        for document in features:
            if not isinstance(document, dict):
                raise ValueError("one of its features is no object")
            key = str(document.get("collection")), str(document.get("id"))
            if key in self._known:
                self.repeated += 1
                continue
            self._known.add(key)
            self._size += len(json.dumps(document))
            self._require(self._size <= MOST_BYTES, f"are larger than {MOST_BYTES // 2**20} MiB together")
            yield document

    def _require(self, holds: bool, what: str) -> None:
        if not holds:
            raise RequestError(f"{self._where} finds {what}; narrow the dates or the area")
