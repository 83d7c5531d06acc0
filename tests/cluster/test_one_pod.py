"""Small mosaics: the pod that plans them also computes and publishes them, whatever happens on the way."""

import os
import signal

import pytest

from support.cluster.cluster import Cluster, Release, until
from support.cluster.node import kill_worker, stop_when
from support.cluster.storage import volume_of

INLINE = {"worker": {"inlineSeconds": 20}}


@pytest.fixture(scope="session")
def small(install) -> Release:
    return install("small", INLINE)


@pytest.fixture
def here(cluster: Cluster) -> None:
    if not cluster.lab:
        pytest.skip("faults are made on the node, which is this machine only in the lab")


@pytest.fixture
def holding(small: Release, scenes):
    """Starts a request of two scenes, and waits until its pod reads the second one."""

    def start(name: str, **execution):
        spec = scenes.spec(2, name)
        held = scenes.path(1, name)
        scenes.gate.hold(held, first=0)
        uid = small.submit(name, spec | {"execution": execution})
        scenes.gate.wait_for_reader(held)
        return spec, held, uid

    return start


def steps_of(release: Release, name: str) -> list[str]:
    """The steps that have a Job."""
    return sorted(release.jobs(name))


def active_pods(release: Release, name: str) -> list[str]:
    """The pods of a request that have not ended."""
    active = {"Pending", "Running"}
    return [pod["metadata"]["name"] for pod in release.pods(name) if pod["status"]["phase"] in active]


def test_one_pod_publishes_a_small_mosaic(small: Release, scenes, assert_whole):
    spec = scenes.spec(3)
    small.submit("small", spec)
    assert_whole(small, "small", spec)
    assert steps_of(small, "small") == ["plan"]
    status = small.status("small")
    assert status["plan"]["ranges"] >= 1
    assert status["progress"]["percent"] == 100
    assert {c["type"]: c["status"] for c in status["conditions"]}["Ready"] == "True"
    until(lambda: "completionTime" in small.jobs("small")["plan"]["status"], "its Job is complete")
    assert len(small.pods("small")) == 1


def test_other_pods_make_a_larger_one(install, scenes, assert_whole):
    least = install("least", {"worker": {"inlineSeconds": 20, "resources": {"plan": {"limits": {"memory": "128Mi"}}}}})
    spec = scenes.spec(2)
    least.submit("larger", spec)
    assert_whole(least, "larger", spec)
    assert steps_of(least, "larger") == ["finalize", "plan", "tiles"]


def test_survives_a_kill_while_it_plans(here, small: Release, scenes, holding, assert_whole):
    spec, held, uid = holding("killed")
    kill_worker(uid, "plan")
    scenes.gate.release(held)
    assert_whole(small, "killed", spec)
    assert steps_of(small, "killed") == ["plan"]


@pytest.mark.parametrize("file", ["plan.json", "mosaic.tif", "mosaic.json"])
def test_survives_a_kill_after_it_wrote(here, small: Release, scenes, assert_whole, file):
    name = f"killed-{file.replace('.', '-')}"
    spec = scenes.spec(2, name)
    uid = small.submit(name, spec)
    work, results = volume_of(small) / "work" / uid, volume_of(small) / "mosaics" / small.namespace / name / uid
    process = stop_when(uid, "plan", (work if file == "plan.json" else results) / file)
    os.kill(process, signal.SIGKILL)
    assert_whole(small, name, spec)
    assert steps_of(small, name) == ["plan"]
    assert small.jobs(name)["plan"]["status"]["failed"] == 1


def test_suspends_and_resumes(small: Release, scenes, holding, assert_whole):
    spec, held, _ = holding("suspended")
    small.execute("suspended", suspend=True)
    small.wait_for("suspended", "Suspended")
    until(lambda: not active_pods(small, "suspended"), "its pod has gone")
    scenes.gate.release(held)
    small.execute("suspended", suspend=False)
    assert_whole(small, "suspended", spec)


def test_cancels(small: Release, holding):
    holding("cancelled")
    small.execute("cancelled", cancel=True)
    small.wait_for("cancelled", "Cancelled")
    until(lambda: not active_pods(small, "cancelled"), "its pod has gone")


def test_ends_at_its_deadline(small: Release, holding):
    holding("late", deadline="10s")
    status = small.wait_for("late", "Failed")
    assert "Not finished within 10s" in status["message"]
    until(lambda: not active_pods(small, "late"), "its pod has gone")


def test_finishes_while_the_operator_is_away(install, scenes, assert_whole):
    release = install("away", INLINE)
    spec = scenes.spec(1, "alone")
    held = scenes.path(0, "alone")
    scenes.gate.hold(held, first=0)
    release.submit("alone", spec)
    scenes.gate.wait_for_reader(held)
    release.scale(0)
    scenes.gate.release(held)
    until(lambda: "completionTime" in release.jobs("alone")["plan"]["status"], "its Job is complete")
    release.scale(1)
    assert_whole(release, "alone", spec)
    assert steps_of(release, "alone") == ["plan"]
