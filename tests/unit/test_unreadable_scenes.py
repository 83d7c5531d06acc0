"""Unreadable scenes: the request fails by default; `onUnreadable: skip` makes the mosaic without them."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mosaic_crds import names
from mosaic_crds.errors import PassingError, RequestError
from mosaic_crds.files import COG
from mosaic_crds.status import ResultStatus
from mosaic_worker.finalize.parts import LostTilesError
from mosaic_worker.finalize.publishing import finalize_step
from mosaic_worker.finalize.results import Results
from mosaic_worker.plan.planning import Limits, input_bands, make_plan
from mosaic_worker.plan.stored import write_plan
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.readers import reading
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.resolve import resolve
from mosaic_worker.store import open_store
from mosaic_worker.tiles import records as tile_records
from mosaic_worker.tiles.ranges import compute_range
from numpy.typing import NDArray

from support.scenes.pipeline import files, make, request_of, same
from support.scenes.rasters import noise, write_raster

UID = "0123456789abcdef"
HEIGHT, WIDTH, BLOCK = 750, 700, 128
OPTIONS = {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "compress": "deflate", "nodata": 0}
SITE = 'LOCAL_CS["site",UNIT["metre",1]]'
LEFTS = {"a": 0, "b": 500, "c": 600, "d": 350}
"""Offset of each scene from the left edge of the area, in pixels."""


def numbers(name: str) -> NDArray[np.uint16]:
    return noise(HEIGHT, WIDTH, seed=ord(name))


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Merge the records of two tiles or more, as of ten or more in large ranges."""
    monkeypatch.setattr(tile_records, "FEWEST_TOGETHER", 2)
    monkeypatch.setattr(tile_records, "MOST_TOGETHER", 3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Overlapping scenes side by side."""
    for name, left in LEFTS.items():
        write_raster(tmp_path / f"{name}.tif", numbers(name), left=500_000 + 10 * left, **OPTIONS)
    return tmp_path


def scenes(folder: Path, *chosen: str) -> list[dict[str, Any]]:
    """Scenes as a request lists them; each is a day newer than the one before."""
    return [
        {"bands": {"red": str(folder / f"{name}.tif")}, "datetime": f"2024-07-0{day}"}
        for day, name in enumerate(chosen, 1)
    ]


def spec(folder: Path, *chosen: str, method: str = "mean", **source: Any) -> dict[str, Any]:
    return {
        "area": {"bbox": [15.001, 45.09, 15.164, 45.145]},
        "source": files(*scenes(folder, *(chosen or "abc"))) | source,
        "product": {"bands": ["red"]},
        "composite": {"method": method},
        "grid": {"crs": "EPSG:32633", "resolution": 10},
    }


def expected(dataset: rasterio.io.DatasetReader, chosen: Sequence[str]) -> NDArray[np.float64]:
    """The mean of scenes on the grid of the mosaic, which is that of the scenes."""
    column, row = round((dataset.bounds.left - 500_000) / 10), round((5_000_000 - dataset.bounds.top) / 10)
    stack = np.full((len(chosen), HEIGHT, 2 * WIDTH), np.nan)
    for layer, name in zip(stack, chosen, strict=True):
        layer[:, LEFTS[name] : LEFTS[name] + WIDTH] = numbers(name)
    count = (~np.isnan(stack)).sum(axis=0)
    mean = np.where(count, np.nansum(stack, axis=0) / np.maximum(count, 1), np.nan)
    return mean[row : row + dataset.height, column : column + dataset.width]


def damage(path: Path, column: int, row: int) -> None:
    """Overwrite a block of a TIFF so that it cannot be decompressed, without changing its header."""
    with rasterio.open(path) as dataset:
        start, size = (
            int(dataset.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", bidx=1)) for what in ("OFFSET", "SIZE")
        )
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xa5" * size)


def garble(path: Path) -> None:
    """Replace the CRS name of a TIFF by bytes that are not valid UTF-8."""
    path.write_bytes(path.read_bytes().replace(b"site", b"\xff\xfe\xff\xfe"))


def run_in_pods(
    folder: Path, wanted: dict[str, Any], ranges: int, order: Callable[[list[int]], Sequence[int]] = list
) -> tuple[bytes, dict[str, Any]]:
    """Make a mosaic as pods do, with a process for each range, and return its COG and Item."""
    gate, store = own_machine(folder), open_store(str(folder / f"pods-{ranges}-{order.__name__}"))
    request = request_of(wanted)
    found = resolve(request.spec, input_bands(request.spec), gate)
    plan = write_plan(make_plan(request, UID, found, Limits(), ranges), store)
    assert len(plan.ranges) == min(ranges, len(plan.tiles))
    todo = order(list(range(len(plan.ranges))))
    while True:
        for index in todo:
            compute_range(plan, index, store, OpenSources(gate))
        try:
            item = json.loads(finalize_step(plan, store))
        except LostTilesError:
            continue
        return store.read(Results.of_plan(plan).key(COG)) or b"", item


def backwards(indexes: list[int]) -> list[int]:
    return indexes[::-1]


def properties(item: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The ids of the unreadable scenes, and the notes about them."""
    recorded = item["properties"]
    notes = recorded.get("mosaic:warnings", []) + recorded.get("mosaic:notes", [])
    return [each["id"] for each in recorded.get("mosaic:unreadable", [])], notes


def test_by_default_one_unreadable_scene_fails_the_request(folder: Path):
    damage(folder / "b.tif", 3, 2)
    with pytest.raises(RequestError, match=r"band red of scene-2: .*b\.tif cannot be read completely"):
        make(folder, spec(folder))
    (folder / "c.tif").unlink()
    with pytest.raises(RequestError, match=r"scenes\[2\].bands.red: there is no file .*c\.tif"):
        make(folder, spec(folder))


def test_skip_changes_nothing_if_all_scenes_are_readable(folder: Path):
    plain, skipping = make(folder, spec(folder)), make(folder, spec(folder, onUnreadable="skip"))
    assert skipping.cog == plain.cog
    assert properties(skipping.item) == properties(plain.item)


@pytest.mark.slow
@pytest.mark.parametrize("order", [list, backwards])
@pytest.mark.parametrize("ranges", [1, 2, 5])
def test_a_partly_damaged_scene_is_omitted_from_all_tiles(folder: Path, ranges: int, order: Callable[..., Any]):
    damage(folder / "b.tif", 3, 2)
    cog, item = run_in_pods(folder, spec(folder, onUnreadable="skip"), ranges, order)
    without = make(folder, spec(folder, "a", "c"))
    assert cog == without.cog
    with without.open() as dataset:
        assert same(dataset.read(1), expected(dataset, ["a", "c"]), within=1e-3)
    unreadable, warnings = properties(item)
    assert unreadable == ["scene-2"]
    assert warnings[0].startswith("1 of 3 scenes cannot be read and are skipped: scene-2 (band red of scene-2: ")
    assert [scene["id"] for scene in item["properties"]["mosaic:scenes"]] == ["scene-1", "scene-3"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_partly_damaged_scene_is_omitted_on_one_machine_too(folder: Path, workers: int):
    damage(folder / "b.tif", 3, 2)
    made = make(folder, spec(folder, onUnreadable="skip"), workers=workers)
    assert made.cog == make(folder, spec(folder, "a", "c")).cog
    assert properties(made.item)[0] == ["scene-2"]
    assert not list((folder / "store" / "work").rglob("*.json"))


@pytest.mark.slow
def test_omitting_a_damaged_scene_can_reveal_another_damaged_one(folder: Path):
    """The latest scene, `c`, covers a tile in which `b` is damaged, so the damage of `b` only shows without `c`."""
    wanted = spec(folder, "a", "d", "b", "c", method="latest", onUnreadable="skip")
    damage(folder / "b.tif", 5, 3)
    assert properties(run_in_pods(folder, wanted, 2)[1])[0] == []
    damage(folder / "c.tif", 4, 3)
    results = [run_in_pods(folder, wanted, ranges, order) for ranges in (1, 5) for order in (list, backwards)]
    assert all(properties(item)[0] == ["scene-4", "scene-3"] for _, item in results)
    assert len({cog for cog, _ in results}) == 1
    assert results[0][0] == make(folder, spec(folder, "a", "d", method="latest")).cog


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.unlink(), "there is no file"),
        (lambda path: path.write_bytes(b"II*\0 no image"), "is not a GeoTIFF, JPEG 2000 or PNG image, or is damaged"),
        (lambda path: path.write_bytes(b""), "is not a GeoTIFF, JPEG 2000 or PNG image, or is damaged"),
        (lambda path: write_raster(path, numbers("b"), crs=SITE), "cannot be located: its coordinate reference system"),
        (lambda path: garble(write_raster(path, numbers("b"), crs=SITE)), "that is not UTF-8"),
    ],
)
def test_the_plan_skips_a_scene_that_is_missing_or_not_an_image(folder: Path, spoil, reason: str):
    spoil(folder / "b.tif")
    made = make(folder, spec(folder, onUnreadable="skip"))
    assert made.cog == make(folder, spec(folder, "a", "c")).cog
    unreadable, warnings = properties(made.item)
    assert unreadable == ["scene-2"]
    assert reason in warnings[0]
    assert warnings[0].startswith("1 of 3 scenes cannot be read and are skipped: scene-2 (spec.source.files.scenes[1]")


