"""The programs that pods run: plan, tiles and finalize. Environment variables configure them; they end with a code and
a message.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from mosaic_crds.errors import RequestError
from mosaic_crds.names import API_VERSION
from mosaic_crds.status import PlanSummary, ResultStatus
from mosaic_worker.plan import planning
from mosaic_worker.pod import main
from mosaic_worker.sources.http import sessions
from mosaic_worker.store.directory import DirectoryStore

from support.operator.pod_files import mounted
from support.scenes.rasters import noise, write_raster
from support.servers.range_server import serving


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    folder = tmp_path / "served"
    write_raster(folder / "green.tif", noise(1300, 1100, 1), tiled=True, blockxsize=256, blockysize=256)
    write_raster(folder / "swir16.jp2", noise(650, 550, 2), resolution=20, driver="JP2OpenJPEG")
    with serving(folder) as address:
        yield folder, address


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up servers quickly."""
    monkeypatch.setattr(sessions, "RetryPolicy", partial(sessions.RetryPolicy, first_seconds=0.001))


def request(address: str, **spec: Any) -> dict[str, Any]:
    bands = {"green": f"http://{address}/green.tif", "swir16": f"http://{address}/swir16.jp2"}
    return {
        "apiVersion": API_VERSION,
        "kind": "MosaicRequest",
        "metadata": {"name": "ndsi", "namespace": "team", "uid": "0b5c8f0e-6a54-4c93-8f0e-0b5c8f0e6a54"},
        "spec": {
            "source": {"files": {"scenes": [{"bands": bands}]}},
            "product": {"index": "NDSI"},
            "grid": {"resolution": 10, "resampling": "nearest"},
        }
        | spec,
    }


def step(name: str, requested: dict[str, Any], tmp_path: Path, hosts: str, **more: str) -> tuple[int, dict[str, Any]]:
    log = tmp_path / "termination-log"
    log.write_text("")
    environment = {
        "MOSAIC_STORE": str(tmp_path / "store"),
        "MOSAIC_ALLOWED_HOSTS": hosts,
        "MOSAIC_TERMINATION_LOG": str(log),
    }
    code = main([name], environment | mounted(requested, tmp_path) | more)
    assert log.stat().st_size < 4096
    return code, json.loads(log.read_text())


def test_three_programs_make_a_mosaic_from_a_server(served, tmp_path):
    _, address = served
    code, summary = step("plan", request(address), tmp_path, address)
    assert code == 0
    assert (summary["tiles"], summary["scenes"], summary["megapixels"]) == (4, 1, 1.43)
    for index in range(summary["ranges"]):
        code, message = step("tiles", request(address), tmp_path, address, JOB_COMPLETION_INDEX=str(index))
        assert (code, message["range"]) == (0, index)
    code, result = step("finalize", request(address), tmp_path, address)
    assert code == 0
    with rasterio.open(result["cog"]) as dataset:
        found = dataset.read(1)
    green = noise(1300, 1100, 1).astype(float)
    swir = noise(650, 550, 2).astype(float).repeat(2, 0).repeat(2, 1)
    assert np.nanmax(np.abs(found - (green - swir) / (green + swir))) < 1e-6
    assert result["pixels"] == 1300 * 1100
    assert result["statistics"]["minimum"] == pytest.approx(float(np.nanmin(found)))
    assert result["item"].endswith("/mosaics/team/ndsi/0b5c8f0e-6a54-4c93-8f0e-0b5c8f0e6a54/mosaic.json")
    assert not (tmp_path / "store" / "work").exists() or not any((tmp_path / "store" / "work").iterdir())


