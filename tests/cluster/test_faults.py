"""Faults: nothing is lost, nothing is done twice, and the bytes are the same."""

import os
import signal
import time

import pytest

from support.cluster.cluster import Cluster, Release, until
from support.cluster.node import kill_worker, stop_when
from support.cluster.storage import volume_of


@pytest.fixture(autouse=True)
def _only_here(cluster: Cluster) -> None:
    if not cluster.lab:
        pytest.skip("faults are made on the node, which is this machine only in the lab")


@pytest.fixture
def halfway(shared: Release, scenes):
    """Starts a request of three ranges and waits until the pod of the middle one reads its scene."""

    def start(name: str, release: Release = shared, first: int = 1, last: int = 1000, **execution):
        spec = scenes.spec(3, name)
        held = scenes.path(1, name)
        scenes.gate.hold(held, first, last)
        uid = release.submit(name, spec | {"execution": execution})
        scenes.gate.wait_for_reader(held, readers=first + 1)
        return spec, held, uid

    return start


def failures_of(release: Release, name: str, index: int) -> int:
    """The number of failed pods of a range."""
    return sum(pod["status"]["phase"] == "Failed" for pod in release.pods(name, "tiles", index))


def test_survives_a_worker_killed_during_a_tile(shared: Release, scenes, halfway, assert_whole):
    spec, _, uid = halfway("killed", last=1)
    kill_worker(uid, "tiles", 1)
    assert_whole(shared, "killed", spec)
    assert shared.jobs("killed")["tiles"]["status"]["failed"] == 1


def test_survives_a_pod_deleted_during_a_tile(shared: Release, scenes, halfway, assert_whole):
    spec, _, _ = halfway("deleted", last=1)
    (pod,) = shared.pods("deleted", "tiles", 1)
    shared.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false")
    assert_whole(shared, "deleted", spec)


def test_retries_a_hanging_range_and_fails_with_advice_if_it_hangs_again(
    shared: Release, scenes, halfway, assert_whole
):
    halfway("stuck", rangeDeadline="40s", retriesPerRange=0)
    spec, _, _ = halfway("hangs", last=1, rangeDeadline="40s")  # both wait for their deadlines at the same time
    messages = until(
        lambda: [m for m in [shared.status("hangs").get("message", "")] if "retrying" in m],
        "the message names the retry",
    )
    assert "range 1 timed out; raise execution.rangeDeadline" in messages[0]
    assert_whole(shared, "hangs", spec)
    status = shared.wait_for("stuck", "Failed")
    assert status["message"].startswith("range 1 timed out; raise execution.rangeDeadline")


def test_out_of_memory_names_the_limit_to_raise(install, scenes):
    limits = {"tiles": {"limits": {"memory": "72Mi"}}}
    tight = install("tight", values={"worker": {"maxMemory": "0", "resources": limits}})
    tight.submit("greedy", scenes.spec(1) | {"execution": {"retriesPerRange": 0}})
    status = tight.wait_for("greedy", "Failed", "Succeeded")
    assert status["message"] == (
        "range 0 ran out of memory (72Mi); raise worker.resources.tiles.limits.memory of the chart"
    )
    assert {c["type"]: c.get("reason") for c in status["conditions"]}["TilesReady"] == "OutOfMemory"


def test_runs_once_more_with_twice_the_memory(install, scenes, assert_whole):
    limits = {"tiles": {"limits": {"memory": "72Mi"}}}
    grown = install("grown", values={"worker": {"maxMemory": "1Gi", "resources": limits}})
    spec = scenes.spec(1)
    grown.submit("greedy", spec)
    assert_whole(grown, "greedy", spec)
    assert grown.status("greedy")["workerMemory"] == "144Mi"


