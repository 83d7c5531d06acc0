"""Which Items are the same observation, and which one of them is used."""

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.http.client import Client
from mosaic_worker.sources.items.item import item_of
from mosaic_worker.sources.items.observations import Observations

from support.scenes.small_catalogue import item

STRIP = "S2A_OPER_MSI_L2A_DS_{station}_{made}_S{start}_N{baseline}"


def kept(*documents: dict[str, Any]) -> list[str]:
    """The ids of the Items that are kept, whatever their order."""
    client = Client(own_machine(Path()))
    found = set()
    for order in permutations(documents):
        observations = Observations()
        for document in order:
            observations.add(item_of(document, "/item.json", "spec", client))
        ids = sorted(each.id for each in observations)
        assert len(observations) == len(ids)
        dropped = len(documents) - len(ids)
        assert [int(note.split()[1]) for note in observations.notes] == ([dropped] if dropped else [])
        found.add(tuple(ids))
    assert len(found) == 1
    return list(found.pop())


def named(name: str, **properties: Any) -> dict[str, Any]:
    return item(name, "a.tif", properties.pop("taken", "2022-01-01T19:13:20Z"), **properties)


@pytest.mark.parametrize(
    ("newest", "older"),
    [
        ("S2A_10UDV_20220101_1_L2A", ["S2A_10UDV_20220101_0_L2A"]),
        ("S2A_10UDV_20220101_10_L2A", ["S2A_10UDV_20220101_9_L2A", "S2A_10UDV_20220101_0_L2A"]),
        (
            "S2A_MSIL2A_20220101T190811_N0500_R013_T10UDV_20220101T220000",
            ["S2A_MSIL2A_20220101T190811_N0301_R013_T10UDV_20230101T220000"],
        ),
        (
            "S2A_MSIL2A_20220101T190811_N0500_R013_T10UDV_20220101T220000.SAFE",
            ["S2A_MSIL2A_20220101T190811_N9999_R013_T10UDV_20230101T220000.SAFE"],
        ),
        (
            "S2A_MSIL2A_20220101T190811_R013_T10UDV_20220102T091651",
            ["S2A_MSIL2A_20220101T190811_R013_T10UDV_20220101T091651"],
        ),
        ("LC08_L1TP_047026_20220101_20220107_02_T1", ["LC08_L1TP_047026_20220101_20220101_02_RT"]),
        ("LC08_L1TP_047026_20220101_20220107_02_T2", ["LC08_L1GT_047026_20220101_20220108_02_RT"]),
        ("LE07_L2SP_047026_20220101_02_T1", ["LE07_L2SP_047026_20220101_01_T1"]),
        ("HLS.S30.T10UDV.2022001T190811.v2.0", ["HLS.S30.T10UDV.2022001T190811.v1.5"]),
        ("MOD09A1.A2022001.h10v04.061.2022010033521", ["MOD09A1.A2022001.h10v04.006.2023010033521"]),
    ],
)
def test_keeps_the_newest_processing_of_a_granule(newest: str, older: list[str]):
    assert kept(*map(named, [newest, *older])) == [newest]


@pytest.mark.parametrize(
    "names",
    [
        ["S2A_10UDV_20220101_0_L2A", "S2B_10UDV_20220101_0_L2A"],
        ["S2A_10UDV_20220101_0_L2A", "S2A_10UDU_20220101_0_L2A"],
        ["S2A_10UDV_20220101_0_L2A", "S2A_10UDV_20220101_0_L1C"],
        ["S2A_T10UDV_20220101T191232_L2A", "S2A_T10UDV_20220101T205232_L2A"],
        ["LC08_L2SP_047026_20220101_20220107_02_T1", "LC09_L2SP_047026_20220101_20220107_02_T1"],
        ["LC08_L2SP_047026_20220101_20220107_02_T1", "LC08_L2SP_047027_20220101_20220107_02_T1"],
        ["LC08_L2SP_047026_20220101_20220107_02_T1_SR", "LC08_L2SP_047026_20220101_20220107_02_T1_ST"],
        ["HLS.S30.T10UDV.2022001T190811.v2.0", "HLS.L30.T10UDV.2022001T190811.v2.0"],
        ["MOD09A1.A2022001.h10v04.061.2022010033521", "MYD09A1.A2022001.h10v04.061.2022010033521"],
        ["mosaic-1", "mosaic-2"],
    ],
)
def test_keeps_other_satellites_cells_levels_and_orbits(names: list[str]):
    assert kept(*map(named, names)) == sorted(names)


