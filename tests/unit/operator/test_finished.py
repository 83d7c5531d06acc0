"""Finished requests cost nothing: the operator labels them and leaves them out of lists and watches. Runs on a fake API
server.
"""

import asyncio
import copy
from datetime import timedelta

import pytest
from mosaic_crds.names import LABEL_FINISHED
from mosaic_operator import kube, slots
from mosaic_operator.cache import Cache
from mosaic_operator.requests import RequestState
from mosaic_operator.resync import compare, fill
from mosaic_operator.retention import delete_old
from mosaic_operator.slots import Slots
from mosaic_operator.sweeping import start

from support.operator.operator_api import ApiServer, Fault, Operator, serving
from support.operator.operator_world import START, finish, request, settings

KEY = ("team", "ndsi")


def run_scenario(scenario) -> ApiServer:
    async def run() -> ApiServer:
        async with serving() as (api, cluster):
            await scenario(api, cluster)
            return api

    return asyncio.run(run())


def finished_by_older_version(number: int, phase: str = "Succeeded", **status) -> dict:
    """A request that an older version finished."""
    ended = {"phase": phase, "startTime": "2025-12-01T00:00:00Z", "completionTime": "2025-12-01T00:01:00Z"}
    return request(f"r{number}", f"u{number}") | {"status": ended | status}


def labels(document: dict) -> dict:
    return document["metadata"].get("labels") or {}


async def until_finished(api: ApiServer, operator: Operator) -> None:
    for _ in range(4):
        await operator.reconcile()
        api.work()


def test_a_finished_request_and_its_jobs_are_labelled_and_then_forgotten():
    async def scenario(api, cluster):
        api.apply(request())
        operator = Operator(api, cluster)
        await until_finished(api, operator)
        operator.update_cache()
        assert not operator.cache.requests
        assert not operator.cache.jobs

    api = run_scenario(scenario)
    assert labels(api.requests[KEY])[LABEL_FINISHED] == "Succeeded"
    assert [labels(job)[LABEL_FINISHED] for job in api.jobs.values()] == ["Succeeded"] * 3
    assert [job["spec"]["ttlSecondsAfterFinished"] for job in api.jobs.values()] == [86400] * 3


def test_a_start_reads_no_labelled_request_and_labels_those_of_older_versions():
    async def scenario(api, cluster):
        for number in range(60):
            api.apply(finished_by_older_version(number))
        cache = Cache()
        await fill(cluster, settings(), cache)
        assert not cache.requests
        assert all(labels(found) == {LABEL_FINISHED: "Succeeded"} for found in api.requests.values())
        api.apply(request())
        api.calls.clear()
        await fill(cluster, settings(), cache)
        assert list(cache.requests) == [KEY]
        assert api.calls == ["GET jobs", "GET mosaicrequests"]

    run_scenario(scenario)


def test_a_start_reads_many_large_requests_in_pages(monkeypatch):
    monkeypatch.setattr(kube, "MOST_BYTES", 1000)

    async def scenario(api, cluster):
        for number in range(60):
            api.apply(request(f"r{number}", f"u{number}"))
        cache = Cache()
        await fill(cluster, settings(), cache)
        assert len(cache.requests) == 60
        assert api.calls.count("GET mosaicrequests") == 4

    run_scenario(scenario)


def test_a_list_that_takes_too_long_goes_on_with_later_objects(monkeypatch):
    monkeypatch.setattr(kube, "MOST_BYTES", 1000)

    async def scenario(api, cluster):
        for number in range(60):
            api.apply(request(f"r{number}", f"u{number}"))
        api.expires = 1
        cache = Cache()
        await fill(cluster, settings(), cache)
        assert len(cache.requests) == 60
        assert api.expires == 0

    run_scenario(scenario)


def test_a_start_continues_after_an_outage_of_the_api_server(monkeypatch):
    monkeypatch.setattr("mosaic_operator.resync.RETRY_SECONDS", 0)

    async def scenario(api, cluster):
        api.apply(request())
        api.faults.append(Fault("GET mosaicrequests", 503))
        cache = Cache()
        await fill(cluster, settings(), cache)
        assert list(cache.requests) == [KEY]

    run_scenario(scenario)


