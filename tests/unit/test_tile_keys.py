"""Keys of shared tiles: equal keys mean equal pixels, and each input of the pixels changes the key."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mosaic_crds.errors import RequestError
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.planning import Limits, input_bands, make_plan
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.resolve import resolve
from mosaic_worker.tiles.keys import TileKeys
from mosaic_worker.tiles.ranges import make_part

from support.scenes.pipeline import files, request_of
from support.scenes.rasters import noise, write_raster

NOT_IN_PIXELS = {
    "uid", "name", "ranges", "estimate", "warnings", "unreadable", "shared",
    "output.formats", "output.colormap", "output.stretch", "output.gamma", "output.picture", "scenes.clear",
}  # fmt: skip
"""What may differ between requests that share a tile. A new field of a plan changes the key until it is added here."""
NOT_ALONE = {
    "product.index", "product.expression", "composite.percentile", "composite.enough", "composite.prefer",
    "composite.detect", "composite.deviations",
}  # fmt: skip
"""Fields that are only valid together with others."""
GRID = {"crs": "x", "left": 0, "top": 0, "xres": 1, "yres": 1, "width": 1, "height": 1}
HEADER = {"grid": GRID, "dtype": "x", "blocks": [1, 1], "identity": "x"}
OTHERS: list[Any] = [
    "x", "int16", "max", "bands", "skip", "cubic", "EVI", "shadow", "qaPixel", "uint8", "2001-01-01T00:00:00Z",
    1, 2, 2.5, True, False, [1.0], ["2"], ["shadow"], [{"scene": "a", "reason": "b"}],
    [{"name": "a", "colour": "#000000", "value": 1}], [0, 0, 1, 1], [GRID],
    {"type": "Point", "coordinates": [0, 0]}, {"href": "x", "band": 1, "values": "nonzero", "header": HEADER},
    {"scenes": 1, "unreadable": 0}, "gain", {"red": {"gain": 1.1, "offset": 0.1}},
]  # fmt: skip
"""Values to try, until one is valid."""
AREA = {"type": "Polygon", "coordinates": [[[5e5, 4.999e6], [5.1e5, 4.999e6], [5e5, 5e6], [5e5, 4.999e6]]]}
SCENES = {"a": (0, 0), "b": (300, 40), "c": (700, 0), "d": (1100, 20)}
"""Columns and rows of the scenes from the upper left of the mosaic of two tiles. The values of d need another scale."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("scenes")
    for seed, (name, (column, row)) in enumerate(SCENES.items()):
        write_raster(place / f"{name}.tif", noise(200, 400, seed), left=500_000 + 10 * column, top=5_000_000 - 10 * row)
    write_raster(place / "mask.tif", (noise(200, 400, 9, 0, 9) == 0).astype("uint8"), left=500_000)
    return place


