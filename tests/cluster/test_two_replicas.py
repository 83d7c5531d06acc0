"""Two replicas: one is active, and the other takes over after its end; nothing is done twice."""

import os
import signal
from collections import Counter

import pytest
from mosaic_crds.names import LABEL_FINISHED

from support.cluster.cluster import Cluster, Release, until
from support.cluster.node import operator_process, stop_when
from support.cluster.storage import volume_of

LOST_SECONDS = 25
"""Limit for taking over an expired Lease: its 15 s, an attempt every 2 s, and a busy machine."""
ORDERLY_SECONDS = 10


@pytest.fixture(scope="module")
def pair(install, cluster: Cluster) -> Release:
    """A release of two replicas; three requests may run at the same time."""
    if not cluster.lab:
        pytest.skip("operators are killed on their node, which is this machine only in the lab")
    release = install("pair", values={"replicas": 2, "limits": {"maxRunningPerNamespace": 3}})
    until(lambda: holder(release), "one of them holds the Lease")
    return release


def holder(release: Release) -> str:
    """The pod that the Lease names."""
    return str(release.get("lease", "mosaic-operator")["spec"].get("holderIdentity") or "")


def other_takes_over(release: Release, former: str, seconds: float) -> str:
    """Wait until another pod holds the Lease; return its name."""
    return until(lambda: holder(release) not in {"", former} and holder(release), "the other took over", seconds)


def assert_done_once(release: Release, name: str) -> None:
    """Assert that each Job was created once, each range computed by one pod, and each Event sent once."""
    jobs = release.jobs(name)
    assert set(jobs) == {"plan", "tiles", "finalize"}
    for step, job in jobs.items():
        assert job["status"].get("failed", 0) == 0
        assert len(release.pods(name, step)) == job["spec"]["completions"]
    uid = release.get("mosaic", name)["metadata"]["uid"]
    events = Counter(e["reason"] for e in release.get("events", f"--field-selector=involvedObject.uid={uid}")["items"])
    assert set(events.values()) == {1}, events


def test_the_other_takes_over_when_the_active_one_is_killed_in_every_phase(pair: Release, scenes, assert_whole):
    specs = {name: scenes.spec(2, f"pair-{name}") for name in ("finalizing", "running", "planning", "pending")}
    uid = pair.submit("finalizing", specs["finalizing"])
    results = volume_of(pair) / "mosaics" / pair.namespace / "finalizing" / uid
    finalize = stop_when(uid, "finalize", results / "mosaic.tif")
    for name, first in (("running", 1), ("planning", 0)):
        held = scenes.path(1, f"pair-{name}")
        scenes.gate.hold(held, first)
        pair.submit(name, specs[name])
        scenes.gate.wait_for_reader(held, readers=first + 1)
    pair.submit("pending", specs["pending"])
    for name in specs:
        pair.wait_for(name, name.capitalize())
    before = {name: {step: job["metadata"]["uid"] for step, job in pair.jobs(name).items()} for name in specs}

    former = holder(pair)
    os.kill(operator_process(former), signal.SIGKILL)
    pair.kubectl("delete", "pod", former, "--grace-period=0", "--force", "--wait=false")
    other_takes_over(pair, former, LOST_SECONDS)
    os.kill(finalize, signal.SIGCONT)
    scenes.gate.release_all()
    for name, spec in specs.items():
        assert_whole(pair, name, spec)
        assert_done_once(pair, name)
        after = {step: job["metadata"]["uid"] for step, job in pair.jobs(name).items()}
        assert before[name].items() <= after.items()


def test_a_graceful_shutdown_hands_over_within_seconds(pair: Release, scenes, assert_whole):
    spec = scenes.spec(2, "pair-orderly")
    held = scenes.path(1, "pair-orderly")
    scenes.gate.hold(held)
    pair.submit("orderly", spec)
    scenes.gate.wait_for_reader(held, readers=2)
    former = holder(pair)
    pair.kubectl("delete", "pod", former, "--wait=false")
    other_takes_over(pair, former, ORDERLY_SECONDS)
    scenes.gate.release(held)
    assert_whole(pair, "orderly", spec)
    assert_done_once(pair, "orderly")


def test_a_frozen_operator_changes_nothing_after_the_other_took_over(pair: Release, scenes, assert_whole):
    spec = scenes.spec(2, "pair-frozen")
    held = scenes.path(1, "pair-frozen")
    scenes.gate.hold(held)
    pair.submit("frozen", spec)
    scenes.gate.wait_for_reader(held, readers=2)
    former = holder(pair)
    restarts = restarts_of(pair, former)
    frozen = operator_process(former)
    os.kill(frozen, signal.SIGSTOP)  # the kubelet would kill it after a minute
    try:
        scenes.gate.release(held)
        taken_by = other_takes_over(pair, former, LOST_SECONDS)
        pair.wait_for("frozen", "Succeeded")
        until(lambda: LABEL_FINISHED in pair.get("mosaic", "frozen")["metadata"].get("labels", {}), "it has its label")
        version = pair.get("mosaic", "frozen")["metadata"]["resourceVersion"]
    finally:
        os.kill(frozen, signal.SIGCONT)
    until(lambda: restarts_of(pair, former) > restarts, "it ended because it lost the Lease")
    assert holder(pair) == taken_by
    assert pair.get("mosaic", "frozen")["metadata"]["resourceVersion"] == version
    assert_whole(pair, "frozen", spec)
    assert_done_once(pair, "frozen")


def restarts_of(release: Release, pod: str) -> int:
    """The number of restarts of a pod's container."""
    return int(release.get("pod", pod)["status"]["containerStatuses"][0]["restartCount"])
