"""The operator's decisions about a request, from creation to every possible end."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mosaic_crds.request import MosaicRequest
from mosaic_crds.worker_pod import Step
from mosaic_operator.observed import Admission

from support.operator.operator_world import PLAN, RESULT, World, ended, pod_of, request, settings


def running_tiles(**execution) -> World:
    """A request whose tiles are being computed."""
    world = World(request(**execution))
    world.step()
    world.complete(Step.PLAN, PLAN)
    world.step()
    return world


def test_a_request_passes_through_its_three_jobs_to_the_result():
    world = World()
    world.step()
    assert (world.status["phase"], world.created) == ("Planning", ["ndsi-plan"])
    world.complete(Step.PLAN, PLAN)
    world.step()
    assert (world.status["phase"], world.created) == ("Running", ["ndsi-plan", "ndsi-tiles"])
    assert world.status["plan"]["tiles"] == 9
    assert world.status["progress"] == {"rangesDone": 0, "rangesTotal": 3, "percent": 0}
    world.complete(Step.TILES)
    world.step()
    assert (world.status["phase"], world.created[-1]) == ("Finalizing", "ndsi-finalize")
    assert world.status["progress"] == {"rangesDone": 3, "rangesTotal": 3, "percent": 100}
    world.complete(Step.FINALIZE, RESULT)
    world.step()
    assert world.status["phase"] == "Succeeded"
    assert world.status["result"] == RESULT
    assert world.status["message"] == "Published file:///store/mosaics/team/ndsi/u1/mosaic.tif"
    assert {c["type"]: c["status"] for c in world.status["conditions"]} == {
        "Ready": "True", "Accepted": "True", "Planned": "True",
        "TilesReady": "True", "Published": "True", "Degraded": "False", "Stalled": "False",
    }  # fmt: skip
    assert {job["spec"]["ttlSecondsAfterFinished"] for job in world.jobs.values()} == {86400}
    assert [reason for reason, _ in world.events] == ["Planning", "Running", "Finalizing", "Succeeded"]


def test_every_status_is_valid_according_to_the_contract():
    world = World()
    for step, answer in ((Step.PLAN, PLAN), (Step.TILES, None), (Step.FINALIZE, RESULT)):
        world.step()
        MosaicRequest.model_validate(world.request)
        world.complete(step, answer)
    world.step()
    MosaicRequest.model_validate(world.request)


def test_continues_when_containers_have_ended_and_their_jobs_are_not_complete():
    world = World()
    world.step()
    world.exit(Step.PLAN, PLAN)
    world.step()
    assert (world.status["phase"], world.created[-1]) == ("Running", "ndsi-tiles")
    world.pods += [pod_of(world.jobs[Step.TILES], index, **ended(0)) for index in (0, 2)]
    world.step()
    assert world.status["progress"]["rangesDone"] == 2
    world.exit(Step.TILES)
    world.step()
    assert (world.status["phase"], world.created[-1]) == ("Finalizing", "ndsi-finalize")
    world.exit(Step.FINALIZE, RESULT)
    decision = world.step()
    assert world.status["phase"] == "Succeeded"
    assert decision.delete == []  # their logs stay readable
    assert {job["spec"]["ttlSecondsAfterFinished"] for job in world.jobs.values()} == {86400}


@pytest.mark.parametrize("summary", [PLAN, {}], ids=["with its plan", "whose plan is swept"])
def test_a_small_mosaic_is_published_by_the_pod_of_its_plan(summary):
    world = World()
    world.step()
    world.exit(Step.PLAN, summary | {"result": RESULT})
    world.step()
    MosaicRequest.model_validate(world.request)
    assert (world.status["phase"], world.created) == ("Succeeded", ["ndsi-plan"])
    assert world.status["result"] == RESULT
    assert world.status.get("plan", {}).get("tiles") == summary.get("tiles")
    assert world.status["progress"]["percent"] == 100
    assert {c["type"]: c["status"] for c in world.status["conditions"]} == {
        "Ready": "True", "Accepted": "True", "Planned": "True",
        "TilesReady": "True", "Published": "True", "Degraded": "False", "Stalled": "False",
    }  # fmt: skip
    assert [reason for reason, _ in world.events] == ["Planning", "Succeeded"]


@pytest.mark.parametrize("answer", [PLAN | {"result": {"item": 1}}, {"result": None}, RESULT])
def test_an_answer_of_the_plan_that_cannot_be_read_fails_the_request(answer):
    world = World()
    world.step()
    world.exit(Step.PLAN, answer)
    world.step()
    assert world.status["phase"] == "Failed"
    assert "left an answer that the operator cannot read" in world.status["message"]


def test_writes_nothing_without_news():
    world = running_tiles()
    assert not world.decide().changed


@given(
    st.lists(st.sampled_from(["decided", "acted", "end", "early", "plan", "tiles", "finalize", "lose"]), max_size=40)
)
def test_each_job_is_created_once_and_the_end_is_the_same_whenever_the_operator_dies(happenings):
    """Jobs end or lose their pods, and the operator dies between any two of its steps, in any order."""
    world = World()
    answers = {Step.PLAN: PLAN, Step.TILES: None, Step.FINALIZE: RESULT}
    lost = 0

    def proceed(step):
        if step in world.jobs and "conditions" not in world.jobs[step]["status"]:
            world.complete(step, answers[step])

    for happening in happenings:
        if happening in {"decided", "acted", "end"}:
            world.step(until=happening)
        elif happening == "early":
            for step, job in world.jobs.items():
                if "conditions" not in job["status"]:
                    world.exit(step, answers[step])
        elif happening == "lose":
            lost += bool(world.pods)
            world.pods.clear()
        else:
            proceed(Step(happening))
    for _ in range(12):
        for step in Step:
            proceed(step)
        world.step()
    assert world.status["phase"] == "Succeeded"
    assert world.status["result"] == RESULT
    for name in ("ndsi-plan", "ndsi-finalize"):
        assert 1 <= world.created.count(name) <= 1 + lost
    assert world.created.count("ndsi-tiles") == 1
    assert not world.decide().create


def test_a_planning_job_without_a_result_runs_again():
    world = World()
    world.step()
    world.complete(Step.PLAN)
    world.step()
    assert Step.PLAN not in world.jobs
    world.step()
    assert world.created == ["ndsi-plan", "ndsi-plan"]


@pytest.mark.parametrize("step", [Step.PLAN, Step.TILES, Step.FINALIZE])
def test_a_deleted_job_is_created_again(step):
    world = World()
    for before, answer in ((Step.PLAN, PLAN), (Step.TILES, None), (Step.FINALIZE, RESULT)):
        world.step()
        if before is step:
            break
        world.complete(before, answer)
    del world.jobs[step]
    world.step()
    assert world.created[-2:] == [f"ndsi-{step}"] * 2


def test_tiles_are_not_computed_again_when_their_finished_job_is_deleted():
    world = running_tiles()
    world.complete(Step.TILES)
    world.step()
    del world.jobs[Step.TILES], world.jobs[Step.PLAN]
    world.step()
    assert world.created == ["ndsi-plan", "ndsi-tiles", "ndsi-finalize"]


def test_a_request_that_the_plan_refuses_fails_with_the_message_of_the_plan():
    world = World()
    world.step()
    sentence = "the index FOO is unknown; did you mean NDVI?"
    world.fail(Step.PLAN, pod_of(world.jobs[Step.PLAN], **ended(42, {"message": sentence})))
    world.step()
    assert (world.status["phase"], world.status["message"]) == ("Failed", sentence)
    assert world.condition("Planned")["reason"] == "Refused"
    assert "completionTime" in world.status
    assert world.events[-1] == ("Failed", sentence)


def test_an_invalid_request_fails_without_a_pod():
    requested = request()
    requested["spec"]["source"]["files"]["scenes"] = []
    world = World(requested)
    world.step()
    assert (world.status["phase"], world.created) == ("Failed", [])
    assert world.status["message"].startswith("the request: spec.source.files.scenes is []")
    assert world.condition("Accepted")["status"] == "False"


def test_suspend_stops_the_jobs_and_resume_continues_them():
    world = running_tiles()
    world.jobs[Step.TILES]["status"]["succeeded"] = 2
    world.step()
    world.request["spec"]["execution"]["suspend"] = True
    world.step()
    assert world.status["phase"] == "Suspended"
    assert "2 of 3 ranges done" in world.status["message"]
    assert world.jobs[Step.TILES]["spec"]["suspend"] is True
    world.later(hours=1)
    world.request["spec"]["execution"]["suspend"] = False
    world.step()
    assert world.status["phase"] == "Running"
    assert world.jobs[Step.TILES]["spec"]["suspend"] is False
    assert world.status["suspendedSeconds"] == 3600
    assert "suspendedSince" not in world.status


def test_suspended_time_does_not_count_against_the_deadline():
    world = running_tiles(deadline="1h")
    world.request["spec"]["execution"]["suspend"] = True
    world.step()
    world.later(hours=5)
    world.request["spec"]["execution"]["suspend"] = False
    world.step()
    assert world.status["phase"] == "Running"
    world.later(minutes=61)
    world.step()
    assert world.status["phase"] == "Failed"
    assert "Not finished within 1h (execution.deadline) with 0 of 3 ranges done" in world.status["message"]
    assert Step.TILES not in world.jobs


def test_the_operator_checks_the_request_again_at_its_deadline():
    world = running_tiles(deadline="5s")
    assert world.decide().again_in == 5


def test_parallelism_can_change_during_a_run_within_the_operators_limit():
    world = running_tiles(parallelism=2)
    assert world.jobs[Step.TILES]["spec"]["parallelism"] == 2
    world.request["spec"]["execution"]["parallelism"] = 1
    world.step()
    assert world.jobs[Step.TILES]["spec"]["parallelism"] == 1
    world.settings = settings(max_parallelism=2)
    world.request["spec"]["execution"]["parallelism"] = 100
    world.step()
    assert world.jobs[Step.TILES]["spec"]["parallelism"] == 2


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_cancel_ends_a_request_in_every_phase(after):
    world = World()
    for step, answer in [(Step.PLAN, PLAN), (Step.TILES, None), (Step.FINALIZE, RESULT)][:after]:
        world.step()
        world.complete(step, answer)
    unfinished = world.step().create if after else []
    over = world.status.get("phase") == "Succeeded"
    world.request["spec"]["execution"]["cancel"] = True
    world.step()
    assert world.status["phase"] == ("Succeeded" if over else "Cancelled")
    for manifest in unfinished:
        assert manifest["metadata"]["name"] not in {job["metadata"]["name"] for job in world.jobs.values()}
    world.step()
    assert not world.decide().changed
    assert not world.secrets


def test_the_input_of_pods_is_deleted_at_the_end_of_the_request():
    world = World()
    world.step()
    (secret,) = world.secrets
    world.complete(Step.PLAN, PLAN)
    world.request["spec"]["execution"]["parallelism"] = 3
    for step, answer in [(Step.TILES, None), (Step.FINALIZE, RESULT)]:
        world.step()
        assert world.secrets == {secret}
        world.complete(step, answer)
    world.step()
    assert world.status["phase"] == "Succeeded"
    assert not world.secrets
    assert world.decide().delete_secret is None


@pytest.mark.parametrize("forged", [False, True], ids=["new", "with a status that somebody wrote"])
@pytest.mark.parametrize("field", ["priorityClass", "queue"])
def test_refuses_cluster_objects_that_the_chart_does_not_list(field, forged):
    world = World(request(**{field: "system-node-critical"}), settings(priority_classes="low, batch"))
    if forged:
        condition = {"type": "Accepted", "status": "True", "reason": "Valid", "message": ""}
        world.request["status"] = {
            "phase": "Pending",
            "conditions": [condition | {"lastTransitionTime": "2026-01-01T00:00:00Z"}],
        }
    world.step()
    assert (world.status["phase"], world.created, world.secrets) == ("Failed", [], set())
    allowed = "low or batch" if field == "priorityClass" else "none"
    assert world.status["message"] == (
        f'spec.execution.{field} is "system-node-critical"; this installation allows {allowed}'
    )


def test_ignores_a_request_that_is_being_deleted():
    world = running_tiles()
    world.request["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    del world.jobs[Step.TILES]
    decision = world.decide()
    assert (decision.create, decision.delete) == ([], [])


def test_the_status_of_a_waiting_request_has_its_position():
    world = World()
    world.admission = Admission(admitted=False, ahead=1, limit="only 1 per namespace may run at once")
    world.step()
    assert (world.status["phase"], world.created) == ("Pending", [])
    assert world.status["message"] == "Waiting behind 1 other request: only 1 per namespace may run at once"
    assert "startTime" not in world.status
    world.admission = Admission(admitted=True)
    world.step()
    assert world.status["phase"] == "Planning"


def test_the_jobs_of_a_resumed_request_stay_suspended_until_its_turn():
    world = running_tiles()
    world.request["spec"]["execution"]["suspend"] = True
    world.step()
    world.request["spec"]["execution"]["suspend"] = False
    world.admission = Admission(admitted=False, ahead=3, limit="only 3 may run at once")
    world.step()
    assert world.status["phase"] == "Pending"
    assert world.jobs[Step.TILES]["spec"]["suspend"] is True


def test_ignores_a_pod_on_an_unreachable_node():
    world = running_tiles()
    pod = pod_of(world.jobs[Step.TILES], 0)
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:10Z"
    world.pods.append(pod)
    world.later(seconds=20)
    assert world.decide().give_up == []
    world.later(seconds=20)
    assert world.decide().give_up == [pod["metadata"]["name"]]


def test_the_remaining_time_follows_from_the_progress():
    world = running_tiles()
    world.later(seconds=60)
    world.jobs[Step.TILES]["status"]["succeeded"] = 2
    decision = world.step()
    assert decision.status["progress"]["etaSeconds"] == 30
    assert decision.cosmetic


def test_a_reported_problem_leaves_the_status_when_it_is_over():
    world = running_tiles()
    world.refusals = ["exceeded quota: small, requested: pods=1, used: pods=0, limited: pods=0"]
    world.step()
    assert world.condition("Degraded")["reason"] == "Quota"
    message = world.status["message"]
    assert "0 of 3 ranges done; the namespace's quota allows no more pods" in message
    world.refusals = []
    world.pods.append(pod_of(world.jobs[Step.TILES], 0))
    world.step()
    assert world.condition("Degraded")["status"] == "False"
    assert world.status["message"] == "0 of 3 ranges done"


def test_warnings_from_reading_pixels_are_in_the_final_status():
    warning = "1 of 3 scenes cannot be read and are skipped: scene-2 (it is damaged)"
    world = World()
    world.step()
    world.complete(Step.PLAN, PLAN)
    world.step()
    world.complete(Step.TILES)
    world.step()
    world.complete(Step.FINALIZE, RESULT | {"notes": [warning]})
    world.step()
    MosaicRequest.model_validate(world.request)
    assert world.status["result"]["notes"] == [warning]
    assert world.status["message"] == f"Published file:///store/mosaics/team/ndsi/u1/mosaic.tif; {warning}"


def test_ranges_start_again_when_finalize_finds_many_missing_tiles():
    world = World()
    world.step()
    world.complete(Step.PLAN, PLAN)
    world.step()
    world.complete(Step.TILES)
    world.step()
    world.complete(Step.FINALIZE, {"tilesLeft": 7})
    world.step()
    assert (world.status["phase"], world.jobs.keys() & {Step.TILES, Step.FINALIZE}) == ("Running", set())
    message = "Recomputing 7 tiles that were lost or contain a scene that proved unreadable"
    assert world.condition("TilesReady")["status"] == "Unknown"
    assert world.events[-1] == ("Running", message)
    MosaicRequest.model_validate(world.request)
    world.step()
    assert Step.TILES in world.jobs
    world.complete(Step.TILES)
    world.step()
    world.complete(Step.FINALIZE, RESULT)
    world.step()
    assert world.status["phase"] == "Succeeded"


def test_warnings_of_the_plan_are_in_the_status_from_the_plan_to_the_end():
    warning = "skipped 1 scene outside the area"
    world = World()
    world.step()
    world.complete(Step.PLAN, PLAN | {"warnings": [warning]})
    assert [event.type for event in world.step().events] == ["Warning", "Normal"]
    message = f"scenes: 2, tiles: 9, ranges: 3; {warning}"
    assert ("Planned", message) in world.events
    assert world.condition("Planned")["message"] == message
    assert world.status["plan"]["warnings"] == [warning]
    world.complete(Step.TILES)
    world.step()
    note = "6 of 1200 values of x are outside -3.2767 to 3.2767"
    world.complete(Step.FINALIZE, RESULT | {"notes": [note]})
    world.step()
    MosaicRequest.model_validate(world.request)
    assert world.status["result"]["notes"] == [note]
    published = f"Published file:///store/mosaics/team/ndsi/u1/mosaic.tif; {warning}; {note}"
    assert world.status["message"] == published
    assert world.events[-1] == ("Succeeded", published)
    assert [reason for reason, _ in world.events].count("Planned") == 1


def test_a_status_with_the_longest_warnings_and_notes_is_small():
    world = World()
    world.step()
    warnings, notes = ["a" * 196] * 15, ["b" * 196] * 10  # as much as a termination message has
    world.complete(Step.PLAN, PLAN | {"warnings": warnings})
    world.step()
    world.complete(Step.TILES)
    world.step()
    world.complete(Step.FINALIZE, RESULT | {"notes": notes})
    world.step()
    assert (world.status["phase"], world.status["plan"]["warnings"]) == ("Succeeded", warnings)
    assert world.status["message"].endswith(
        f"; {'a' * 196}; and 22 more in status.plan.warnings and status.result.notes"
    )
    assert len(json.dumps(world.status)) < 10_000


def test_a_job_whose_pods_have_not_started_gets_the_corrected_settings():
    world = World()
    world.step()
    waiting = {"containerStatuses": [{"name": "worker", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]}
    world.pods.append(pod_of(world.jobs[Step.PLAN], phase="Pending", **waiting))
    world.settings = settings(allowed_hosts="example.net")
    world.step()
    assert Step.PLAN not in world.jobs
    world.step()
    assert world.created == ["ndsi-plan", "ndsi-plan"]
    (container,) = world.jobs[Step.PLAN]["spec"]["template"]["spec"]["containers"]
    assert {"name": "MOSAIC_ALLOWED_HOSTS", "value": "example.net"} in container["env"]
    assert not world.decide().delete


def test_a_job_with_a_running_pod_keeps_its_settings():
    world = World()
    world.step()
    world.pods.append(pod_of(world.jobs[Step.PLAN]))
    world.settings = settings(allowed_hosts="example.net")
    assert world.step().delete == []


def out_of_memory(world: World, step: Step, limit: str) -> None:
    (container,) = world.jobs[step]["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["memory"] == limit
    world.pods.append(pod_of(world.jobs[step], 0, **ended(137, reason="OOMKilled")))


def test_a_step_that_runs_out_of_memory_runs_once_more_with_twice_the_limit():
    pod = {"image": "worker:1", "resources": {"tiles": {"limits": {"memory": "512Mi"}}}, "maxMemory": "2Gi"}
    world = World(configured=settings(worker_pod=json.dumps(pod)))
    world.step()
    world.complete(Step.PLAN, PLAN)
    world.step()
    out_of_memory(world, Step.TILES, "512Mi")
    world.step()
    assert Step.TILES not in world.jobs
    assert world.status["workerMemory"] == "1024Mi"
    assert "range 0 ran out of memory (512Mi)" in world.status["message"]
    assert world.status["message"].endswith("retrying with 1024Mi")
    MosaicRequest.model_validate(world.request)
    world.step()
    out_of_memory(world, Step.TILES, "1024Mi")
    assert world.step().delete == []
    world.fail(Step.TILES)
    world.step()
    assert world.status["phase"] == "Failed"
    assert "range 0 ran out of memory (1024Mi)" in world.status["message"]


def test_a_suspended_request_shows_the_ranges_that_are_done():
    world = running_tiles()
    world.pods.append(pod_of(world.jobs[Step.TILES], 0, **ended(0)))
    world.request["spec"]["execution"]["suspend"] = True
    world.step()
    assert world.status["message"].startswith("Suspended with 1 of 3 ranges done;")
