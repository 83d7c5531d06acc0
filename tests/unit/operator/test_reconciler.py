"""The operator with stale caches, failing calls, and crashes at any call. Runs on a fake API server."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

import pytest

from support.operator.operator_api import ApiServer, Fault, Operator, serving
from support.operator.operator_world import RESULT, pod_of, request

KEY = ("team", "ndsi")
JOBS = ["ndsi-plan", "ndsi-tiles", "ndsi-finalize"]
Life = Callable[[], Operator]


def run_scenario(scenario: Callable[[ApiServer, Life], Awaitable[None]]) -> ApiServer:
    """Run a scenario with a request, and start the operator again after each crash.

    Returns:
        The fake API server.
    """

    async def run() -> ApiServer:
        async with serving() as (api, cluster):
            api.apply(request())
            await scenario(api, lambda: Operator(api, cluster))
            return api

    return asyncio.run(run())


def status_of(api: ApiServer) -> dict:
    return api.requests[KEY].get("status", {})


async def until_finished(api: ApiServer, operator: Operator) -> None:
    for _ in range(6):
        await operator.reconcile()
        api.work()
    assert status_of(api)["phase"] == "Succeeded"


def test_each_phase_takes_one_write_and_one_event_and_a_finished_request_none():
    async def scenario(api, life):
        await until_finished(api, life())

    api = run_scenario(scenario)
    assert status_of(api)["result"] == RESULT
    assert api.created == JOBS
    assert [reason for reason, _ in api.events] == ["Planning", "Running", "Finalizing", "Succeeded"]
    assert api.calls.count("PATCH status") == 4
    assert api.calls.count("POST jobs") == 3


def count_of_calls() -> int:
    async def scenario(api, life):
        await until_finished(api, life())

    return len(run_scenario(scenario).calls)


@pytest.mark.slow
@pytest.mark.parametrize("done", [False, True], ids=["before its effect", "after its effect"])
def test_a_restart_reaches_the_same_end_after_a_crash_at_any_call(done):
    for number in range(count_of_calls()):

        async def scenario(api, life, number=number):
            api.faults.append(Fault(number, status=None, done=done))
            await life().reconcile()
            for _ in range(6):
                if api.died.is_set():
                    break
                api.work()
                await life().reconcile()
            assert api.died.is_set(), f"call {number} was not made"
            await until_finished(api, life())

        api = run_scenario(scenario)
        assert status_of(api)["result"] == RESULT
        assert api.created == JOBS, f"died at call {number}, {api.calls[number]}"
        assert not api.secrets, f"died at call {number}, {api.calls[number]}"
        reasons = [reason for reason, _ in api.events]
        assert len(reasons) == len(set(reasons))


def test_a_stale_cache_causes_no_conflict_and_no_second_job():
    async def scenario(api, life):
        operator = life()
        await operator.reconcile()
        for _ in range(3):
            await operator.reconcile(update_cache=False)  # the caches have neither the status nor the Job
        assert operator.waits == [10] * 4

    api = run_scenario(scenario)
    assert api.created == ["ndsi-plan"]
    assert api.calls.count("PATCH status") == 1
    assert status_of(api)["phase"] == "Planning"


def test_a_change_that_the_cache_has_not_seen_pauses_the_job_at_the_next_attempt():
    async def scenario(api, life):
        operator = life()
        api.requests[KEY]["spec"]["execution"]["suspend"] = True
        api.touch(KEY)
        await operator.reconcile(update_cache=False)
        assert "phase" not in status_of(api)
        assert operator.waits == [0.2]
        await operator.reconcile()

    api = run_scenario(scenario)
    assert status_of(api)["phase"] == "Suspended"
    assert api.jobs["team", "ndsi-plan"]["spec"]["suspend"] is True


def test_a_long_spec_is_read_again_with_its_changes_before_a_job_starts():
    async def scenario(api, life):
        api.requests[KEY]["spec"]["source"]["files"]["scenes"] *= 100
        operator = life()
        api.requests[KEY]["spec"]["execution"]["suspend"] = True
        api.touch(KEY)
        await operator.reconcile(update_cache=False)

    api = run_scenario(scenario)
    assert status_of(api)["phase"] == "Suspended"
    assert api.created == []


def test_does_not_overwrite_a_change_but_reconciles_again_immediately():
    async def scenario(api, life):
        operator = life()
        await operator.reconcile()
        api.work()
        await operator.reconcile()
        del api.jobs["team", "ndsi-tiles"]["status"]["startTime"]
        api.jobs["team", "ndsi-tiles"]["status"]["succeeded"] = 1
        operator.update_cache()
        api.requests[KEY]["spec"]["execution"]["suspend"] = True
        api.touch(KEY)
        operator.waits.clear()
        operator.let_cosmetics_through()
        await operator.reconcile(update_cache=False)
        assert status_of(api)["progress"]["rangesDone"] == 0
        assert operator.waits == [0.2]
        await operator.reconcile()

    api = run_scenario(scenario)
    assert status_of(api)["phase"] == "Suspended"
    assert api.jobs["team", "ndsi-tiles"]["spec"]["suspend"] is True


@pytest.mark.parametrize("status", [500, 429, 0], ids=["500", "429", "no answer"])
@pytest.mark.parametrize("done", [False, True], ids=["before its effect", "after its effect"])
def test_a_failed_call_leaves_the_status_to_the_next_attempt(status, done):
    async def scenario(api, life):
        operator = life()
        api.faults.append(Fault("POST jobs", status, done=done))
        await operator.reconcile()
        assert "phase" not in status_of(api)
        assert operator.waits == [1]
        await operator.reconcile(update_cache=False)

    api = run_scenario(scenario)
    assert api.created == ["ndsi-plan"]
    assert status_of(api)["phase"] == "Planning"


def test_a_status_is_reported_once_although_its_write_got_no_response():
    async def scenario(api, life):
        operator = life()
        api.faults.append(Fault("PATCH status", 0, done=True))
        await operator.reconcile()
        await operator.reconcile(update_cache=False)
        assert operator.waits == [1, 0.2]  # the second write is a conflict
        await operator.reconcile()

    api = run_scenario(scenario)
    assert status_of(api)["phase"] == "Planning"
    assert api.created == ["ndsi-plan"]


def test_retries_back_off_up_to_a_minute_and_reset_after_a_success():
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

    run_scenario(scenario)


def test_retries_after_conflicts_back_off_too():
    async def scenario(api, life):
        operator = life()
        api.faults.append(Fault("PATCH status", 409, "Conflict", times=6))
        for _ in range(6):
            await operator.reconcile()
        assert operator.waits == [0.2] * 4 + [16, 32]
        assert operator.metrics.registry.get_sample_value("mosaic_reconcile_errors_total", {"kind": "conflict"}) == 6

    run_scenario(scenario)


def test_waits_for_the_end_of_another_requests_job_of_the_same_name():
    async def scenario(api, life):
        await life().reconcile()
        api.apply(request(uid="u2"))
        operator = life()
        await operator.reconcile()
        assert "phase" not in status_of(api)
        assert operator.waits == [0.5]
        del api.jobs["team", "ndsi-plan"]
        await operator.reconcile()

    api = run_scenario(scenario)
    assert api.jobs["team", "ndsi-plan"]["metadata"]["ownerReferences"][0]["uid"] == "u2"
    assert status_of(api)["phase"] == "Planning"


@pytest.mark.parametrize("status", [403, 422])
def test_a_refused_job_is_reported_and_retried(status):
    async def scenario(api, life):
        operator = life()
        api.faults.append(Fault("POST jobs", status, "Forbidden"))
        await operator.reconcile()
        assert status_of(api)["message"] == "Kubernetes refuses the Job ndsi-plan: refused: Forbidden"
        assert operator.waits == [30]
        await operator.reconcile()

    assert run_scenario(scenario).created == ["ndsi-plan"]


def test_a_refused_secret_is_reported_and_no_pod_waits_for_it():
    async def scenario(api, life):
        operator = life()
        api.faults.append(Fault("POST secrets", 403, "Forbidden"))
        await operator.reconcile()
        assert status_of(api)["message"].startswith("Kubernetes refuses the Secret mosaic-u1-")
        assert (api.created, operator.waits) == ([], [30])
        await operator.reconcile()

    assert run_scenario(scenario).created == ["ndsi-plan"]


def test_a_request_that_was_deleted_meanwhile_is_forgotten():
    async def scenario(api, life):
        operator = life()
        del api.requests[KEY]
        await operator.reconcile(update_cache=False)
        assert not api.requests
        operator.waits.clear()
        await operator.reconcile()
        assert operator.waits == []

    run_scenario(scenario)


def test_a_refused_event_does_not_delay_the_request():
    async def scenario(api, life):
        operator = life()
        api.faults.append(Fault("POST events", 403, "Forbidden"))
        await operator.reconcile()
        assert status_of(api)["phase"] == "Planning"
        api.work()
        await operator.reconcile()

    api = run_scenario(scenario)
    assert status_of(api)["phase"] == "Running"
    assert api.created == ["ndsi-plan", "ndsi-tiles"]


def test_an_operator_without_its_lease_changes_nothing():
    async def scenario(api, life):
        operator = life()
        operator.cluster.leads_until = monotonic()
        await operator.reconcile()
        assert not [call for call in api.calls if not call.startswith("GET")]
        assert operator.waits == [1]
        operator.cluster.leads_until = monotonic() + 15
        await operator.reconcile()

    assert run_scenario(scenario).created == ["ndsi-plan"]


def test_accepts_that_an_object_was_deleted_before_its_change():
    async def scenario(api, life):
        operator = life()
        await operator.reconcile()
        api.requests[KEY]["spec"]["execution"]["cancel"] = True
        api.touch(KEY)
        operator.update_cache()
        api.jobs.clear()
        await operator.reconcile(update_cache=False)
        assert status_of(api)["phase"] == "Cancelled"
        assert [call for call in api.calls[-5:] if not call.startswith("DELETE mosaic-")] == [
            "DELETE ndsi-plan",
            "PATCH status",
            "POST events",
            "PATCH ndsi",
        ]

    run_scenario(scenario)


def test_a_job_that_was_deleted_before_the_watch_began_is_created_again():
    async def scenario(api, life):
        await life().reconcile()
        api.work()
        operator = life()
        api.jobs.clear()
        api.pods.clear()
        operator.cache.pods.clear()
        await operator.reconcile(update_cache=False)  # its Job was listed, and no event reports its deletion
        await operator.reconcile(update_cache=False)

    assert run_scenario(scenario).created == ["ndsi-plan", "ndsi-plan"]


def test_a_pod_of_a_lost_node_counts_as_failed_and_is_deleted():
    async def scenario(api, life):
        operator = life()
        await operator.reconcile()
        api.work()
        await operator.reconcile()
        pod = pod_of(api.jobs["team", "ndsi-tiles"], 0)
        pod["metadata"]["deletionTimestamp"] = "2025-12-31T23:59:00Z"
        api.pods[pod["metadata"]["name"]] = pod
        api.jobs["team", "ndsi-tiles"]["status"]["failed"] = 1  # so that pods are checked
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

    run_scenario(scenario)
