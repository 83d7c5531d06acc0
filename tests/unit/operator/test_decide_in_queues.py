"""Requests whose Jobs wait in a Kueue queue; only Kueue starts these Jobs."""

import pytest
from mosaic_crds.worker_pod import Step

from support.operator.operator_world import PLAN, World, ended, pod_of, request, settings


def in_the_queue(step: Step = Step.PLAN) -> World:
    """A request in a queue; Kueue has not admitted one of its Jobs yet."""
    world = World(request(queue="research", deadline="1h"), settings(queues="research"))
    world.step()
    if step is Step.TILES:
        admit(world, Step.PLAN)
        world.complete(Step.PLAN, PLAN)
        world.step()
    return world


def admit(world: World, step: Step) -> None:
    """Admit a Job as Kueue does when there is capacity."""
    world.jobs[step]["spec"]["suspend"] = False
    world.step()


def test_only_kueue_starts_a_queued_job_and_suspend_deletes_it():
    world = in_the_queue(Step.TILES)
    tiles = world.jobs[Step.TILES]
    assert tiles["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "research"
    assert tiles["spec"]["suspend"] is True
    world.step()
    assert tiles["spec"]["suspend"] is True
    world.request["spec"]["execution"]["suspend"] = True
    world.step()
    assert Step.TILES not in world.jobs
    world.request["spec"]["execution"]["suspend"] = False
    world.step()
    assert world.created.count("ndsi-tiles") == 2


def test_the_status_names_the_queue_in_every_phase():
    world = in_the_queue()
    world.step()
    assert (world.status["phase"], world.status["message"]) == (
        "Planning",
        "waiting in the queue research",
    )
    admit(world, Step.PLAN)
    assert world.status["message"] == "Reading scene metadata"
    world = in_the_queue(Step.TILES)
    world.step()
    assert world.status["message"] == "0 of 3 ranges done; waiting in the queue research"
    assert world.condition("Degraded")["status"] == "False"


def test_time_in_a_queue_does_not_count_against_the_deadline():
    world = in_the_queue()
    world.step()
    world.later(hours=12)
    world.step()
    assert world.status["phase"] == "Planning"
    admit(world, Step.PLAN)
    assert world.status["suspendedSeconds"] == 12 * 3600
    world.later(minutes=61)
    world.step()
    assert (world.status["phase"], world.condition("Published")["reason"]) == ("Failed", "DeadlineExceeded")


def test_kueue_may_evict_a_job_and_admit_it_again():
    world = in_the_queue(Step.TILES)
    admit(world, Step.TILES)
    world.jobs[Step.TILES]["spec"]["suspend"] = True
    assert world.step().change == {}
    assert world.status["message"].endswith("waiting in the queue research")
    admit(world, Step.TILES)
    assert world.status["message"] == "0 of 3 ranges done"
    assert world.created == ["ndsi-plan", "ndsi-tiles"]


def test_the_end_of_a_preempted_pod_is_no_failure():
    world = in_the_queue(Step.TILES)
    admit(world, Step.TILES)
    tiles = world.jobs[Step.TILES]
    world.pods += [pod_of(tiles, 0, **ended(0)), pod_of(tiles, 1)]
    world.step()
    assert world.status["message"] == "1 of 3 ranges done"
    tiles["spec"]["suspend"] = True
    world.pods[-1] = pod_of(tiles, 1, **ended(143))
    world.step()
    assert world.status["message"] == "1 of 3 ranges done; waiting in the queue research"
    assert world.condition("Degraded")["status"] == "False"


def test_a_new_parallelism_does_not_start_a_queued_job():
    world = in_the_queue(Step.TILES)
    world.request["spec"]["execution"]["parallelism"] = 2
    assert world.step().change == {"ndsi-tiles": {"spec": {"parallelism": 2}}}
    assert world.jobs[Step.TILES]["spec"]["suspend"] is True
    admit(world, Step.TILES)
    world.request["spec"]["execution"]["parallelism"] = 1
    assert world.step().change == {"ndsi-tiles": {"spec": {"parallelism": 1}}}


def test_an_admitted_job_gets_more_pods_only_when_it_is_admitted_again():
    world = in_the_queue(Step.TILES)
    world.request["spec"]["execution"]["parallelism"] = 1
    world.step()
    admit(world, Step.TILES)
    world.request["spec"]["execution"]["parallelism"] = 2
    assert world.step().change == {}
    world.jobs[Step.TILES]["spec"]["suspend"] = True
    assert world.step().change == {"ndsi-tiles": {"spec": {"parallelism": 2}}}


@pytest.mark.parametrize("step", [Step.PLAN, Step.TILES])
def test_cancel_and_suspend_remove_a_request_from_its_queue(step):
    world = in_the_queue(step)
    world.request["spec"]["execution"]["suspend"] = True
    world.step()
    assert (world.status["phase"], step in world.jobs) == ("Suspended", False)
    world.request["spec"]["execution"]["suspend"] = False
    world.step()
    assert world.jobs[step]["spec"]["suspend"] is True
    world.request["spec"]["execution"]["cancel"] = True
    world.step()
    assert (world.status["phase"], step in world.jobs) == ("Cancelled", False)