def test_a_scene_that_disappears_after_planning_is_omitted_from_all_tiles(served, tmp_path, capsys):
    folder, address = served
    numbers = {f"{name}.tif": noise(1300, 1100, seed) for name, seed in (("green", 1), ("lost", 2), ("third", 3))}
    for name, values in numbers.items():
        write_raster(folder / name, values, tiled=True, blockxsize=256, blockysize=256)
    listed = [{"bands": {"green": f"http://{address}/{name}"}} for name in numbers]
    requested = request(address, source={"files": {"scenes": listed}, "onUnreadable": "skip"})
    requested["spec"] |= {"product": {"bands": ["green"]}, "composite": {"method": "max"}}
    _, summary = step("plan", requested, tmp_path, address)
    for index in range(summary["ranges"]):
        code, _ = step("tiles", requested, tmp_path, address, JOB_COMPLETION_INDEX=str(index))
        assert code == 0
        (folder / "lost.tif").unlink(missing_ok=True)
    code, result = step("finalize", requested, tmp_path, address)
    assert code == 0
    assert "tiles are not done (the first is 0)" in capsys.readouterr().err
    with rasterio.open(result["cog"]) as dataset:
        assert np.array_equal(dataset.read(1), np.maximum(numbers["green.tif"], numbers["third.tif"]))
    assert len(result["notes"]) == 1
    assert "1 of 3 scenes cannot be read and are skipped: scene-2 (" in result["notes"][0]
    assert "the server answered 404 for " in result["notes"][0]


def test_an_existing_plan_is_reported_again_without_another_search(served, tmp_path):
    folder, address = served
    first = step("plan", request(address), tmp_path, address)
    (folder / "green.tif").unlink()
    assert step("plan", request(address), tmp_path, address) == first


@pytest.mark.parametrize("name", ["tiles", "finalize"])
def test_refuses_to_continue_the_plan_of_another_code_version(served, tmp_path, name):
    _, address = served
    step("plan", request(address), tmp_path, address)
    plan_of_other_code(tmp_path)
    code, message = step(name, request(address), tmp_path, address, JOB_COMPLETION_INDEX="0")
    assert code == 42
    assert message["message"].startswith(
        "the plan of the request was made by version 0.0.9+0123456789ab and this is ver"
    )
    assert message["message"].endswith("changed under its tag; delete the request and apply it again")


def test_planning_replaces_the_plan_of_another_code_version(served, tmp_path):
    _, address = served
    first = step("plan", request(address), tmp_path, address)
    plan_of_other_code(tmp_path)
    assert step("plan", request(address), tmp_path, address) == first
    assert step("tiles", request(address), tmp_path, address, JOB_COMPLETION_INDEX="0")[0] == 0


def plan_of_other_code(folder: Path) -> None:
    """Replace the plan by one of another release with different fields."""
    (path,) = (folder / "store").glob("work/*/plan.json")
    path.write_text(json.dumps({"code": "0.0.9+0123456789ab", "cells": []}))


def test_finalize_computes_tiles_without_records(served, tmp_path, capsys):
    _, address = served
    step("plan", request(address), tmp_path, address)
    step("tiles", request(address), tmp_path, address, JOB_COMPLETION_INDEX="0")
    code, result = step("finalize", request(address), tmp_path, address)
    assert "3 of 4 tiles are not done (the first is 1)" in capsys.readouterr().err
    assert code == 0
    with rasterio.open(result["cog"]) as mosaic:
        assert np.isfinite(mosaic.read(1)).mean() > 0.9