def test_skips_a_scene_without_the_required_band(folder: Path):
    wanted = spec(folder, onUnreadable="skip")
    wanted["source"]["files"]["scenes"][1]["bands"] = {"nir": str(folder / "b.tif")}
    assert properties(make(folder, wanted).item)[0] == ["scene-2"]
    wanted["source"]["files"]["scenes"][1]["bands"] = {"red": {"href": str(folder / "b.tif"), "band": 2}}
    assert properties(make(folder, wanted).item)[0] == ["scene-2"]


def test_skips_a_truncated_jpeg_2000(folder: Path):
    path = write_raster(
        folder / "e.jp2", numbers("e"), left=500_000, driver="JP2OpenJPEG", BLOCKXSIZE="256", BLOCKYSIZE="256"
    )
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    wanted = spec(folder, onUnreadable="skip")
    wanted["source"]["files"]["scenes"].append({"bands": {"red": str(path)}})
    cog, item = run_in_pods(folder, wanted, 5)
    assert properties(item)[0] == ["scene-4"]
    assert cog == make(folder, spec(folder)).cog


def test_skips_a_scene_with_a_damaged_mask(folder: Path):
    mask = write_raster(folder / "mask.tif", numbers("d").astype(np.uint8), left=505_000, **OPTIONS)
    damage(mask, 2, 2)
    wanted = spec(folder, onUnreadable="skip")
    wanted["source"]["files"]["scenes"][1]["mask"] = {"href": str(mask), "values": "zero"}
    cog, item = run_in_pods(folder, wanted, 2)
    assert cog == make(folder, spec(folder, "a", "c")).cog
    assert "the mask of scene-2" in properties(item)[1][0]


