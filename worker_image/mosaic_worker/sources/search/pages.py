"""The pages of a search in a STAC API: each Item once, also if the API repeats pages."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mosaic_crds.errors import RequestError

MOST_PAGES = 1000
"""Maximum pages of a search; APIs may return smaller pages than requested."""
MOST_ITEMS = 10_000
"""Maximum Items of a search; an API without the query extension also lists Items that do not match."""
MOST_BYTES = 32 * 2**20
"""Maximum size of all Items of a search: 500 of 64 KiB; those of Sentinel-2 have 30 KiB."""


class Pages:
    """The Items of a search, page by page.

    The first page without a new Item is the last, because the links of some APIs form a circle.

    Args:
        pages: FeatureCollections.
        where: the field of the request that names the API, and the API.

    Attributes:
        repeated: the number of repeated Items.
    """

    def __init__(self, pages: Iterable[Mapping[str, Any]], where: str) -> None:
        self._pages = pages
        self._where = where
        self._known: set[tuple[str, str]] = set()
        self._size = 0
        self.repeated = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Each Item once, by id and collection.

        Raises:
            RequestError: there are too many Items or pages, or they are too large.
            ValueError: a page is not a FeatureCollection.
        """
        for number, page in enumerate(self._pages, 1):
            fresh = list(self._fresh(page.get("features")))
            if not fresh:
                return
            self._require(number <= MOST_PAGES, f"are on more than {MOST_PAGES:,} pages")
            self._require(len(self._known) <= MOST_ITEMS, f"are more than {MOST_ITEMS:,}")
            yield from fresh

    def _fresh(self, features: object) -> Iterator[dict[str, Any]]:
        """The new Items of a page."""
        if not isinstance(features, list):
            raise ValueError("its features are not a list")
        for document in features:
            if not isinstance(document, dict):
                raise ValueError("one of its features is not an object")
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
