"""Gains and offsets of overlapping scenes: scenes with known gains, and everything that can be missing."""

import json

import numpy as np
import pytest
from mosaic_crds.errors import RequestError
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.sampling import Window
from mosaic_worker.plan.gains import DAMPING, Patch, solve
from mosaic_worker.plan.harmonising import harmonised
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.patches import MOST_PATCHES, SAMPLES, places
from mosaic_worker.plan.planning import Limits, input_bands, make_plan
from mosaic_worker.plan.seam_work import seam_seconds
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.resolve import resolve

from support.scenes.pipeline import files, make, request_of
from support.scenes.rasters import write_raster

GAINS = np.array([0.9, 1.1, 1.0, 0.95])


def patches_of(gains, offsets=None, noise=0.0, clouds=0.0, seed=0):
    """Patches of two or three scenes whose corrected values are equal, with noise and clouds."""
    rng = np.random.default_rng(seed)
    offsets = np.zeros(len(gains)) if offsets is None else offsets
    found = []
    for number in range(40):
        scenes = sorted({number % len(gains), (number + 1) % len(gains), int(rng.integers(len(gains)))})
        common = rng.uniform(0.05, 0.4, 64)
        values = np.stack([(common - offsets[scene]) / gains[scene] for scene in scenes])
        values *= 1 + noise * rng.standard_normal(values.shape)
        cloudy = rng.random(values.shape) < clouds
        found.append(Patch(scenes, np.where(cloudy, rng.uniform(0.5, 1, values.shape), values).astype(np.float32)))
    return found


def test_finds_known_gains():
    found = np.array(solve(patches_of(GAINS), 4, with_offset=False).gains)
    expected = GAINS / np.exp(np.log(GAINS).mean())
    np.testing.assert_allclose(found, expected, rtol=0.003)


def test_equals_a_dense_least_squares_solution_without_outliers():
    """All common values as unknowns, by numpy's solver, for residuals too small for weights to matter."""
    gains = 1 + (GAINS - 1) / 50
    patches = [Patch(patch.scenes, patch.values[:, :20]) for patch in patches_of(gains, noise=1e-4)[:8]]
    rows, right, column = [], [], 4
    for patch in patches:
        for sample in range(patch.values.shape[1]):
            for scene, value in zip(patch.scenes, patch.values[:, sample], strict=True):
                rows.append((scene, column))
                right.append(-np.log(value))
            column += 1
    matrix = np.zeros((len(rows) + 4, column))
    for number, (scene, common) in enumerate(rows):
        matrix[number, [scene, common]] = 1, -1
    matrix[len(rows) + np.arange(4), np.arange(4)] = np.sqrt(DAMPING)
    solution = np.linalg.lstsq(matrix, np.array(right + [0.0] * 4), rcond=None)[0]
    found = np.log(solve(patches, 4, with_offset=False).gains)
    np.testing.assert_allclose(found, solution[:4], atol=1e-5)


def test_clouds_and_noise_change_gains_little():
    found = np.array(solve(patches_of(GAINS, noise=0.02, clouds=0.1), 4, with_offset=False).gains)
    np.testing.assert_allclose(found / found[0], GAINS / GAINS[0], rtol=0.01)


def test_finds_known_gains_and_offsets():
    offsets = np.array([0.01, -0.01, 0.0, 0.005])
    solution = solve(patches_of(GAINS, offsets, noise=0.01, clouds=0.05), 4, with_offset=True)
    found = np.array(solution.gains)
    np.testing.assert_allclose(found / found[0], GAINS / GAINS[0], rtol=0.02)
    corrected = np.array([solution.offsets[scene] - found[scene] / GAINS[scene] * offsets[scene] for scene in range(4)])
    assert np.ptp(corrected) < 0.004


def test_gains_have_limits_and_name_the_scenes_that_reach_them():
    solution = solve(patches_of(np.array([0.5, 1.0, 1.0, 1.0])), 4, with_offset=False)
    assert solution.gains[0] == 0.8
    assert solution.limited == (0,)