def test_keeps_two_orbits_of_a_day_over_one_cell():
    first, second = "S2A_33XWJ_20220101_0_L2A", "S2A_33XWJ_20220101_1_L2A"
    assert kept(named(first), named(second, taken="2022-01-01T20:53:20Z")) == [first, second]


def test_keeps_two_parts_of_a_datatake_from_two_ground_stations():
    """Each contains another part of the cell; the newer processing of each part is kept."""
    parts = {}
    for name, station, start, baseline in (
        ("a", "VGS4", "20220101T191232", "03.01"),
        ("b", "SGS_", "20220101T191432", "03.01"),
        ("c", "S2RP", "20220101T191234", "05.00"),
    ):
        strip = STRIP.format(station=station, made="20220101T220000", start=start, baseline=baseline)
        datatake = f"GS2A_20220101T190811_034100_N{baseline}"
        parts[name] = named(name, **{"s2:datatake_id": datatake, "s2:datastrip_id": strip, "grid:code": "MGRS-10UDV"})
    assert kept(parts["a"], parts["b"]) == ["a", "b"]
    assert kept(*parts.values()) == ["b", "c"]


def outline(west: float, east: float) -> dict[str, Any]:
    ring = [[west, 45], [east, 45], [east, 46], [west, 46], [west, 45]]
    return {"type": "Polygon", "coordinates": [ring]}


def test_footprints_distinguish_parts_of_a_datatake_without_datastrips():
    first, second = "S2A_10UDV_20220101_0_L2A", "S2A_10UDV_20220101_1_L2A"
    west, east, whole = outline(14, 14.6), outline(14.5, 15), outline(14, 15)
    assert kept(named(first, geometry=west), named(second, geometry=east)) == [first, second]
    assert kept(named(first, geometry=west), named(second, geometry=outline(14, 14.7))) == [second]
    assert kept(named(first, geometry=west), named(second, geometry=whole)) == [second]
    assert kept(named(first, geometry=west), named(second)) == [second]


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ({"s2:processing_baseline": "03.01"}, {"s2:processing_baseline": "05.00"}),
        (
            {"s2:processing_baseline": "05.00", "processing:datetime": "2023-01-01T00:00:00"},
            {"s2:processing_baseline": "05.00", "processing:datetime": "2023-01-01T00:00:00.5Z"},
        ),
        (
            {"s2:processing_baseline": "05.00", "processing:datetime": "2024-01-01T00:00:00Z"},
            {"s2:processing_baseline": "05.10", "processing:datetime": "2023-01-01T00:00:00Z"},
        ),
        ({"created": "2023-01-01T00:00:00Z"}, {"created": "2023-01-02"}),
        (
            {"created": "2023-01-01T00:00:00Z", "updated": "2023-01-01T00:00:00Z"},
            {"created": "2023-01-01T00:00:00Z", "updated": "2023-01-02T00:00:00Z"},
        ),
    ],
)
@pytest.mark.parametrize(
    "cell",
    [
        {"grid:code": "MGRS-4QFJ"},
        {"s2:mgrs_tile": "04QFJ"},
        {"mgrs:utm_zone": 4, "mgrs:latitude_band": "Q", "mgrs:grid_square": "FJ"},
    ],
)
def test_reads_granule_and_processing_from_properties(
    older: dict[str, str], newer: dict[str, str], cell: dict[str, Any]
):
    datatake = {"s2:datatake_id": "GS2A_20220101T190811_034100_N03.01"}
    assert kept(named("old", **datatake, **cell, **older), named("new", **datatake, **cell, **newer)) == ["new"]


def test_keeps_items_of_two_collections():
    one = named("S2A_10UDV_20220101_0_L2A")
    other = named("S2A_10UDV_20220101_1_L2A") | {"collection": "d"}
    assert kept(one, other) == [one["id"], other["id"]]


def test_ignores_invalid_properties():
    odd = {"s2:datatake_id": 5, "grid:code": ["x"], "processing:datetime": "soon", "created": {}, "s2:mgrs_tile": None}
    assert kept(named("a", **odd), named("b", **odd)) == ["a", "b"]
