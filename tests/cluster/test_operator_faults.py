"""The operator is killed or stopped at the worst moments: nothing is lost, nothing is done twice."""

import pytest

from support.cluster.cluster import Cluster, Document, Release, until


@pytest.fixture(scope="module")
def release(install) -> Release:
    """A release whose operator tests may kill."""
    return install("own")


@pytest.mark.parametrize("phase", ["Planning", "Running", "Finalizing"])
def test_survives_an_operator_killed_in_every_phase(release: Release, scenes, phase, assert_whole):
    name = f"operator-{phase.lower()}"
    spec = scenes.spec(2, name)
    held = scenes.path(1, name)
    if phase != "Finalizing":
        scenes.gate.hold(held, first=0 if phase == "Planning" else 1)
    release.submit(name, spec)
    release.wait_for(name, phase)
    release.kill_operator()
    scenes.gate.release(held)
    assert_whole(release, name, spec)
    assert {step: job["metadata"]["name"] for step, job in release.jobs(name).items()} == {
        step: f"{name}-{step}" for step in ("plan", "tiles", "finalize")
    }


def test_survives_the_absence_of_the_operator_during_all_tiles(release: Release, scenes, assert_whole):
    spec = scenes.spec(2, "absent")
    held = scenes.path(1, "absent")
    scenes.gate.hold(held)
    release.submit("absent", spec)
    scenes.gate.wait_for_reader(held, readers=2)
    release.scale(0)
    scenes.gate.release(held)
    until(lambda: release.jobs("absent")["tiles"]["status"].get("succeeded") == 2, "all ranges are done")
    assert release.status("absent")["phase"] == "Running"
    release.scale(1)
    assert_whole(release, "absent", spec)


def test_recovers_from_a_plan_pod_deleted_before_its_message_was_read(release: Release, scenes, assert_whole):
    spec = scenes.spec(2, "unread")
    held = scenes.path(1, "unread")
    scenes.gate.hold(held, first=0, last=0)
    uid = release.submit("unread", spec)
    scenes.gate.wait_for_reader(held)
    release.scale(0)
    scenes.gate.release(held)
    until(lambda: release.jobs("unread")["plan"]["status"].get("succeeded"), "the plan is made")
    first = release.jobs("unread")["plan"]["metadata"]["uid"]
    plan = release.read(f"/store/work/{uid}/plan.json")
    for pod in release.pods("unread", "plan"):
        release.kubectl("delete", "pod", pod["metadata"]["name"])
    scenes.gate.hold(held, first=3)
    release.scale(1)
    release.wait_for("unread", "Running")
    assert release.jobs("unread")["plan"]["metadata"]["uid"] != first
    assert release.read(f"/store/work/{uid}/plan.json") == plan
    scenes.gate.release(held)
    assert_whole(release, "unread", spec)


def test_a_running_request_keeps_its_image_and_bytes_during_an_upgrade(
    cluster: Cluster, release: Release, scenes, assert_whole
):
    """The last test of this module, because new requests have the other image afterwards."""
    if not cluster.lab:
        pytest.skip("this cluster has one worker image; the lab makes another")
    cluster.lab_command("variant", "next")
    spec = scenes.spec(2, "upgraded")
    held = scenes.path(1, "upgraded")
    scenes.gate.hold(held)
    release.submit("upgraded", spec)
    until(lambda: release.status("upgraded").get("progress", {}).get("rangesDone"), "one of two ranges is done")
    release.upgrade({"worker": {"image": {"tag": "next"}}})
    scenes.gate.release(held)
    assert_whole(release, "upgraded", spec)
    old = f"{cluster.registry}mosaic-worker:{cluster.tag}"
    assert release.status("upgraded")["workerImage"] == old
    pods = {step: image_of(pod) for step in ("plan", "tiles", "finalize") for pod in release.pods("upgraded", step)}
    assert pods == {"plan": old, "tiles": old, "finalize": old}

    release.submit("newer", scenes.spec(1, "newer"))
    (pod,) = until(lambda: release.pods("newer", "plan"), "its planning is started")
    assert image_of(pod) == f"{cluster.registry}mosaic-worker:next"
    release.delete("newer")


def image_of(pod: Document) -> str:
    (container,) = pod["spec"]["containers"]
    return str(container["image"])
