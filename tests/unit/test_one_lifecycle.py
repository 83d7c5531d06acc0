"""The same events cause the same phases, conditions and messages in a cluster and on one machine."""

from datetime import timedelta
from typing import Any, Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mosaic_api.executor.status import ExecutorStatus
from mosaic_crds.lifecycle import (
    CRASHED,
    REFUSED,
    TERMINAL,
    TRANSITIONS,
    Condition,
    Phase,
    Trouble,
    conditions_of,
    messages,
)
from mosaic_crds.request import MosaicRequest
from mosaic_crds.worker_pod import Step

from support.operator.operator_world import PLAN, RESULT, START, World, ended, pod_of, request

DEADLINE = "1h"
TILES = 3
SUMMARY = PLAN | {"tiles": TILES, "ranges": TILES, "warnings": ["skipped 1 scene outside the area"]}
NOTED = RESULT | {"notes": ["6 values do not fit"]}
ANSWERS = {Step.PLAN: SUMMARY, Step.TILES: None, Step.FINALIZE: NOTED}
EVENTS = (
    "start", "plan", "tile", "fault", "refusal", "suspend", "resume", "cancel", "deadline", "tiles", "publish",
)  # fmt: skip
CAUSE = "the server is busy"


class Environment(Protocol):
    """An environment in which a request runs."""

    @property
    def status(self) -> dict[str, Any]: ...

    def happen(self, event: str) -> None:
        """Process an event; ignore it if it cannot occur in the current phase."""


class InCluster:
    """The operator's decisions about a request whose ranges have one tile each."""

    def __init__(self) -> None:
        self.world = World(request(deadline=DEADLINE))
        self.suspended = False

    @property
    def status(self) -> dict[str, Any]:
        return self.world.status

    def happen(self, event: str) -> None:
        world, execution = self.world, self.world.request["spec"]["execution"]
        step = {"Planning": Step.PLAN, "Running": Step.TILES, "Finalizing": Step.FINALIZE}.get(phase_of(self))
        match event:
            case "fault" if step is not None:
                pod = pod_of(world.jobs[step], 0, **ended(43, {"message": CAUSE}))
                world.pods.append(pod)
                world.step()
                world.pods.remove(pod)
                return
            case "refusal" if step is not None:
                world.fail(step, pod_of(world.jobs[step], **ended(42, {"message": CAUSE})))
            case "plan" if step is Step.PLAN:
                world.complete(step, ANSWERS[step])
            case "tile" if step is Step.TILES:
                done = world.jobs[step]["status"]
                done["succeeded"] = min(done.get("succeeded", 0) + 1, TILES - 1)
            case "tiles" if step is Step.TILES:
                world.complete(step)
            case "publish" if step is Step.FINALIZE:
                world.complete(step, ANSWERS[step])
            case "suspend" | "resume":
                execution["suspend"] = event == "suspend"
            case "cancel":
                execution["cancel"] = True
            case "deadline":
                world.later(hours=2)
        world.step()


class OnOneMachine:
    """The status that an executor writes for the same request."""

    def __init__(self) -> None:
        self.written = ExecutorStatus({}, START)

    @property
    def status(self) -> dict[str, Any]:
        return self.written.status

    def happen(self, event: str) -> None:
        phase, written = phase_of(self), self.written
        if event == "deadline":
            written.now += timedelta(hours=2)
        if phase in TERMINAL or (phase is Phase.SUSPENDED and event not in {"resume", "cancel"}):
            return
        if event == "cancel":
            written.cancel()
        elif event == "suspend":
            written.suspend()
        elif phase in {None, Phase.SUSPENDED}:
            written.begin(written.now if phase else None)
        elif written.seconds_left(DEADLINE) <= 0:
            written.exceed_deadline(DEADLINE)
        else:
            self._work(written, event, Phase(written.status["phase"]))

    def _work(self, written: ExecutorStatus, event: str, phase: Phase) -> None:
        match event:
            case "refusal":
                written.fail(Trouble(REFUSED, CAUSE))
            case "fault":
                written.retry(CAUSE, "")
                written.start()  # the deadline includes the waiting time only in a cluster
            case "plan" if phase is Phase.PLANNING:
                written.receive({"planned": SUMMARY, "pixels": TILES, "pixelsDone": 0, "tilesDone": 0}, 0)
            case "tile" if phase is Phase.RUNNING and written.status["progress"]["rangesDone"] < TILES - 1:
                written.receive({"tile": 1}, 1)
            case "tiles" if phase is Phase.RUNNING:
                written.receive({"finalizing": True}, 1)
            case "publish" if phase is Phase.FINALIZING:
                written.receive({"published": NOTED, "item": {}}, 1)
            case _:
                written.work()