@pytest.mark.parametrize("inside", [False, True])
def test_more_than_half_unreadable_fails_with_the_reasons(folder: Path, inside: bool):
    for name in ("a", "c"):
        if inside:
            damage(folder / f"{name}.tif", 2, 4)
        else:
            (folder / f"{name}.tif").unlink()
    message = r"2 of 3 scenes cannot be read, .* at most half of them: scene-1 \(.*a\.tif.*\); scene-3 \(.*c\.tif.*\)"
    with pytest.raises(RequestError, match=message):
        make(folder, spec(folder, onUnreadable="skip"))


def test_counts_scenes_skipped_by_the_plan_and_in_tiles_together(folder: Path):
    (folder / "a.tif").unlink()
    damage(folder / "b.tif", 3, 2)
    with pytest.raises(RequestError, match="2 of 3 scenes cannot be read"):
        make(folder, spec(folder, onUnreadable="skip"))


def test_counts_a_note_of_a_pod_that_died_afterwards(folder: Path):
    """More than half of the scenes are noted, and the pod that wrote the last note died before it could report it."""
    gate, store = own_machine(folder), open_store(str(folder / "pods"))
    request = request_of(spec(folder, onUnreadable="skip"))
    plan = make_plan(request, UID, resolve(request.spec, input_bands(request.spec), gate), Limits(), 2)
    for number in (1, 3):
        store.create(names.unreadable_key(UID, number), [b'{"reason": "it is damaged"}'])
    for work in (lambda: compute_range(plan, 0, store, OpenSources(gate)), lambda: finalize_step(plan, store)):
        with pytest.raises(RequestError, match="2 of 3 scenes cannot be read"):
            work()


