"""A request that cannot make progress ends as Failed and frees its slot. Runs on a fake API server."""

import asyncio
import copy

import pytest
from mosaic_operator import giving_up
from mosaic_operator.backoff import SECONDS, TRIES, Backoff, RetryLaterError

from support.operator.operator_api import ApiServer, Fault, Operator, serving
from support.operator.operator_world import request, settings

KEY = ("team", "ndsi")
LONG = "999999d999999d999999d999999d"


def run_scenario(scenario, **execution) -> ApiServer:
    async def run() -> ApiServer:
        async with serving() as (api, cluster):
            api.apply(request(**execution))
            await scenario(api, Operator(api, cluster))
            return api

    return asyncio.run(run())


def status_of(api: ApiServer) -> dict:
    return api.requests[KEY].get("status", {})


@pytest.mark.parametrize("field", ["deadline", "ttlAfterFinished", "rangeDeadline"])
def test_a_request_with_a_duration_that_only_older_versions_accepted_fails_with_an_explanation(field):
    async def scenario(api, operator):
        await operator.reconcile()
        api.requests[KEY]["spec"]["execution"][field] = LONG
        api.touch(KEY)
        await operator.reconcile()

    api = run_scenario(scenario)
    assert status_of(api)["phase"] == "Failed"
    assert f'spec.execution.{field} is "{LONG}"; it must be at most' in status_of(api)["message"]
    assert not api.jobs


@pytest.mark.parametrize("execution", [[], "soon", {"parallelism": 10**400}, {"suspend": "yes"}, {"deadline": None}])
def test_an_invalid_execution_ends_only_its_own_request(execution):
    async def scenario(api, operator):
        api.requests[KEY]["spec"]["execution"] = execution
        api.touch(KEY)
        api.apply(request("other", "u2"))
        await operator.reconcile()
        await operator.reconcile(("team", "other"))

    api = run_scenario(scenario)
    assert status_of(api)["phase"] == "Failed"
    assert "spec.execution" in status_of(api)["message"]
    assert api.requests["team", "other"]["status"]["phase"] == "Planning"


def odd(api: ApiServer) -> None:
    """Put a value into the status that no model expects, so that every reconciliation of the request fails."""
    api.requests[KEY]["status"] |= {"suspendedSeconds": "for a while"}
    api.touch(KEY)


def test_a_request_whose_reconciliation_keeps_failing_ends_as_failed_without_its_job():
    async def scenario(api, operator):
        await operator.reconcile()
        odd(api)
        operator.waits.clear()
        for _ in range(TRIES):
            await operator.reconcile()
        assert operator.waits == [2, 4, 8, 16, 32]

    api = run_scenario(scenario)
    assert status_of(api)["phase"] == "Failed"
    assert "the operator cannot process the request: an unexpected" in status_of(api)["message"]
    assert status_of(api)["completionTime"]
    assert not api.jobs
    assert api.events[-1][0] == "Failed"


@pytest.mark.parametrize("refused", [1, 2])
def test_a_request_whose_final_status_is_refused_frees_its_slot(refused, monkeypatch):
    limited = settings(max_running=1)
    monkeypatch.setattr("support.operator.operator_api.settings", lambda: limited)

    async def scenario(api, operator):
        await operator.reconcile()
        api.apply(request("waiting", "u2"))
        await operator.reconcile(("team", "waiting"))
        assert api.requests["team", "waiting"]["status"]["phase"] == "Pending"
        odd(api)
        api.faults.append(Fault("PATCH status", 422, "Invalid", times=refused))
        for _ in range(TRIES):
            await operator.reconcile()
        assert not api.jobs
        await operator.reconcile(("team", "waiting"))
        assert api.requests["team", "waiting"]["status"]["phase"] == "Planning"
        await operator.reconcile()

    api = run_scenario(scenario)
    ended = status_of(api)["phase"] == "Failed"
    assert ended is (refused == 1)  # accepts the minimal status where it refused the first one


def test_a_refused_final_status_is_written_later(monkeypatch):
    monkeypatch.setattr(giving_up, "RETRY_SECONDS", 0)

    async def scenario(api, operator):
        await operator.reconcile()
        odd(api)
        api.faults.append(Fault("PATCH status", 422, "Invalid", times=2))
        for _ in range(TRIES):
            await operator.reconcile()
        assert status_of(api)["phase"] == "Planning"
        await operator.reconcile()

    assert status_of(run_scenario(scenario))["phase"] == "Failed"


def test_a_status_that_is_always_refused_is_replaced_by_a_shorter_failed_one():
    async def scenario(api, operator):
        api.faults.append(Fault("PATCH status", 422, "Invalid", times=TRIES + 1))
        for _ in range(TRIES):
            await operator.reconcile()

    api = run_scenario(scenario)
    assert status_of(api)["phase"] == "Failed"
    assert "refused: Invalid" in status_of(api)["message"]


def test_a_foreign_job_of_the_same_name_does_not_occupy_the_slot_forever():
    clock = [0.0]

    async def scenario(api, operator):
        await operator.reconcile()
        stranger = copy.deepcopy(api.jobs["team", "ndsi-plan"])
        stranger["metadata"].pop("ownerReferences")
        api.jobs["team", "ndsi-plan"] = stranger
        operator.use_clock(lambda: clock[0])
        for seconds in (0, SECONDS / 2, SECONDS):
            clock[0] = seconds
            await operator.reconcile()
        assert ("team", "ndsi-plan") in api.jobs

    api = run_scenario(scenario)
    assert status_of(api)["phase"] == "Failed"
    assert "another Job ndsi-plan has to be deleted first" in status_of(api)["message"]


def test_constant_changes_of_a_request_do_not_prevent_its_final_status():
    clock = [0.0]

    async def scenario(api, operator):
        operator.use_clock(lambda: clock[0])
        api.faults.append(Fault("PATCH status", 409, "Conflict", times=3))
        for seconds in (0, SECONDS / 2, SECONDS):
            clock[0] = seconds
            await operator.reconcile()

    assert status_of(run_scenario(scenario))["phase"] == "Failed"


def test_an_outage_of_the_api_server_for_a_day_ends_no_request():
    from mosaic_operator.kube import ApiError

    clock = [0.0]
    patience = Backoff(lambda: clock[0])
    for _ in range(2000):
        clock[0] += 60
        for status in (0, 429, 503):
            assert patience.failed("a", ApiError(status, "", "away")) is not None


def test_a_success_resets_the_count_of_failures():
    patience = Backoff(lambda: 0.0)
    for _ in range(3 * TRIES):
        assert patience.failed("a", ValueError()) == 2
        patience.worked("a")


def test_retries_of_a_waiting_key_become_less_frequent():
    patience = Backoff(lambda: 0.0)
    assert [patience.failed("a", RetryLaterError()) for _ in range(7)] == [0.5, 1, 2, 4, 8, 10, 10]
