"""Small mosaics: the pod that plans them also computes and publishes them, whatever happens on the way."""

import os
import signal
from collections.abc import Callable

import pytest

from support.cluster.cluster import Cluster, Release, until
from support.cluster.node import kill_worker, stop_when, take_memory
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
def holding(here, small: Release, scenes):
    """Starts a request of two scenes, and stops its pod while it plans, or computes.

    Returns its specification and uid, and a function that lets the pod continue.
    """

    def start(name: str, work: str, **execution):
        spec = scenes.spec(2, name)
        held = scenes.path(1, name)
        if work == "plans":
            scenes.gate.hold(held, first=0)
        uid = small.submit(name, spec | {"execution": execution})
        if work == "plans":
            scenes.gate.wait_for_reader(held)
            return spec, uid, lambda: scenes.gate.release(held)
        process = stop_when(uid, "plan", volume_of(small) / "work" / uid / "plan.json")
        return spec, uid, lambda: os.kill(process, signal.SIGCONT)

    return start


@pytest.fixture(params=["plans", "computes"])
def work(request) -> str:
    """What a pod does when something happens to it."""
    return request.param


def steps_of(release: Release, name: str) -> list[str]:
    """The steps that have a Job."""
    return sorted(release.jobs(name))


def active_pods(release: Release, name: str) -> list[str]:
    """The pods of a request that have not ended."""
    active = {"Pending", "Running"}
    return [pod["metadata"]["name"] for pod in release.pods(name) if pod["status"]["phase"] in active]


def wait_until_gone(release: Release, name: str, work: str, go_on: Callable[[], None]) -> None:
    """Wait until the pods of a request have ended. A stopped process must go on to end."""
    if work == "computes":
        go_on()
    until(lambda: not active_pods(release, name), "its pod has gone")


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


def test_survives_a_kill(small: Release, holding, assert_whole, work):
    name = f"killed-while-it-{work}"
    spec, uid, go_on = holding(name, work)
    kill_worker(uid, "plan")
    if work == "plans":
        go_on()
    assert_whole(small, name, spec)
    assert steps_of(small, name) == ["plan"]
    assert small.jobs(name)["plan"]["status"]["failed"] == 1


def test_gets_twice_the_memory_after_it_ran_out(small: Release, holding, assert_whole, work):
    name = f"short-while-it-{work}"
    spec, uid, go_on = holding(name, work)
    take_memory(uid, "plan")
    go_on()
    assert_whole(small, name, spec)
    assert steps_of(small, name) == ["plan"]
    assert small.status(name)["workerMemory"] == "1024Mi"


@pytest.mark.parametrize("file", ["mosaic.tif", "mosaic.json"])
def test_survives_a_kill_after_it_wrote(here, small: Release, scenes, assert_whole, file):
    name = f"killed-{file.replace('.', '-')}"
    spec = scenes.spec(2, name)
    uid = small.submit(name, spec)
    process = stop_when(uid, "plan", volume_of(small) / "mosaics" / small.namespace / name / uid / file)
    os.kill(process, signal.SIGKILL)
    assert_whole(small, name, spec)
    assert steps_of(small, name) == ["plan"]
    assert small.jobs(name)["plan"]["status"]["failed"] == 1


def test_suspends_and_resumes(small: Release, holding, assert_whole, work):
    name = f"suspended-while-it-{work}"
    spec, _, go_on = holding(name, work)
    small.execute(name, suspend=True)
    small.wait_for(name, "Suspended")
    wait_until_gone(small, name, work, go_on)
    if work == "plans":
        go_on()
    small.execute(name, suspend=False)
    assert_whole(small, name, spec)


def test_cancels(small: Release, holding, work):
    name = f"cancelled-while-it-{work}"
    _, _, go_on = holding(name, work)
    small.execute(name, cancel=True)
    small.wait_for(name, "Cancelled")
    wait_until_gone(small, name, work, go_on)


def test_ends_at_its_deadline(small: Release, holding, work):
    name = f"late-while-it-{work}"
    _, _, go_on = holding(name, work, deadline="10s")
    status = small.wait_for(name, "Failed")
    assert "Not finished within 10s" in status["message"]
    wait_until_gone(small, name, work, go_on)


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