def test_a_scene_with_few_common_samples_keeps_its_values():
    patches = [*patches_of(GAINS), Patch((1, 4), np.full((2, 20), 0.2, np.float32))]
    for with_offset in (False, True):
        solution = solve(patches, 6, with_offset=with_offset)
        assert solution.alone == (4, 5)
        assert solution.gains[4:] == (1.0, 1.0)
        assert solution.offsets[4:] == (0.0, 0.0)


@pytest.mark.parametrize("with_offset", [False, True])
@pytest.mark.parametrize("value", [np.nan, -0.1, 0.0, 0.3])
def test_values_that_are_missing_negative_or_constant_give_no_correction(with_offset, value):
    patches = [Patch((0, 1), np.full((2, 64), value, np.float32)) for _ in range(4)]
    solution = solve(patches, 2, with_offset=with_offset)
    assert solution.gains == (1.0, 1.0)
    assert solution.offsets == (0.0, 0.0)
    assert solve([], 2, with_offset=with_offset).alone == (0, 1)


def test_patches_are_few_and_in_all_overlaps():
    grid = Grid("EPSG:32633", 0, 0, 10, 10, 5000, 4000)
    windows = [Window(0, 0, 2600, 4000), Window(2400, 0, 5000, 2200), Window(2400, 2000, 5000, 4000)]
    found = places(grid, windows)
    assert {place.scenes for place in found} == {(0, 1), (0, 2), (1, 2), (0, 1, 2)}
    assert len(found) <= MOST_PATCHES
    for place in found:
        for scene in place.scenes:
            window = windows[scene]
            assert window.left <= place.column <= window.right - SAMPLES
            assert window.top <= place.row <= window.bottom - SAMPLES
    assert places(grid, windows) == found
    assert places(grid, [Window(0, 0, 100, 100), Window(200, 0, 300, 100)]) == []
    assert places(Grid("EPSG:32633", 0, 0, 10, 10, 5, 5), [Window(0, 0, 5, 5)] * 2) == []


LANDSCAPE = np.random.default_rng(3).uniform(800, 3000, (160, 260))


@pytest.fixture
def folder(tmp_path):
    """Two scenes with a common landscape: the second has numbers that are 20 percent smaller, and a cloud."""
    first, second = LANDSCAPE[:, :160].copy(), LANDSCAPE[:, 100:] / 1.2
    first[:40] = 0
    second[120:, :60] = 9000
    write_raster(tmp_path / "0.tif", first.astype(np.uint16), nodata=0)
    write_raster(tmp_path / "1.tif", second.astype(np.uint16), left=501_000, nodata=0)
    mask = (second > 8000).astype(np.uint8)
    write_raster(tmp_path / "mask.tif", mask, left=501_000)
    write_raster(tmp_path / "all.tif", np.ones_like(mask), left=501_000)
    return tmp_path


def spec(folder, harmonise="gain", mask="mask.tif", **composite):
    scenes = [
        {"bands": {"red": {"href": str(folder / f"{n}.tif"), "scale": 0.0001}}, "datetime": f"2024-07-0{n + 1}"}
        for n in range(2)
    ]
    scenes[1]["mask"] = {"href": str(folder / mask), "values": "nonzero"}
    return {
        "source": files(*scenes),
        "product": {"bands": ["red"]},
        "composite": {"method": "latest", "harmonise": harmonise} | composite,
    }


def plan_of(folder, spec) -> Plan:
    request, gate = request_of(spec), own_machine(folder)
    found = resolve(request.spec, input_bands(request.spec), gate)
    return harmonised(make_plan(request, "uid", found, Limits(), 2), request.spec, gate)


def gains(plan):
    return {planned.scene.id: planned.corrections["red"].gain for planned in plan.scenes}


def test_scenes_with_a_known_ratio_get_it_without_their_clouds(folder):
    plan = plan_of(folder, spec(folder))
    found = gains(plan)
    assert found["scene-2"] / found["scene-1"] == pytest.approx(1.2, rel=0.005)
    low, high = sorted(found.values())
    assert f"harmonised 2 scenes: gains from {low:.3f} to {high:.3f}" in plan.warnings
    assert Plan.from_json(plan.to_json()) == plan