def test_finalize_leaves_many_tiles_to_other_pods(served, tmp_path, monkeypatch):
    _, address = served
    monkeypatch.setattr("mosaic_worker.pod.MOST_TILES_AGAIN", 2)
    step("plan", request(address), tmp_path, address)
    step("tiles", request(address), tmp_path, address, JOB_COMPLETION_INDEX="0")
    assert step("finalize", request(address), tmp_path, address) == (0, {"tilesLeft": 3})
    for index in (0, 1, 2, 3):
        step("tiles", request(address), tmp_path, address, JOB_COMPLETION_INDEX=str(index))
    assert "cog" in step("finalize", request(address), tmp_path, address)[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [
        lambda part: part.write_bytes(part.read_bytes()[:-1] + b"?"),
        lambda part: part.write_bytes(bytes(part.stat().st_size)),
        lambda part: part.write_bytes(part.read_bytes()[:1000]),
        lambda part: part.unlink(),
    ],
    ids=["last byte", "zeros", "cut", "gone"],
)
def test_finalize_computes_a_damaged_part_again(served, tmp_path, capsys, damage):
    _, address = served
    cogs = []
    for harm in (lambda _: None, damage):
        requested = request(address)
        requested["metadata"]["uid"] += str(len(cogs))
        _, summary = step("plan", requested, tmp_path, address)
        for index in range(summary["ranges"]):
            step("tiles", requested, tmp_path, address, JOB_COMPLETION_INDEX=str(index))
        harm(next((tmp_path / "store" / "work").rglob("*.tif")))
        code, result = step("finalize", requested, tmp_path, address)
        assert code == 0
        cogs.append(Path(result["cog"].removeprefix("file://")).read_bytes())
    assert "is lost or damaged" in capsys.readouterr().err
    assert cogs[0] == cogs[1]


@pytest.mark.slow
@pytest.mark.parametrize("left", [0, 100], ids=["nothing", "a piece"])
@pytest.mark.parametrize("step_after", ["tiles", "finalize"])
def test_computes_a_tile_with_a_truncated_record_again(served, tmp_path, left, step_after):
    _, address = served
    step("plan", request(address), tmp_path, address)
    step("tiles", request(address), tmp_path, address, JOB_COMPLETION_INDEX="0")
    (record,) = (tmp_path / "store" / "work").rglob("records/0/0.json")
    whole = record.read_bytes()
    record.write_bytes(whole[:left])
    code, _ = step(step_after, request(address), tmp_path, address, JOB_COMPLETION_INDEX="0")
    assert code == 0
    assert step_after == "finalize" or record.read_bytes() == whole


@pytest.mark.parametrize(
    ("change", "code", "sentence"),
    [
        ({"source": {"files": {"scenes": [{"bands": {"green": "/etc/passwd"}}]}}}, 42, "is a local file"),
        (
            {"source": {"files": {"scenes": [{"bands": {"green": "http://{}/nothing.tif", "swir16": "x"}}]}}},
            42,
            "the server answered 404",
        ),
        (
            {"source": {"files": {"scenes": [{"bands": {"green": "http://{}/busy.tif", "swir16": "x"}}]}}},
            43,
            "the server answered 503",
        ),
        (
            {"source": {"files": {"scenes": [{"bands": {"green": "http://127.0.0.1:1/a.tif", "swir16": "x"}}]}}},
            42,
            "the host 127.0.0.1:1 is not among those",
        ),
        (
            {"source": {"files": {"scenes": [{"item": "http://{}/away/item.json"}]}}},
            42,
            "the host elsewhere.invalid is not among those",
        ),
    ],
)
def test_the_exit_code_of_a_failed_plan_distinguishes_faults_of_the_request_and_temporary_ones(
    served, tmp_path, impatient, change, code, sentence
):
    _, address = served
    requested = json.loads(json.dumps(request(address, **change)).replace("{}", address))
    found, message = step("plan", requested, tmp_path, address)
    assert found == code
    assert sentence in message["message"]


@pytest.mark.parametrize("host", ["127.0.0.1:1", "nobody.invalid"])
def test_an_unreachable_server_is_a_temporary_fault(tmp_path, impatient, host):
    requested = request(host, source={"files": {"scenes": [{"bands": {"green": f"http://{host}/a.tif"}}]}})
    requested["spec"]["product"] = {"bands": ["green"]}
    code, message = step("plan", requested, tmp_path, host)
    assert code == 43
    assert "a.tif could not be fetched" in message["message"] or "nobody.invalid" in message["message"]