def test_a_permanent_error_in_one_range_fails_the_request_without_retries(shared: Release, scenes):
    folder = scenes.folder / "broken"
    folder.mkdir()
    for number in range(4):
        (folder / f"scene{number}.tif").symlink_to(scenes.folder / f"scene{number}.tif")
    gone, working = scenes.path(1, "broken"), scenes.path(3, "broken")
    scenes.gate.hold(gone)
    scenes.gate.hold(working)
    shared.submit("broken", scenes.spec(prefix="broken"))
    scenes.gate.wait_for_reader(gone, readers=2)
    scenes.gate.wait_for_reader(working, readers=2)
    (folder / "scene1.tif").unlink()
    scenes.gate.release(gone)
    status = shared.wait_for("broken", "Failed", "Succeeded")
    assert status["message"].endswith(f"the server answered 404 for http://{scenes.address}/broken/scene1.tif")
    assert failures_of(shared, "broken", 1) == 1
    until(lambda: not [p for p in shared.pods("broken") if p["status"]["phase"] == "Running"], "the others are stopped")


def test_survives_a_plan_killed_before_it_writes(shared: Release, scenes, assert_whole):
    spec = scenes.spec(2, "planless")
    held = scenes.path(1, "planless")
    scenes.gate.hold(held, first=0, last=0)
    uid = shared.submit("planless", spec)
    scenes.gate.wait_for_reader(held)
    kill_worker(uid, "plan")
    assert_whole(shared, "planless", spec)
    assert shared.jobs("planless")["plan"]["status"]["failed"] == 1


def test_survives_a_finalize_killed_before_the_item(shared: Release, scenes, assert_whole):
    spec = scenes.spec(2, "itemless")
    uid = shared.submit("itemless", spec)
    results = volume_of(shared) / "mosaics" / shared.namespace / "itemless" / uid
    process = stop_when(uid, "finalize", results / "mosaic.tif")
    assert not (results / "mosaic.json").exists()
    os.kill(process, signal.SIGKILL)
    assert_whole(shared, "itemless", spec)
    assert shared.jobs("itemless")["finalize"]["status"]["failed"] == 1


def test_survives_a_finalize_killed_after_the_item_and_before_its_message(shared: Release, scenes, assert_whole):
    spec = scenes.spec(2, "wordless")
    uid = shared.submit("wordless", spec)
    results = volume_of(shared) / "mosaics" / shared.namespace / "wordless" / uid
    process = stop_when(uid, "finalize", results / "mosaic.json")
    published = (results / "mosaic.json").read_bytes()
    os.kill(process, signal.SIGKILL)
    assert_whole(shared, "wordless", spec)
    assert (results / "mosaic.json").read_bytes() == published


def test_recreates_a_deleted_job(shared: Release, scenes, halfway, assert_whole):
    spec, held, _ = halfway("jobless")
    first = shared.jobs("jobless")["tiles"]["metadata"]["uid"]
    shared.kubectl("delete", "job", "jobless-tiles", "--wait=false")
    until(
        lambda: shared.jobs("jobless").get("tiles", {"metadata": {"uid": first}})["metadata"]["uid"] != first, "another"
    )
    scenes.gate.release(held)
    assert_whole(shared, "jobless", spec)


def test_processes_twelve_concurrent_requests(shared: Release, scenes, assert_whole):
    spec = scenes.spec(1)
    names = [f"crowd-{number}" for number in range(12)]
    for name in names:
        shared.submit(name, spec)
    seen_waiting = False
    deadline = time.monotonic() + 400
    while True:
        found = shared.get("mosaics")["items"]
        phases = {m["metadata"]["name"]: m.get("status", {}).get("phase") for m in found}
        working = [n for n, phase in phases.items() if phase in {"Planning", "Running", "Finalizing"}]
        assert len(working) <= 8
        waiting = [m["status"]["message"] for m in found if phases[m["metadata"]["name"]] == "Pending"]
        seen_waiting |= any("only 8 per namespace may run at once" in message for message in waiting)
        if all(phases[name] in {"Succeeded", "Failed"} for name in names):
            break
        assert time.monotonic() < deadline, phases
        time.sleep(1)
    assert seen_waiting
    for name in names[:: len(names) // 4]:
        assert_whole(shared, name, spec)
    assert {phases[name] for name in names} == {"Succeeded"}