def test_the_mosaic_has_corrected_values_once_and_its_item_the_gains(folder):
    made = make(folder, spec(folder))
    found = {scene["id"]: scene["bands"]["red"]["correction"] for scene in made.item["properties"]["mosaic:scenes"]}
    assert found == {name: {"gain": gain, "offset": 0.0} for name, gain in gains(plan_of(folder, spec(folder))).items()}
    assert any("harmonised 2 scenes" in warning for warning in made.item["properties"]["mosaic:warnings"])
    values = made.values()
    expected = np.floor(LANDSCAPE[40:, :100]) * 0.0001 * found["scene-1"]["gain"]
    np.testing.assert_allclose(values[40:, :100], expected, rtol=1e-5)
    expected = np.floor(LANDSCAPE[:100, 160:] / 1.2) * 0.0001 * found["scene-2"]["gain"]
    np.testing.assert_allclose(values[:100, 160:], expected, rtol=1e-5)


def test_the_same_bytes_for_any_number_of_workers(folder):
    one, two = (make(folder, spec(folder, "gainOffset"), workers=n, store=str(n)) for n in (1, 2))
    assert one.cog == two.cog


def test_without_a_common_clear_place_scenes_stay_as_they_are_with_a_note(folder):
    for plan in (plan_of(folder, spec(folder, mask="all.tif")), plan_of(folder, spec(folder, dilate=100))):
        assert set(gains(plan).values()) == {1.0}
        assert any("not harmonised: scene-2, scene-1 have fewer than 50 clear samples" in w for w in plan.warnings)


def test_one_scene_has_no_correction(folder):
    alone = spec(folder)
    alone["source"]["files"]["scenes"].pop()
    plan = plan_of(folder, alone)
    assert plan.scenes[0].corrections == {}
    assert plan_of(folder, spec(folder, "none")).scenes[0].corrections == {}


def test_an_unreadable_scene_is_not_harmonised_if_such_scenes_are_skipped(folder):
    request, gate = request_of(spec(folder)), own_machine(folder)
    made = make_plan(request, "uid", resolve(request.spec, ("red",), gate), Limits(), 2)
    (folder / "1.tif").unlink()
    with pytest.raises(RequestError, match=r"1\.tif"):
        harmonised(made, request.spec, gate)
    skipping = Plan.from_json(json.dumps(json.loads(made.to_json()) | {"on_unreadable": "skip"}).encode())
    assert set(gains(harmonised(skipping, request.spec, gate)).values()) == {1.0}


def test_scenes_with_different_calibration_are_refused(folder):
    asked = spec(folder)
    del asked["source"]["files"]["scenes"][1]["bands"]["red"]["scale"]
    with pytest.raises(RequestError, match="has uncalibrated numbers and other scenes have reflectances"):
        plan_of(folder, asked)


def test_the_estimate_counts_what_is_read_for_harmonising_and_blending(tmp_path):
    for number in range(2):
        values = np.full((2000, 2000), 1000 + number, np.uint16)
        write_raster(tmp_path / f"{number}.tif", values, left=500_000 + 10_000 * number)

    def seconds(**composite):
        scenes = [{"bands": {"red": str(tmp_path / f"{n}.tif")}, "datetime": f"2024-07-0{n + 1}"} for n in range(2)]
        request = request_of(
            {
                "source": files(*scenes),
                "product": {"bands": ["red"]},
                "composite": {"method": "latest"} | composite,
            }
        )
        found = resolve(request.spec, ("red",), own_machine(tmp_path))
        plan = make_plan(request, "uid", found, Limits(), 2)
        more = seam_seconds(plan.composite, plan.grid, [plan.scenes], None, plan.block, plan.tile_side)
        return more, plan.estimate.core_seconds

    assert seconds()[0] == 0
    assert 0 < seconds(harmonise="gain")[0] < seconds(harmonise="gain", feather=500.0)[0]
    few, many = seconds(feather=50.0), seconds(feather=2000.0)
    assert 0.05 < few[0] <= many[0] < 10
    assert seconds()[1] < few[1] <= many[1]