def plan_of(folder: Path, names: str = "abcd", uid: str = "one", **spec: Any) -> Plan:
    scenes = []
    for day, name in enumerate("abcd", 1):
        scene = {"bands": {"red": {"href": str(folder / f"{name}.tif")}}, "datetime": f"2024-07-0{day}"}
        scene["bands"]["red"] |= {"scale": 0.5 if name == "d" else 0.0001, "offset": 0.0}
        if name == "a":
            scene["mask"] = {"href": str(folder / "mask.tif"), "values": "nonzero"}
        scenes += [scene] if name in names else []
    request = request_of(
        {
            "area": {"bbox": [15.0, 45.137, 15.165, 45.154]},
            "source": files(*scenes),
            "product": {"bands": ["red"]},
            "composite": {"method": "latest", "dilate": 1, "count": True},
            "grid": {"crs": "EPSG:32633", "resolution": 10},
        }
        | spec
    )
    gate = own_machine(folder)
    found = resolve(request.spec, input_bands(request.spec), gate, Limits.scenes)
    return make_plan(request, uid, found, Limits(), 2)


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of all numbers, texts and empty values of a document."""
    if isinstance(value, dict) and value:
        for name, each in value.items():
            yield from leaves(each, (*path, name))
    elif isinstance(value, list) and value:
        for place, each in enumerate(value):
            yield from leaves(each, (*path, place))
    else:
        yield path


def changed(plan: Plan, path: tuple[str | int, ...]) -> Iterator[Plan]:
    """Plans that differ in one place only."""
    text = plan.to_json()
    now = reduce(lambda place, step: place[step], path, json.loads(text))
    for other in sorted(OTHERS, key=lambda other: type(other) is not type(now)):
        document = json.loads(text)
        place = reduce(lambda place, step: place[step], path[:-1], document)
        place[path[-1]] = other
        try:
            found = Plan.from_json(json.dumps(document).encode())
            assert found.encoding
        except (ValueError, RequestError, KeyError, AttributeError, TypeError):
            continue
        if found.to_json() != text:
            yield found


@pytest.fixture(scope="module")
def plan(folder) -> Plan:
    return replace(plan_of(folder, "ad"), area=AREA)


def field(path: tuple[str | int, ...]) -> str:
    """The field of a plan that a path is in; two levels of those with several."""
    names = [str(step) for step in path if isinstance(step, str)]
    if names == ["scenes", "clear"]:
        return "scenes.clear"
    return ".".join(names[:2]) if names[0] in {"output", "product", "composite"} else names[0]


def test_each_input_of_the_pixels_changes_the_key(plan):
    tile = plan.tiles[0]
    key = TileKeys(plan).of(tile)
    counted, same = set(), set()
    for path in leaves(json.loads(plan.to_json())):
        found = next(changed(plan, path), None)
        if found is None:
            assert field(path) in NOT_ALONE | NOT_IN_PIXELS, f"no other value of {path} is known; add one to OTHERS"
            continue
        touching = path[0] != "scenes" or plan.scenes[int(path[1])].touches(tile)
        if TileKeys(found).of(tile) == key:
            same.add(field(path) if touching else "other scenes")
        elif touching:
            counted.add(field(path))
    assert same - {"other scenes"} == {name for name in NOT_IN_PIXELS if name in same}
    assert "other scenes" in same
    assert counted.isdisjoint(NOT_IN_PIXELS)
    assert counted >= {"code", "namespace", "scenes", "grid", "area", "block", "resampling", "output.dtype"}


def test_each_field_of_a_plan_is_in_the_test_above(plan):
    document = json.loads(plan.to_json())
    assert any(planned["scene"]["mask"] for planned in document["scenes"])
    assert document["area"] is not None


def test_skipped_scenes_and_the_place_of_the_tile_change_the_key(folder):
    plan = plan_of(folder)
    keys, (first, second) = TileKeys(plan), plan.tiles
    one, other = (number for number, planned in enumerate(plan.scenes, 1) if planned.scene.id in {"scene-1", "scene-2"})
    found = {keys.of(first), keys.of(first, (one,)), keys.of(first, (other,)), keys.of(second)}
    assert len(found) == 4


def test_a_scene_that_appears_elsewhere_does_not_change_the_key(folder):
    few, more = plan_of(folder, "ab"), plan_of(folder, "abd", uid="two", output={"colormap": "viridis"})
    assert TileKeys(few).of(few.tiles[0]) == TileKeys(more).of(more.tiles[0])
    assert TileKeys(few).of(few.tiles[1]) != TileKeys(more).of(more.tiles[1])


def test_a_scene_elsewhere_changes_the_key_if_it_changes_the_numbers_of_chosen_scenes(folder):
    chosen = {"method": "latest", "chosen": True}
    few, more = (plan_of(folder, names, composite=chosen) for names in ("ab", "abd"))
    assert TileKeys(few).of(few.tiles[0]) != TileKeys(more).of(more.tiles[0])


def test_a_scene_elsewhere_changes_the_key_if_it_changes_how_values_are_stored(folder):
    few, more = (plan_of(folder, names, output={"dtype": "int16"}) for names in ("ab", "abd"))
    assert few.encoding != more.encoding
    assert TileKeys(few).of(few.tiles[0]) != TileKeys(more).of(more.tiles[0])


COMPUTED: dict[str, tuple[bytes, object]] = {}
"""What tiles with a key contain, in all examples."""


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.sets(st.sampled_from("abcd"), min_size=1).map(sorted).map("".join),
    dtype=st.sampled_from(["float32", "int16"]),
    composite=st.sampled_from([{"method": "mean"}, {"method": "latest", "chosen": True}, {"method": "latest"}]),
    colormap=st.sampled_from(["viridis", "magma"]),
)
def test_equal_keys_mean_equal_bytes(folder, names, dtype, composite, colormap):
    plan = plan_of(folder, names, uid=names, composite=composite, output={"dtype": dtype, "colormap": colormap})
    keys = TileKeys(plan)
    for tile in plan.tiles:
        pieces, record = make_part(plan, tile, OpenSources(own_machine(folder)))
        found = b"".join(pieces), (record.digest, [band.counts.tolist() for band in record.statistics.bands])
        assert COMPUTED.setdefault(keys.of(tile), found) == found


def test_a_tile_depends_on_nothing_of_the_scenes_elsewhere_but_the_encoding(folder, plan):
    """The scenes that do not touch a tile can be any others."""
    tile = plan.tiles[0]
    assert plan.encoding
    elsewhere = [number for number, planned in enumerate(plan.scenes) if not planned.touches(tile)]
    assert elsewhere
    scenes = list(plan.scenes)
    for number in elsewhere:
        scenes[number] = replace(scenes[number], scene=None)
    broken = replace(plan, scenes=tuple(scenes))
    broken.__dict__["encoding"] = plan.encoding
    broken.__dict__["digest"] = plan.digest
    parts = [make_part(each, tile, OpenSources(own_machine(folder)))[0] for each in (plan, broken)]
    assert b"".join(parts[0]) == b"".join(parts[1])
