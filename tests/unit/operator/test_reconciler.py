"""What the operator does when its caches are behind, calls fail, or it dies in the middle; against a stand-in."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

import pytest

from support.operator.operator_api import ApiServer, Fault, Operator, serving
from support.operator.operator_world import RESULT, pod_of, request

KEY = ("team", "ndsi")
JOBS = ["ndsi-plan", "ndsi-tiles", "ndsi-finalize"]
Life = Callable[[], Operator]


def play(scenario: Callable[[ApiServer, Life], Awaitable[None]]) -> ApiServer:
    """Act a scenario with a request and as many lives of the operator as it takes; give what the API server holds."""

    async def run() -> ApiServer:
        async with serving() as (api, cluster):
            api.apply(request())
            await scenario(api, lambda: Operator(api, cluster))
            return api

    return asyncio.run(run())


def status_of(api: ApiServer) -> dict:
    return api.requests[KEY].get("status", {})


async def to_the_end(api: ApiServer, operator: Operator) -> None:
    for _ in range(6):
        await operator.reconcile()
        api.work()
    assert status_of(api)["phase"] == "Succeeded"


def test_a_request_takes_one_write_and_one_event_for_each_phase_and_nothing_when_it_is_over():
    async def scenario(api, life):
        await to_the_end(api, life())

    api = play(scenario)
    assert status_of(api)["result"] == RESULT
    assert api.created == JOBS
    assert [reason for reason, _ in api.events] == ["Planning", "Running", "Finalizing", "Succeeded"]
    assert api.calls.count("PATCH status") == 4
    assert api.calls.count("POST jobs") == 3


def count_of_calls() -> int:
    async def scenario(api, life):
        await to_the_end(api, life())

    return len(play(scenario).calls)


@pytest.mark.slow
@pytest.mark.parametrize("done", [False, True], ids=["before its effect", "after its effect"])
def test_whichever_call_the_operator_dies_at_the_next_one_comes_to_the_same_end(done):
    for number in range(count_of_calls()):

        async def scenario(api, life, number=number):
            api.faults.append(Fault(number, status=None, done=done))
            await life().reconcile()
            for _ in range(6):
                if api.died.is_set():
                    break
                api.work()
                await life().reconcile()
            assert api.died.is_set(), f"call {number} never came"
            await to_the_end(api, life())

        api = play(scenario)
        assert status_of(api)["result"] == RESULT
        assert api.created == JOBS, f"died at call {number}, {api.calls[number]}"
        assert not api.secrets, f"died at call {number}, {api.calls[number]}"
        reasons = [reason for reason, _ in api.events]
        assert len(reasons) == len(set(reasons))


def test_a_cache_that_is_behind_costs_no_conflict_and_no_second_job():
    async def scenario(api, life):
        operator = life()
        await operator.reconcile()
        for _ in range(3):
            await operator.reconcile(see=False)  # the caches hold neither the status nor the Job
        assert operator.waits == [10] * 4

    api = play(scenario)
    assert api.created == ["ndsi-plan"]
    assert api.calls.count("PATCH status") == 1
    assert status_of(api)["phase"] == "Planning"


def test_what_changed_meanwhile_is_read_before_anything_is_started():
    async def scenario(api, life):
        operator = life()
        api.requests[KEY]["spec"]["execution"]["suspend"] = True
        api.touch(KEY)
        await operator.reconcile(see=False)

    api = play(scenario)
    assert status_of(api)["phase"] == "Suspended"
    assert api.created == []


def test_what_changed_meanwhile_is_not_overwritten_but_looked_at_again_at_once():
    async def scenario(api, life):
        operator = life()
        await operator.reconcile()
        api.work()
        await operator.reconcile()
        del api.jobs["team", "ndsi-tiles"]["status"]["startTime"]
        api.jobs["team", "ndsi-tiles"]["status"]["succeeded"] = 1
        operator.see()
        api.requests[KEY]["spec"]["execution"]["suspend"] = True
        api.touch(KEY)
        operator.waits.clear()
        operator.let_cosmetics_through()
        await operator.reconcile(see=False)
        assert status_of(api)["progress"]["rangesDone"] == 0
        assert operator.waits == [0.2]
        await operator.reconcile()

    api = play(scenario)
    assert status_of(api)["phase"] == "Suspended"
    assert api.jobs["team", "ndsi-tiles"]["spec"]["suspend"] is True


@pytest.mark.parametrize("status", [500, 429, 0], ids=["500", "429", "no answer"])
@pytest.mark.parametrize("done", [False, True], ids=["before its effect", "after its effect"])
def test_a_call_that_fails_in_the_middle_of_acting_leaves_the_status_for_the_next_try(status, done):
    async def scenario(api, life):
        operator = life()
        api.faults.append(Fault("POST jobs", status, done=done))
        await operator.reconcile()
        assert status_of(api) == {}
        assert operator.waits == [1]
        await operator.reconcile(see=False)

    api = play(scenario)
    assert api.created == ["ndsi-plan"]
    assert status_of(api)["phase"] == "Planning"


def test_a_status_whose_write_got_no_answer_is_not_reported_twice():
    async def scenario(api, life):
        operator = life()
        api.faults.append(Fault("PATCH status", 0, done=True))
        await operator.reconcile()
        await operator.reconcile(see=False)
        assert operator.waits == [1, 10]  # the second look reads what was written

    api = play(scenario)
    assert status_of(api)["phase"] == "Planning"
    assert api.created == ["ndsi-plan"]


def test_retries_back_off_up_to_a_minute_and_start_over_after_a_success():
    async def scenario(api, life):
        operator = life()
        api.faults.append(Fault("POST jobs", 503, times=8))
        for _ in range(8):
            await operator.reconcile()
        assert operator.waits == [1, 2, 4, 8, 16, 32, 60, 60]
        await operator.reconcile()
        api.work()
        api.faults.append(Fault("POST jobs", 503))
        await operator.reconcile()
        assert operator.waits[8:] == [10, 1]

    play(scenario)


def test_a_request_that_always_meets_conflicts_slows_down_too():
    async def scenario(api, life):
        operator = life()
        api.faults.append(Fault("PATCH status", 409, "Conflict", times=6))
        for _ in range(6):
            await operator.reconcile()
        assert operator.waits == [0.2] * 4 + [16, 32]

    play(scenario)


def test_another_requests_job_of_the_same_name_is_waited_for():
    async def scenario(api, life):
        await life().reconcile()
        api.apply(request(uid="u2"))
        operator = life()
        await operator.reconcile()
        assert status_of(api) == {}
        assert operator.waits == [0.5]
        del api.jobs["team", "ndsi-plan"]
        await operator.reconcile()

    api = play(scenario)
    assert api.jobs["team", "ndsi-plan"]["metadata"]["ownerReferences"][0]["uid"] == "u2"
    assert status_of(api)["phase"] == "Planning"


@pytest.mark.parametrize("status", [403, 422])
def test_a_job_that_kubernetes_refuses_is_reported_and_retried(status):
    async def scenario(api, life):
        operator = life()
        api.faults.append(Fault("POST jobs", status, "Forbidden"))
        await operator.reconcile()
        assert status_of(api)["message"] == "Kubernetes refuses the Job ndsi-plan: refused: Forbidden"
        assert operator.waits == [30]
        await operator.reconcile()

    assert play(scenario).created == ["ndsi-plan"]


def test_a_secret_that_kubernetes_refuses_is_reported_and_no_pod_waits_for_it():
    async def scenario(api, life):
        operator = life()
        api.faults.append(Fault("POST secrets", 403, "Forbidden"))
        await operator.reconcile()
        assert status_of(api)["message"].startswith("Kubernetes refuses the Secret mosaic-u1-")
        assert (api.created, operator.waits) == ([], [30])
        await operator.reconcile()

    assert play(scenario).created == ["ndsi-plan"]


def test_a_request_that_was_deleted_meanwhile_is_forgotten():
    async def scenario(api, life):
        operator = life()
        del api.requests[KEY]
        await operator.reconcile(see=False)
        assert not api.requests
        operator.waits.clear()
        await operator.reconcile()
        assert operator.waits == []

    play(scenario)


def test_an_event_that_is_refused_does_not_hold_the_request_up():
    async def scenario(api, life):
        operator = life()
        api.faults.append(Fault("POST events", 403, "Forbidden"))
        await operator.reconcile()
        assert status_of(api)["phase"] == "Planning"
        api.work()
        await operator.reconcile()

    api = play(scenario)
    assert status_of(api)["phase"] == "Running"
    assert api.created == ["ndsi-plan", "ndsi-tiles"]


def test_an_operator_that_could_not_renew_its_lease_changes_nothing():
    async def scenario(api, life):
        operator = life()
        operator.cluster.leads_until = monotonic()
        await operator.reconcile()
        assert not [call for call in api.calls if not call.startswith("GET")]
        assert operator.waits == [1]
        operator.cluster.leads_until = monotonic() + 15
        await operator.reconcile()

    assert play(scenario).created == ["ndsi-plan"]


def test_an_object_that_is_gone_before_its_change_is_no_failure():
    async def scenario(api, life):
        operator = life()
        await operator.reconcile()
        api.requests[KEY]["spec"]["execution"]["cancel"] = True
        api.touch(KEY)
        operator.see()
        api.jobs.clear()
        await operator.reconcile(see=False)
        assert status_of(api)["phase"] == "Cancelled"
        assert [call for call in api.calls[-5:] if not call.startswith("DELETE mosaic-")] == [
            "DELETE ndsi-plan",
            "PATCH status",
            "POST events",
            "PATCH ndsi",
        ]

    play(scenario)


def test_a_job_that_went_before_the_watch_began_is_forgotten_and_made_again():
    async def scenario(api, life):
        await life().reconcile()
        api.work()
        operator = life()
        api.jobs.clear()
        api.pods.clear()
        await operator.reconcile(see=False)  # its Job was listed, and no event says that it has gone
        await operator.reconcile(see=False)

    assert play(scenario).created == ["ndsi-plan", "ndsi-plan"]


def test_a_pod_of_a_lost_node_is_counted_as_failed_and_deleted():
    async def scenario(api, life):
        operator = life()
        await operator.reconcile()
        api.work()
        await operator.reconcile()
        pod = pod_of(api.jobs["team", "ndsi-tiles"], 0)
        pod["metadata"]["deletionTimestamp"] = "2025-12-31T23:59:00Z"
        api.pods[pod["metadata"]["name"]] = pod
        api.jobs["team", "ndsi-tiles"]["status"]["failed"] = 1  # so that pods are looked at
        await operator.reconcile()
        assert pod["metadata"]["name"] not in api.pods
        assert api.patched["status"] == {
            "phase": "Failed",
            "reason": "NodeLost",
            "conditions": [
                {
                    "type": "DisruptionTarget",
                    "status": "True",
                    "reason": "NodeLost",
                    "message": "the node does not respond",
                }
            ],
        }

    play(scenario)
