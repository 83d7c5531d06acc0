"""Requests that are suspended, cancelled and deleted in every phase: their pods stop, and a sweep removes the rest."""

import pytest

from support.cluster.cluster import Release, until

PHASES = ["Planning", "Running", "Finalizing"]


@pytest.fixture
def start_in_phase(shared: Release, scenes):
    """A function that starts a request of two ranges, holds the second until it is released, and waits for a phase."""

    def start(name: str, phase: str):
        spec = scenes.spec(2, name)
        held = scenes.path(1, name)
        if phase != "Finalizing":
            scenes.gate.hold(held, first=0 if phase == "Planning" else 1)
        uid = shared.submit(name, spec)
        shared.wait_for(name, phase)
        return spec, held, uid

    return start


@pytest.mark.parametrize("phase", PHASES)
def test_suspends_and_resumes(shared: Release, scenes, start_in_phase, assert_whole, phase):
    name = f"suspended-{phase.lower()}"
    spec, held, _ = start_in_phase(name, phase)
    shared.execute(name, suspend=True)
    status = shared.wait_for(name, "Suspended")
    assert status["message"].endswith("set execution.suspend to false to resume")
    until(
        lambda: not [p for p in shared.pods(name) if p["status"]["phase"] in {"Pending", "Running"}], "pods have gone"
    )
    scenes.gate.release(held)
    shared.execute(name, suspend=False)
    assert_whole(shared, name, spec)


@pytest.mark.parametrize("phase", PHASES)
def test_cancels(shared: Release, scenes, start_in_phase, phase):
    name = f"cancelled-{phase.lower()}"
    start_in_phase(name, phase)
    shared.execute(name, cancel=True)
    shared.wait_for(name, "Cancelled")
    until(
        lambda: not [p for p in shared.pods(name) if p["status"]["phase"] in {"Pending", "Running"}], "pods have gone"
    )
    assert all("conditions" in job["status"] for job in shared.jobs(name).values())
    refused = shared.kubectl(
        "patch", "mosaic", name, "--type=merge", '--patch={"spec":{"execution":{"cancel":false}}}', check=False
    )
    assert "this cannot be undone" in refused


@pytest.mark.parametrize("phase", ["Pending", *PHASES])
def test_deletes(shared: Release, scenes, start_in_phase, phase):
    name = f"gone-{phase.lower()}"
    if phase == "Pending":
        shared.submit(name, scenes.spec(2) | {"execution": {"suspend": True}})
        shared.wait_for(name, "Suspended")
    else:
        start_in_phase(name, phase)
    shared.delete(name)


def test_a_sweep_deletes_the_files_of_cancelled_and_deleted_requests(install, scenes, assert_whole):
    release = install("swept")
    uids = {}
    for name in ("cancelled", "deleted", "alive"):
        scenes.gate.hold(scenes.path(1, f"swept-{name}"))
        uids[name] = release.submit(name, scenes.spec(2, f"swept-{name}"))
    for name in uids:
        scenes.gate.wait_for_reader(scenes.path(1, f"swept-{name}"), readers=2)
    release.execute("cancelled", cancel=True)
    release.wait_for("cancelled", "Cancelled")
    release.scale(0)
    release.kubectl("delete", "mosaic", "deleted", "--wait=true", "--timeout=60s")
    until(lambda: not release.pods("deleted") and not release.pods("cancelled", "tiles"), "their pods have gone")
    assert release.files(f"work/{uids['deleted']}")
    release.sweep()
    until(lambda: not release.files(f"work/{uids['deleted']}"), "the deleted one's work is swept")
    assert release.files(f"work/{uids['cancelled']}") == {}
    assert release.files(f"work/{uids['alive']}")
    scenes.gate.release_all()
    assert_whole(release, "alive", scenes.spec(2, "swept-alive"))
