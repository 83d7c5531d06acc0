"""Requests applied with kubectl become mosaics."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support.cluster.cluster import ROOT, Release, until

MOSAIC = Path(sys.executable).parent / "mosaic"
SAMPLES = sorted((ROOT / "crds" / "samples").glob("*.yaml"))
ELSEWHERE = {"ndvi-british-columbia", "sentinel-2-product"}
"""Samples whose scenes are in a public archive, or on the disk of who runs `mosaic run`."""


def test_the_mosaic_equals_that_of_mosaic_run_byte_for_byte(shared: Release, scenes, assert_whole):
    spec = scenes.spec()
    shared.submit("plain", spec)
    assert_whole(shared, "plain", spec)
    status = shared.status("plain")
    assert status["plan"]["ranges"] == 4
    assert status["progress"] == {"rangesDone": 4, "rangesTotal": 4, "percent": 100}
    assert {c["type"]: c["status"] for c in status["conditions"]} == {
        "Ready": "True", "Accepted": "True", "Planned": "True", "TilesReady": "True", "Published": "True",
        "Degraded": "False", "Stalled": "False",
    }  # fmt: skip
    jobs = shared.jobs("plain")
    assert {job["spec"]["ttlSecondsAfterFinished"] for job in jobs.values()} == {86400}
    events = shared.get("events", "--field-selector=involvedObject.name=plain")["items"]
    assert {e["reason"] for e in events} >= {"Planning", "Running", "Finalizing", "Succeeded"}


def test_requests_of_the_same_area_compute_its_tiles_once(shared: Release, scenes, assert_whole):
    spec = scenes.spec(2, "same")
    for number in range(2):
        scenes.path(number, "same")
    shared.submit("first", spec)
    shared.wait_for("first", "Succeeded", "Failed")
    for name in ("second", "third"):
        shared.submit(name, spec | {"execution": {"parallelism": 1}})
    for name in ("first", "second", "third"):
        assert_whole(shared, name, spec)
    assert not any("other requests" in note for note in shared.status("first")["result"].get("notes", ()))
    for name in ("second", "third"):
        assert "2 of 2 tiles had been computed for other requests" in shared.status(name)["result"]["notes"]


def test_a_request_applied_again_with_the_same_name_is_another_request(shared: Release, scenes, assert_whole):
    spec = scenes.spec(1)
    first = shared.submit("again", spec)
    shared.wait_for("again", "Running", "Finalizing", "Succeeded")
    shared.kubectl("delete", "mosaic", "again", "--wait=false")
    shared.kubectl("wait", "--for=delete", "mosaic/again", "--timeout=60s")
    assert shared.submit("again", spec) != first
    assert_whole(shared, "again", spec)


def test_changes_parallelism_while_ranges_are_computed(shared: Release, scenes, assert_whole):
    spec = scenes.spec(prefix="parallel")
    for number in range(4):
        scenes.path(number, "parallel")
    shared.submit("parallel", spec | {"execution": {"parallelism": 1}})
    shared.wait_for("parallel", "Running")
    shared.execute("parallel", parallelism=3)
    until(lambda: shared.jobs("parallel")["tiles"]["spec"]["parallelism"] == 3, "parallelism is 3")
    assert_whole(shared, "parallel", spec)


@pytest.mark.parametrize("sample", [path for path in SAMPLES if path.stem not in ELSEWHERE], ids=lambda path: path.stem)
def test_the_samples_work(shared: Release, scenes, assert_whole, sample):
    folder = scenes.folder / "samples" / "scenes"
    if not folder.exists():
        command = [MOSAIC, "sample-scene", folder, "--count", "3", "--side", "1024"]
        subprocess.run(command, check=True, capture_output=True)
    text = sample.read_text().replace("scenes/S2_", f"http://{scenes.address}/samples/scenes/S2_")
    document = yaml.safe_load(text)
    name = document["metadata"]["name"]
    shared.submit(name, document["spec"])
    assert_whole(shared, name, document["spec"])


def test_refuses_the_sample_of_a_downloaded_product_with_advice(shared: Release, scenes):
    sample = (ROOT / "crds" / "samples" / "sentinel-2-product.yaml").read_text()
    document = yaml.safe_load(sample.replace("scenes/S2_", f"http://{scenes.address}/S2_"))
    shared.submit("product", document["spec"])
    status = shared.wait_for("product", "Failed", "Succeeded")
    assert status["message"] == (
        "spec.source.files.scenes[0].safe: SAFE products are only read from a local disk; download "
        f"http://{scenes.address}/S2_SYNTHETIC_1.SAFE.zip, list its files in bands, or use its STAC Item"
    )