def test_a_removed_label_is_set_again_and_nothing_else_happens():
    async def scenario(api, cluster):
        api.apply(request())
        operator = Operator(api, cluster)
        await until_finished(api, operator)
        del api.requests[KEY]["metadata"]["labels"]
        api.touch(KEY)
        before, status = len(api.created), copy.deepcopy(api.requests[KEY]["status"])
        await operator.reconcile()
        assert labels(api.requests[KEY]) == {LABEL_FINISHED: "Succeeded"}
        assert (len(api.created), api.requests[KEY]["status"]) == (before, status)

    run_scenario(scenario)


def test_a_running_request_with_a_forged_finished_label_continues():
    async def scenario(api, cluster):
        api.apply(request())
        operator = Operator(api, cluster)
        await operator.reconcile()
        api.requests[KEY]["metadata"]["labels"] = {LABEL_FINISHED: "Succeeded"}
        api.touch(KEY)
        await operator.reconcile()
        assert LABEL_FINISHED not in labels(api.requests[KEY])
        api.work()
        await operator.reconcile()
        assert api.requests[KEY]["status"]["phase"] == "Running"

    run_scenario(scenario)


def test_a_job_that_appears_after_the_end_of_its_request_is_deleted():
    async def scenario(api, cluster):
        api.apply(request())
        operator = Operator(api, cluster)
        await operator.reconcile()
        job = copy.deepcopy(api.jobs["team", "ndsi-plan"])
        api.requests[KEY]["spec"]["execution"]["cancel"] = True
        api.touch(KEY)
        await operator.reconcile()
        api.jobs["team", "ndsi-plan"] = job
        await operator.reconcile()
        assert not api.jobs

    run_scenario(scenario)


def test_a_job_that_ends_after_its_request_gets_its_time_to_live():
    async def scenario(api, cluster):
        api.apply(request())
        operator = Operator(api, cluster)
        await until_finished(api, operator)
        job = api.jobs["team", "ndsi-plan"]
        del job["metadata"]["labels"][LABEL_FINISHED], job["spec"]["ttlSecondsAfterFinished"]
        await operator.reconcile()
        assert api.jobs["team", "ndsi-plan"]["spec"]["ttlSecondsAfterFinished"] == 86400
        assert not operator.cache.strays

    run_scenario(scenario)


def test_deletes_the_jobs_of_a_deleted_request_that_a_finalizer_retains():
    async def scenario(api, cluster):
        api.apply(request())
        operator = Operator(api, cluster)
        await operator.reconcile()
        api.requests[KEY]["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a/b"]}
        api.touch(KEY)
        await operator.reconcile()
        assert not api.jobs

    run_scenario(scenario)


def test_deletions_during_a_lost_watch_are_noticed():
    async def scenario(api, cluster):
        api.apply(request())
        api.apply(request("kept", "u2"))
        operator = Operator(api, cluster)
        await operator.reconcile()
        operator.update_cache()
        del api.requests[KEY]
        api.jobs.clear()
        reported = []
        await compare(cluster, settings(), operator.cache, reported.append)
        assert list(operator.cache.requests) == [("team", "kept")]
        assert not operator.cache.jobs
        assert set(reported) == {KEY}

    run_scenario(scenario)


def test_events_of_two_objects_in_the_wrong_order_leave_the_newer_one():
    cache = Cache()
    old, new = request(uid="old"), request(uid="new")
    new["metadata"]["resourceVersion"] = "9"
    cache.see_request("ADDED", new)
    assert cache.see_request("MODIFIED", old) is None
    cache.see_request("DELETED", old)
    assert cache.requests[KEY].uid == "new"


def test_a_large_request_is_cached_without_its_scenes():
    large = request()
    large["spec"]["source"]["files"]["scenes"] *= 500
    large["metadata"]["managedFields"] = [{"fieldsV1": {}}]
    cache = Cache()
    cache.see_request("ADDED", large)
    assert len(str(cache.requests[KEY].document)) < 500