def test_reports_the_first_warnings_that_fit_into_a_termination_message(served, tmp_path, monkeypatch):
    _, address = served
    many = [f"warning {number}: " + "ä" * 200 for number in range(40)]
    monkeypatch.setattr(planning, "area_warnings", lambda *_: many)
    code, summary = step("plan", request(address), tmp_path, address)
    assert code == 0
    assert summary["warnings"][:2] == many[:2]
    shown = len(summary["warnings"]) - 1
    assert summary["warnings"][-1] == f"the Item has {40 - shown} more warnings"


@pytest.mark.parametrize("letter", ['"', "\\", "\x00", "ä", "\U0001f30d", "\ud800"])
def test_a_message_of_any_characters_fits_into_a_termination_message(tmp_path, monkeypatch, letter):
    def refuse(*_: object) -> None:
        raise RequestError("this is wrong: " + letter * 4096)

    monkeypatch.setattr("mosaic_worker.pod.plan_step", refuse)
    code, message = step("plan", request("127.0.0.1:1"), tmp_path, "")
    assert code == 42
    assert message["message"].startswith("this is wrong: ")
    assert len(message["message"]) > 600


def test_refuses_the_input_of_another_request(tmp_path):
    written = mounted(request("127.0.0.1:1"), tmp_path)["MOSAIC_INPUT_SHA256"]
    forged = request("127.0.0.1:1", product={"index": "NDWI"})
    code, message = step("plan", forged, tmp_path, "", MOSAIC_INPUT_SHA256=written)
    assert code == 42
    assert "was changed after the operator created it" in message["message"]


def test_refuses_a_mosaic_that_is_too_large_with_the_limit(served, tmp_path):
    _, address = served
    code, message = step("plan", request(address), tmp_path, address, MOSAIC_MAX_PIXELS="1000000")
    assert code == 42
    assert "1,000,000 are allowed" in message["message"]


def test_the_program_ends_with_the_code_and_one_line():
    done = subprocess.run(
        [sys.executable, "-m", "mosaic_worker", "plan"], capture_output=True, text=True, check=False, env={}
    )
    assert done.returncode == 42
    assert done.stderr == '{"message": "the environment variable MOSAIC_STORE is not set; the operator sets it"}\n'


def test_sweep_deletes_work_without_a_request(tmp_path):
    store = tmp_path / "store"
    for uid in ("gone", "living", "young"):
        (store / "work" / uid / "tiles").mkdir(parents=True)
        (store / "work" / uid / "plan.json").write_text("{}")
        (store / "work" / uid / "tiles" / "0.json").write_text("{}")
    long_ago = time.time() - 7200
    for file in [*(store / "work" / "gone").rglob("*.json"), *(store / "work" / "living").rglob("*.json")]:
        os.utime(file, (long_ago, long_ago))
    os.utime(store / "work" / "young" / "plan.json", (long_ago, long_ago))
    (store / "mosaics").mkdir()
    (store / "mosaics" / "result.tif").write_text("kept")
    given = {"living": ["living", "other"], "before": int(time.time()) - 3600}
    code, result = step("sweep", given, tmp_path, "")
    assert (code, result) == (0, {"swept": 1, "evicted": 0})
    assert sorted(path.name for path in (store / "work").iterdir()) == ["living", "young"]
    assert (store / "mosaics" / "result.tif").exists()


def test_files_of_an_interrupted_finalize_stay_and_match_the_item(served, tmp_path):
    _, address = served
    requested = request(address)
    step("plan", requested, tmp_path, address)
    folder = tmp_path / "store" / "mosaics" / "team" / "ndsi" / requested["metadata"]["uid"]
    folder.mkdir(parents=True)
    (folder / "mosaic.png").write_bytes(b"compressed by another processor")
    code, _ = step("finalize", requested, tmp_path, address)
    assert code == 0
    assert (folder / "mosaic.png").read_bytes() == b"compressed by another processor"
    assets = json.loads((folder / "mosaic.json").read_text())["assets"].values()
    assert {asset["href"] for asset in assets} == {"./mosaic.tif", "./mosaic.png", "./thumbnail.png"}
    for asset in assets:
        content = (folder / asset["href"]).read_bytes()
        assert asset["file:size"] == len(content)
        assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()


