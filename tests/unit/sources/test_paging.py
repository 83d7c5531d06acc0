"""Pages of a search: each Item is returned once, and the search always ends."""

from itertools import count, islice

import pytest
from mosaic_crds.errors import RequestError
from mosaic_worker.sources.search import pages
from mosaic_worker.sources.search.pages import Pages


def page(*names: str):
    return {"features": [{"id": name, "collection": "c"} for name in names]}


def ids(pages: Pages) -> list[str]:
    return [document["id"] for document in pages]


def test_returns_each_item_once():
    pages = Pages([page("a", "b"), page("b", "c", "c"), page("d")], "x")
    assert ids(pages) == ["a", "b", "c", "d"]
    assert pages.repeated == 2


def test_items_of_two_collections_may_share_an_id():
    pages = Pages([{"features": [{"id": "a", "collection": "c"}, {"id": "a", "collection": "d"}, {"id": "a"}]}], "x")
    assert len(ids(pages)) == 3


def test_a_page_without_new_items_is_the_last():
    log = []

    def looping():
        for number in count():
            log.append(number)
            yield page("a", "b") if number % 2 else page("c")

    assert ids(Pages(looping(), "x")) == ["c", "a", "b"]
    assert log == [0, 1, 2]


def test_refuses_endless_pages():
    endless = (page(str(number)) for number in count())
    with pytest.raises(RequestError, match="x finds are on more than 1,000 pages; narrow the dates or the area"):
        ids(Pages(endless, "x"))


def test_refuses_too_many_items():
    endless = (page(*map(str, range(1000 * number, 1000 * number + 1000))) for number in count())
    with pytest.raises(RequestError, match="more than 10,000"):
        ids(Pages(endless, "x"))


def test_refuses_items_that_do_not_fit_in_memory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pages, "MOST_BYTES", 2**20)
    large = {"features": [{"id": str(number), "x": "y" * 2**16} for number in range(17)]}
    assert len(list(islice(Pages([large | {"features": large["features"][:15]}], "x"), 20))) == 15
    with pytest.raises(RequestError, match="larger than 1 MiB together"):
        ids(Pages([large], "x"))


@pytest.mark.parametrize("features", [None, {}, "abc", [1], ["abc"]])
def test_reports_invalid_pages_as_errors_of_the_api(features: object):
    with pytest.raises(ValueError, match="its features"):
        ids(Pages([{"features": features}], "x"))