def test_a_temporary_fault_does_not_skip_a_scene(folder: Path, monkeypatch: pytest.MonkeyPatch):
    def unavailable(*_: Any) -> None:
        raise PassingError("the server answered 503")

    monkeypatch.setattr(reading, "read_window", unavailable)
    with pytest.raises(PassingError, match="503"):
        run_in_pods(folder, spec(folder, onUnreadable="skip"), 1)
    assert not list((folder / "pods-1-list" / "work" / UID).glob("unreadable/*"))


def test_a_read_that_fails_once_does_not_skip_a_scene(folder: Path, monkeypatch: pytest.MonkeyPatch):
    real, failures = reading.read_window, iter([RequestError("the server answered 404")])

    def flaky(*arguments: Any, **named: Any) -> Any:
        for failure in failures:
            raise failure
        return real(*arguments, **named)

    monkeypatch.setattr(reading, "read_window", flaky)
    cog, item = run_in_pods(folder, spec(folder, onUnreadable="skip"), 1)
    monkeypatch.undo()
    assert properties(item)[0] == []
    assert cog == make(folder, spec(folder)).cog


def test_a_skipped_scene_is_in_the_status(folder: Path):
    damage(folder / "b.tif", 3, 2)
    made = make(folder, spec(folder, onUnreadable="skip"))
    summary = Results("default", "test", UID).summary(json.dumps(made.item).encode(), open_store(str(folder / "store")))
    assert summary["notes"] == properties(made.item)[1]
    ResultStatus.model_validate(summary)


def test_skipping_and_failing_have_different_identities(folder: Path):
    """A mosaic without some scene must not satisfy a request that needs all of them."""
    damage(folder / "b.tif", 3, 2)
    make(folder, spec(folder, onUnreadable="skip"))
    with pytest.raises(RequestError, match="cannot be read completely"):
        make(folder, spec(folder))


@pytest.mark.slow
@settings(
    max_examples=6,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),  # shrinking is too slow, because each example computes several mosaics
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    places=st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 5), st.integers(0, 5)), max_size=2),
    method=st.sampled_from(["latest", "mean"]),
)
def test_the_skipped_scenes_are_the_same_for_any_split(
    tmp_path_factory: pytest.TempPathFactory, places: list[tuple[str, int, int]], method: str
):
    folder = tmp_path_factory.mktemp("scenes")
    for name, left in LEFTS.items():
        write_raster(folder / f"{name}.tif", numbers(name), left=500_000 + 10 * left, **OPTIONS)
    for name, column, row in dict.fromkeys(places):
        damage(folder / f"{name}.tif", column, row)
    wanted = spec(folder, "a", "b", "c", "d", method=method, onUnreadable="skip")
    split = [run_in_pods(folder, wanted, ranges, order) for ranges, order in ((1, list), (3, backwards), (9, list))]
    unreadable = {tuple(sorted(properties(item)[0])) for _, item in split}
    assert len({cog for cog, _ in split}) == len(unreadable) == 1
    (skipped,) = unreadable
    kept = [name for number, name in enumerate("abcd", 1) if f"scene-{number}" not in skipped]
    assert split[0][0] == run_in_pods(folder, spec(folder, *kept, method=method), 2)[0]