def phase_of(place: Environment) -> Phase | None:
    return Phase(place.status["phase"]) if "phase" in place.status else None


def visible(place: Environment) -> tuple[Any, ...]:
    """The lifecycle as a user sees it."""
    status = place.status
    conditions = {
        c["type"]: (c["status"], c["reason"], c["message"], c["observedGeneration"]) for c in status["conditions"]
    }
    progress = {key: value for key, value in status.get("progress", {}).items() if key != "etaSeconds"}
    times = status.keys() & {"startTime", "completionTime", "suspendedSince"}
    return status["phase"], status["message"], conditions, progress, status.get("plan"), status.get("result"), times


COURSES = {
    "to the end": ["start", "plan", "tile", "tile", "tiles", "publish"],
    "refused by the plan": ["start", "refusal"],
    "refused by a tile": ["start", "plan", "tile", "refusal"],
    "refused by finalizing": ["start", "plan", "tiles", "refusal"],
    "a fault in the plan": ["start", "fault", "plan", "tiles", "publish"],
    "a fault in the tiles": ["start", "plan", "tile", "fault", "tile", "tiles", "publish"],
    "suspended and resumed": ["start", "plan", "tile", "suspend", "resume", "tile", "tiles", "publish"],
    "cancelled while planning": ["start", "cancel"],
    "cancelled while running": ["start", "plan", "tile", "cancel"],
    "cancelled while suspended": ["start", "plan", "suspend", "cancel"],
    "too late": ["start", "plan", "tile", "deadline"],
    "suspended for longer than the deadline": ["start", "plan", "suspend", "deadline", "resume", "tiles", "publish"],
}


@pytest.mark.parametrize("course", COURSES.values(), ids=COURSES.keys())
def test_a_cluster_and_one_machine_report_the_same(course):
    cluster, machine = InCluster(), OnOneMachine()
    for event in course:
        cluster.happen(event)
        machine.happen(event)
        assert visible(machine) == visible(cluster), event


@given(st.lists(st.sampled_from(EVENTS), max_size=25))
def test_both_agree_after_any_events_and_transitions_follow_the_table(happenings):
    cluster, machine = InCluster(), OnOneMachine()
    for event in ["start", *happenings]:
        before = phase_of(cluster)
        cluster.happen(event)
        machine.happen(event)
        assert visible(machine) == visible(cluster), event
        found = conditions_of(cluster.status)
        assert list(found) == list(Condition)
        assert (found["Ready"]["status"] == "Unknown") != Phase(cluster.status["phase"]).terminal
        assert found["Ready"]["status"] in {"Unknown", found["Published"]["status"]}
        after = phase_of(cluster)
        assert before in {None, after} or after in TRANSITIONS[before]
    MosaicRequest.model_validate(cluster.world.request)
    MosaicRequest.model_validate(cluster.world.request | {"status": machine.status})


def test_terminal_phases_have_no_successor():
    assert TERMINAL == (Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED)
    assert TRANSITIONS.keys() == set(Phase)


def test_a_crash_reports_a_solution_and_the_number_of_attempts():
    status = ExecutorStatus({}, START)
    status.begin(None)
    status.fail(Trouble(CRASHED, messages.given_up(messages.WORKER_CRASHED, 5)))
    assert status.status["message"].endswith("request a smaller mosaic or see the log (tried 5 times)")
    ready = status.status["conditions"][0]
    assert (ready["type"], ready["status"], ready["reason"]) == ("Ready", "False", CRASHED)