def test_admissions_are_computed_only_after_a_change(monkeypatch):
    computed = []
    monkeypatch.setattr(slots, "admissions", lambda *given: computed.append(1) or slots_admissions(*given))
    cache = Cache()
    for number in range(100):
        cache.see_request("ADDED", request(f"r{number}", f"u{number}"))
    found = Slots(cache, settings(), lambda: START)
    for _ in range(10):
        for one in cache.requests.values():
            found.admission(one)
    assert len(computed) == 1
    changed = request("r1", "u1") | {"status": {"phase": "Pending", "message": "another place"}}
    changed["metadata"]["resourceVersion"] = "2"
    cache.see_request("MODIFIED", changed)
    found.admission(cache.requests["team", "r1"])
    assert len(computed) == 1


slots_admissions = slots.admissions


def test_keeps_requests_forever_unless_the_chart_sets_a_limit():
    async def scenario(api, cluster):
        api.apply(finished_by_older_version(1))
        await fill(cluster, settings(), Cache())
        await delete_old(cluster, settings(), START)

    assert len(run_scenario(scenario).requests) == 1


def test_deletes_only_requests_that_finished_long_ago():
    lately = (START - timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")

    async def scenario(api, cluster):
        for number in range(60):
            api.apply(finished_by_older_version(number))
        api.apply(finished_by_older_version(70, "Failed"))
        api.apply(finished_by_older_version(71, completionTime=lately))
        api.apply(finished_by_older_version(72, completionTime="never"))
        forged = request("forged", "u73") | {"status": {"phase": "Running", "completionTime": "2025-12-01T00:01:00Z"}}
        forged["metadata"]["labels"] = {LABEL_FINISHED: "Succeeded"}
        api.apply(request())
        await fill(cluster, settings(), Cache())
        api.apply(forged)
        await delete_old(cluster, settings(request_ttl="3d"), START)

    assert {name for _, name in run_scenario(scenario).requests} == {"r71", "r72", "forged", "ndsi"}


@pytest.mark.parametrize("status", [404, 409])
def test_accepts_that_a_request_was_deleted_meanwhile(status):
    async def scenario(api, cluster):
        for number in range(2):
            api.apply(finished_by_older_version(number))
        await fill(cluster, settings(), Cache())
        api.faults.append(Fault("DELETE r0", status))
        await delete_old(cluster, settings(request_ttl="3d"), START)

    assert list(run_scenario(scenario).requests) == [("team", "r0")]


def test_a_sweep_reads_no_succeeded_request_and_keeps_the_work_of_recent_failures():
    async def scenario(api, cluster):
        for number in range(60):
            api.apply(finished_by_older_version(number))
        api.apply(finished_by_older_version(70, "Failed", completionTime="2025-12-31T23:00:00Z"))
        api.apply(request() | {"status": {"phase": "Running", "startTime": "2025-12-31T23:00:00Z"}})
        await fill(cluster, settings(), Cache())
        api.calls.clear()
        await start(cluster, settings(), "a-sweep", START)
        assert api.calls.count("GET mosaicrequests") == 1
        (secret,) = api.secrets.values()
        assert secret["data"]

    api = run_scenario(scenario)
    assert LABEL_FINISHED in labels(api.requests["team", "r70"])


def test_ignores_the_state_of_a_finished_job():
    async def scenario(api, cluster):
        api.apply(request())
        operator = Operator(api, cluster)
        await until_finished(api, operator)
        finish(api.jobs["team", "ndsi-plan"], "Failed")
        api.calls.clear()
        await operator.reconcile()
        assert api.calls == []

    run_scenario(scenario)


@pytest.mark.parametrize("scenes", [1, 100])
def test_a_long_spec_is_not_kept_except_for_its_execution(scenes):
    whole = RequestState(request(suspend=True, parallelism=3))
    whole.document["spec"]["source"]["files"]["scenes"] *= scenes
    assert whole.slim.execution == whole.execution
    assert whole.slim.source_kind == whole.source_kind
    assert whole.slim.whole == (scenes == 1) == (whole.slim.document["spec"] == whole.document["spec"])
    assert whole.slim.slim.document == whole.slim.document


def test_a_spec_of_any_depth_can_be_kept():
    deep: list = []
    for _ in range(10_000):
        deep = [deep]
    found = RequestState(request())
    found.document["spec"]["area"] = {"geometry": deep}
    assert not found.slim.whole
