"""The conditions of a request are complete and consistent in every phase, and tools of others understand them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from mosaic_crds.crd import UNSEEN
from mosaic_crds.lifecycle import Condition, Phase, StatusWriter, Trouble, conditions_of

from support.health import argo_cd, kstatus
from support.operator.operator_world import PLAN, RESULT, request

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CAUSE = "the server is busy"
TROUBLE = Trouble("OutOfMemory", CAUSE)


def computing(writer: StatusWriter, trouble: Trouble | None = None) -> None:
    writer.count(1, PLAN["ranges"])
    writer.computing(trouble)


EVENTS: dict[str, Callable[[StatusWriter], None]] = {
    "accept": StatusWriter.accept,
    "wait": lambda writer: writer.wait("Waiting"),
    "planning": StatusWriter.planning,
    "plan": lambda writer: writer.plan(PLAN),
    "computing": computing,
    "trouble": lambda writer: computing(writer, TROUBLE),
    "computed": lambda writer: writer.computed(PLAN["ranges"]),
    "recompute": lambda writer: writer.recompute(3),
    "finalizing": StatusWriter.finalizing,
    "suspend": StatusWriter.suspend,
    "publish": lambda writer: writer.publish(RESULT),
    "fail": lambda writer: writer.fail(TROUBLE),
    "reject": lambda writer: writer.reject("spec is missing"),
    "deadline": lambda writer: writer.exceed_deadline("1h"),
    "cancel": StatusWriter.cancel,
}
COURSES = {
    "waiting": "accept wait",
    "planning": "accept planning",
    "computing": "accept plan computing",
    "computing with trouble": "accept plan trouble",
    "computing again": "accept plan computed recompute",
    "finalizing": "accept plan computed finalizing",
    "suspended": "accept plan trouble suspend",
    "published": "accept plan computing computed finalizing publish",
    "published unseen": "publish",
    "invalid": "reject",
    "refused after it was accepted": "accept plan computing reject",
    "failed while planning": "accept planning fail",
    "failed while computing": "accept plan computing fail",
    "failed while finalizing": "accept plan computed finalizing fail",
    "too late": "accept plan computing deadline",
    "too late because of trouble": "accept plan trouble deadline",
    "cancelled unseen": "cancel",
    "cancelled while computing": "accept plan trouble cancel",
}


def follow(course: str) -> dict[str, Any]:
    """A request after a course of events."""
    document = request()
    writer = StatusWriter(document["status"], NOW)
    for event in course.split():
        EVENTS[event](writer)
    return document | {"status": writer.status}


DOCUMENTS = {name: follow(course) for name, course in COURSES.items()}
UNDONE = {Phase.FAILED: "False", Phase.CANCELLED: "False"}
every_course = pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {name: condition["status"] for name, condition in conditions_of(document["status"]).items()}


def test_the_courses_end_in_every_phase():
    assert {document["status"]["phase"] for document in DOCUMENTS.values()} == set(Phase)


@every_course
def test_every_condition_is_there_with_a_reason(document):
    found = conditions_of(document["status"])
    assert list(found) == list(Condition)
    assert all(condition["reason"] for condition in found.values())


@every_course
def test_a_condition_is_unknown_until_the_request_ends_unless_it_is_true(document):
    phase, found = Phase(document["status"]["phase"]), statuses(document)
    for name in (Condition.READY, Condition.ACCEPTED, Condition.PLANNED, Condition.TILES_READY, Condition.PUBLISHED):
        assert found[name] in {"True", UNDONE.get(phase, "Unknown")}
    assert (found["Ready"] == "True") == (found["Published"] == "True") == (phase is Phase.SUCCEEDED)
    assert (found["Stalled"] == "True") == (phase in UNDONE)


@every_course
def test_conditions_that_are_not_true_have_the_reason_of_ready(document):
    found = conditions_of(document["status"])
    reasons = {
        found[name]["reason"]
        for name in (Condition.ACCEPTED, Condition.PLANNED, Condition.TILES_READY, Condition.PUBLISHED)
        if found[name]["status"] != "True"
    }
    assert reasons <= {found["Ready"]["reason"]}


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        ("computing", "False"),
        ("computing with trouble", "True"),
        ("suspended", "False"),
        ("published", "False"),
        ("failed while computing", "True"),
        ("invalid", "True"),
        ("cancelled while computing", "False"),
    ],
)
def test_a_request_is_degraded_while_something_keeps_it_from_working_and_when_it_fails(course, expected):
    assert statuses(DOCUMENTS[course])["Degraded"] == expected


def test_a_refused_request_is_not_accepted():
    for course in ("invalid", "refused after it was accepted"):
        accepted = conditions_of(DOCUMENTS[course]["status"])["Accepted"]
        assert (accepted["status"], accepted["reason"], accepted["message"]) == ("False", "Invalid", "spec is missing")


def test_a_request_that_is_too_late_still_says_what_kept_it_from_working():
    found = conditions_of(DOCUMENTS["too late because of trouble"]["status"])
    assert (found["Degraded"]["reason"], found["Ready"]["reason"]) == ("OutOfMemory", "DeadlineExceeded")


def test_the_time_of_a_new_condition_is_not_that_of_the_default():
    assert {condition["lastTransitionTime"] for condition in DOCUMENTS["waiting"]["status"]["conditions"]} == {
        "2026-01-01T00:00:00Z"
    }


@pytest.mark.parametrize("status", [{"conditions": [UNSEEN]}, *(each["status"] for each in DOCUMENTS.values())])
def test_tools_see_progress_until_the_end_and_then_the_outcome(status):
    document = request() | {"status": status}
    outcome = {
        "Succeeded": ("Current", "Healthy"), "Failed": ("Failed", "Degraded"), "Cancelled": ("Failed", "Degraded"),
        "Suspended": ("InProgress", "Suspended"),
    }  # fmt: skip
    health, message = argo_cd(document)
    assert (kstatus(document), health) == outcome.get(status.get("phase"), ("InProgress", "Progressing"))
    assert message == status.get("message", "Waiting for the operator")


def test_tools_do_not_trust_the_status_of_an_earlier_spec():
    document = DOCUMENTS["published"]
    assert kstatus(document | {"metadata": document["metadata"] | {"generation": 2}}) == "InProgress"