def test_a_step_that_runs_again_after_the_end_repeats_its_result(served, tmp_path):
    _, address = served
    requested = request(address)
    step("plan", requested, tmp_path, address)
    first = step("finalize", requested, tmp_path, address)
    assert first[0] == 0
    assert step("finalize", requested, tmp_path, address) == first
    assert step("tiles", requested, tmp_path, address, JOB_COMPLETION_INDEX="0") == (
        0,
        {"message": "published already"},
    )


INLINE = {"MOSAIC_INLINE_SECONDS": "20"}


def cog_of(result: dict[str, Any]) -> bytes:
    return Path(result["cog"].removeprefix("file://")).read_bytes()


def in_three_steps(requested: dict[str, Any], tmp_path: Path, address: str) -> dict[str, Any]:
    """The result of a request whose uid is changed."""
    requested["metadata"]["uid"] += "3"
    _, summary = step("plan", requested, tmp_path, address)
    for index in range(summary["ranges"]):
        step("tiles", requested, tmp_path, address, JOB_COMPLETION_INDEX=str(index))
    return step("finalize", requested, tmp_path, address)[1]


def test_the_pod_of_a_plan_publishes_a_small_mosaic(served, tmp_path):
    _, address = served
    code, answer = step("plan", request(address), tmp_path, address, **INLINE)
    assert code == 0
    result = answer.pop("result")
    PlanSummary.model_validate(answer)
    ResultStatus.model_validate(result)
    assert answer["tiles"] == 4
    assert cog_of(result) == cog_of(in_three_steps(request(address), tmp_path, address))
    assert works_left(tmp_path) == []


@pytest.mark.parametrize(
    ("seconds", "limit"), [("0", "max\n"), ("20", f"{100 * 2**20}\n")], ids=["not allowed", "too little memory"]
)
def test_other_pods_make_a_mosaic_that_does_not_fit_into_the_pod_of_the_plan(
    served, tmp_path, monkeypatch, seconds, limit
):
    _, address = served
    (tmp_path / "memory.max").write_text(limit)
    monkeypatch.setattr("mosaic_worker.memory._LIMITS", (tmp_path / "memory.max",))
    code, answer = step("plan", request(address), tmp_path, address, MOSAIC_INLINE_SECONDS=seconds)
    assert code == 0
    PlanSummary.model_validate(answer)


class Killed(BaseException):
    """The pod is killed."""


@pytest.mark.slow
def test_a_pod_that_is_killed_at_any_write_is_continued_by_the_next_one(served, tmp_path, monkeypatch):
    _, address = served
    expected = cog_of(in_three_steps(request(address), tmp_path, address))
    writes, killed_at = 0, 0

    def counted(function: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal writes
            writes += 1
            if writes == killed_at:
                raise Killed
            return function(*arguments, **named)

        return call

    for name in ("create", "delete"):
        monkeypatch.setattr(DirectoryStore, name, counted(getattr(DirectoryStore, name)))
    without_plan = 0
    for number in range(1, 100):
        requested = request(address)
        requested["metadata"]["uid"] += f"-{number}"
        writes, killed_at = 0, number
        with suppress(Killed):
            step("plan", requested, tmp_path, address, **INLINE)
            break
        killed_at = 0
        code, answer = step("plan", requested, tmp_path, address, **INLINE)
        assert code == 0
        assert cog_of(answer.pop("result")) == expected
        without_plan += not answer
        assert works_left(tmp_path) == []
    assert number > 15
    assert without_plan  # its pod was killed between the deletion of its plan and its report


def works_left(folder: Path) -> list[Path]:
    """The work folders in the store."""
    return list((folder / "store").glob("work/*"))
