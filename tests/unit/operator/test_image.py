"""Upgrades during a request: the image that planned it also computes and publishes it."""

import copy
import json

import pytest
from mosaic_crds.worker_pod import Step
from mosaic_operator.image import repository

from support.operator.operator_world import PLAN, RESULT, World, ended, finish, pod_of, request, settings


def upgraded():
    """The settings of another release."""
    return settings(worker_pod=json.dumps({"image": "worker:2"}), queues="teams")


def image_of(world: World, step: Step) -> str:
    (container,) = world.jobs[step]["spec"]["template"]["spec"]["containers"]
    return container["image"]


def planned(**execution) -> World:
    """A request whose tiles are being computed."""
    world = World(request(**execution), settings(queues="teams"))
    world.step()
    world.complete(Step.PLAN, PLAN)
    world.step()
    return world


def test_a_planned_request_keeps_its_image_and_new_requests_get_the_new_one():
    world = planned()
    world.settings = upgraded()
    world.complete(Step.TILES)
    world.step()
    assert [image_of(world, step) for step in (Step.PLAN, Step.TILES, Step.FINALIZE)] == ["worker:1"] * 3
    world.complete(Step.FINALIZE, RESULT)
    world.step()
    assert (world.status["phase"], world.status["workerImage"]) == ("Succeeded", "worker:1")

    other = World(configured=upgraded())
    other.step()
    assert (image_of(other, Step.PLAN), other.status["workerImage"]) == ("worker:2", "worker:2")


@pytest.mark.parametrize("step", [Step.TILES, Step.FINALIZE])
def test_a_job_that_is_created_again_after_an_upgrade_has_the_image_of_the_plan(step):
    world = planned()
    if step is Step.FINALIZE:
        world.complete(Step.TILES)
        world.step()
    world.settings = upgraded()
    del world.jobs[step]
    world.step()
    assert image_of(world, step) == "worker:1"


def test_ranges_that_start_again_after_an_upgrade_have_the_image_of_the_plan():
    world = planned()
    world.complete(Step.TILES)
    world.step()
    world.settings = upgraded()
    world.complete(Step.FINALIZE, {"tilesLeft": 9})
    world.step()
    world.step()
    assert image_of(world, Step.TILES) == "worker:1"


@pytest.mark.parametrize("queue", ["", "teams"])
def test_a_request_that_is_suspended_during_an_upgrade_resumes_with_its_image(queue):
    world = planned(**({"queue": queue} if queue else {}))
    world.request["spec"]["execution"]["suspend"] = True
    world.step()
    world.settings = upgraded()
    world.request["spec"]["execution"]["suspend"] = False
    world.step()
    world.step()  # a Job whose pods have not started is created again, with the new resources
    assert image_of(world, Step.TILES) == "worker:1"


def test_planning_starts_again_with_the_new_image():
    world = World()
    world.step()
    world.pods.append(pod_of(world.jobs[Step.PLAN], phase="Pending"))
    world.settings = upgraded()
    world.step()
    assert Step.PLAN not in world.jobs
    world.step()
    assert (image_of(world, Step.PLAN), world.status["workerImage"]) == ("worker:2", "worker:2")
    assert world.decide().delete == []


def test_deletes_an_old_planning_job_again_until_its_deletion_is_observed():
    world = World()
    world.step()
    still_cached = dict(world.jobs)
    world.settings = upgraded()
    world.step()
    world.jobs |= still_cached
    assert world.decide().delete == [world.jobs[Step.PLAN]["metadata"]["name"]]


def test_a_plan_that_is_complete_at_the_upgrade_is_used():
    world = World()
    world.step()
    world.complete(Step.PLAN, PLAN)
    world.settings = upgraded()
    world.step()
    assert (image_of(world, Step.TILES), world.status["workerImage"]) == ("worker:1", "worker:1")


def test_uses_the_image_of_the_job_if_the_operator_died_before_it_wrote_the_status():
    world = World()
    world.step(until="acted")
    finish(world.jobs[Step.PLAN])
    world.pods.append(pod_of(world.jobs[Step.PLAN], **ended(0, PLAN)))
    world.settings = upgraded()
    world.step()
    assert (image_of(world, Step.TILES), world.status["workerImage"]) == ("worker:1", "worker:1")


def test_an_image_of_another_repository_in_the_status_is_not_started():
    world = planned()
    world.request["status"]["workerImage"] = "evil.example.org/worker:1"
    del world.jobs[Step.TILES]
    world.step()
    assert Step.TILES not in world.jobs
    assert world.status["phase"] == "Failed"
    assert world.status["message"] == (
        "the image evil.example.org/worker:1 planned this request, and worker.image of the chart is now from another "
        "repository (worker); delete the request and apply it again"
    )


def test_an_image_of_another_repository_does_not_plan():
    world = World()
    world.request["status"] = {"workerImage": "evil.example.org/worker:1"}
    world.step()
    assert image_of(world, Step.PLAN) == "worker:1"


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("worker", "worker"),
        ("worker:1", "worker"),
        ("host:5000/team/worker", "host:5000/team/worker"),
        ("host:5000/team/worker:1.2", "host:5000/team/worker"),
        ("host/worker:1@sha256:0123", "host/worker"),
        ("worker@sha256:0123", "worker"),
    ],
)
def test_the_repository_of_an_image(image, expected):
    assert repository(image) == expected


def test_the_image_of_the_plan_gets_no_fields_that_it_does_not_know():
    """The API server adds the defaults of new fields to existing requests."""
    world = planned()
    before = copy.deepcopy(world.secrets)
    world.request["spec"]["output"] = {"dtype": "float32"}
    world.request["spec"]["source"]["onUnreadable"] = "fail"
    del world.jobs[Step.TILES]
    world.step()
    assert world.secrets == before
