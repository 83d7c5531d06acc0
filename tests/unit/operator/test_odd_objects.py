"""An invalid API object affects nothing but itself. Runs on a fake API server."""

import asyncio
import copy
import json

import pytest
from kubernetes.aio.client import ApiException
from mosaic_crds.times import time_or_none
from mosaic_operator import leader_election, sweeping
from mosaic_operator.cache import Cache
from mosaic_operator.parsing import readable
from mosaic_operator.pods import PodState
from mosaic_operator.requests import RequestState, version
from mosaic_operator.sweeping import give_up_lost, sweep_now_and_then

from support.operator.operator_api import ApiServer, Operator, serving
from support.operator.operator_world import PLAN, START, ended, finish, pod_of, request, settings

KEY = ("team", "ndsi")


def run_scenario(scenario) -> ApiServer:
    async def run() -> ApiServer:
        async with serving() as (api, cluster):
            api.apply(request())
            await scenario(api, cluster)
            return api

    return asyncio.run(run())


def forged_pod(api: ApiServer, name: str, **metadata) -> dict:
    """A bare pod with the labels of the request's planning pod, which reports success."""
    pod = pod_of(api.jobs["team", "ndsi-plan"], **ended(0, PLAN | {"ranges": 99}))
    del pod["metadata"]["ownerReferences"]
    pod["metadata"]["labels"] |= {
        "batch.kubernetes.io/controller-uid": api.jobs["team", "ndsi-plan"]["metadata"]["uid"]
    }
    pod["metadata"] |= {"name": name, "uid": name} | metadata
    api.pods[name] = pod
    return pod


def test_ignores_a_bare_pod_with_forged_labels():
    async def scenario(api, cluster):
        operator = Operator(api, cluster)
        await operator.reconcile()
        forged_pod(api, "a-forged-one")
        api.work()
        await operator.reconcile()
        assert api.requests[KEY]["status"]["plan"]["ranges"] == PLAN["ranges"]

    run_scenario(scenario)


def test_ignores_a_bare_pod_that_is_being_deleted():
    async def scenario(api, cluster):
        operator = Operator(api, cluster)
        await operator.reconcile()
        forged_pod(api, "a-forged-one", deletionTimestamp="2025-12-31T23:00:00Z")
        api.jobs["team", "ndsi-plan"]["status"]["failed"] = 1
        await operator.reconcile()

    assert "a-forged-one" in run_scenario(scenario).pods


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"labels": {"mosaics.arbutus.dev/request": "ndsi", "mosaics.arbutus.dev/step": "dance"}}},
        {"metadata": {"labels": {"mosaics.arbutus.dev/request": "ndsi"}}},
        {"metadata": {"annotations": {"batch.kubernetes.io/job-completion-index": "0x1"}}},
        {"metadata": {"annotations": {"batch.kubernetes.io/job-completion-index": "9" * 5000}}},
        {"metadata": {"creationTimestamp": "0000-00-00T00:00:00Z"}},
        {"metadata": {"deletionTimestamp": "2026-13-01T00:00:00Z"}},
        {"metadata": {"ownerReferences": [{}]}},
        {"metadata": {"ownerReferences": [{"controller": True}]}},
        {"status": {"conditions": [{}]}},
        {"status": {"containerStatuses": [{}]}},
        {"status": {"containerStatuses": [{"name": "worker", "state": {"terminated": {"message": "[" * 4000}}}]}},
        {"status": {"containerStatuses": [{"name": "worker", "state": {"terminated": {"message": '"\\ud800"'}}}]}},
        {"status": {"phase": None}},
        {"spec": {"containers": []}},
        {"spec": {}},
    ],
    ids=lambda change: json.dumps(change)[:60],
)
def test_an_invalid_pod_stops_neither_its_request_nor_the_sweep(change):
    async def scenario(api, cluster):
        operator = Operator(api, cluster)
        await operator.reconcile()
        for name, labels in [("odd", None), ("odd-sweep", {"mosaics.arbutus.dev/step": "sweep"})]:
            pod = forged_pod(api, name)
            for part, values in change.items():
                pod[part] = values if part == "spec" else pod[part] | copy.deepcopy(values)
            pod["metadata"]["labels"] |= labels or {"mosaics.arbutus.dev/request": "ndsi"}
        api.work()
        await operator.reconcile()
        assert api.requests[KEY]["status"]["phase"] == "Running"
        await give_up_lost(cluster, settings(), START)

    run_scenario(scenario)


def test_a_sweep_that_fails_unexpectedly_is_retried_in_its_next_interval(monkeypatch):
    tries = []

    async def broken(*_):
        tries.append(1)
        raise KeyError("an odd pod")

    real_sleep = asyncio.sleep

    async def scenario(api, cluster):
        monkeypatch.setattr(sweeping, "see_through", broken)
        monkeypatch.setattr(asyncio, "sleep", lambda _: real_sleep(0))
        sweeps = asyncio.create_task(sweep_now_and_then(cluster, settings()))
        while len(tries) < 3:
            assert not sweeps.done()
            await real_sleep(0)
        sweeps.cancel()

    run_scenario(scenario)


@pytest.mark.parametrize(
    "job",
    [
        {"metadata": {"labels": {"mosaics.arbutus.dev/request": "ndsi", "mosaics.arbutus.dev/step": "dance"}}},
        {"metadata": {"labels": {}}},
        {"metadata": {"name": "somebody-elses"}},
        {"metadata": {"ownerReferences": [{"controller": True, "kind": "MosaicRequest"}]}},
        {"metadata": {"ownerReferences": None}},
        {"status": {"failedIndexes": "all-of-them"}},
        {"status": {"conditions": [{}]}},
        {"status": {"startTime": 7}},
        {"spec": None},
    ],
    ids=json.dumps,
)
def test_an_invalid_job_stops_nothing(job):
    async def scenario(api, cluster):
        await Operator(api, cluster).reconcile()
        odd = copy.deepcopy(api.jobs["team", "ndsi-plan"])
        finish(odd, "Failed", "Forged")
        odd["metadata"]["uid"] = "forged"
        for part, values in job.items():
            odd[part] = values if values is None else odd[part] | values
        cache = Cache()
        cache.see_job("ADDED", odd)
        cache.see_job("DELETED", odd)
        cache.see_job("ADDED", api.jobs["team", "ndsi-plan"])
        assert [found.uid for found in cache.jobs_of(RequestState(api.requests[KEY])).values()] == ["job-1"]

    run_scenario(scenario)


@pytest.mark.parametrize(
    "status",
    [
        {"phase": "Dancing"},
        {"phase": "Running", "startTime": "2026-13-45T99:99:99Z"},
        {"phase": "Running", "startTime": "2026-01-01"},
        {"phase": "Running", "conditions": [{}]},
        {"phase": "Running", "plan": {}},
        {"phase": "Running", "suspendedSeconds": 10**30},
        None,
    ],
    ids=json.dumps,
)
def test_an_invalid_request_does_not_delay_others(status):
    async def scenario(api, cluster):
        api.requests[KEY]["status"] = status
        del api.requests[KEY]["spec"]["source"]
        api.apply(request("other", "u2", "elsewhere"))
        operator = Operator(api, cluster)
        for key in (KEY, ("elsewhere", "other")):
            await operator.reconcile(key)
        assert api.requests["elsewhere", "other"]["status"]["phase"] == "Planning"
        for _ in range(8):
            await operator.reconcile()
            api.work()
        assert api.requests[KEY]["status"]["phase"] in {"Failed", "Succeeded"}

    run_scenario(scenario)


@pytest.mark.parametrize(
    "answer", [{}, {"ranges": "many"}, {"ranges": 0}, PLAN | {"ranges": 10**30}, PLAN | {"tiles": None}]
)
def test_an_invalid_result_of_planning_ends_the_request(answer):
    async def scenario(api, cluster):
        operator = Operator(api, cluster)
        await operator.reconcile()
        finish(api.jobs["team", "ndsi-plan"])
        pod = pod_of(api.jobs["team", "ndsi-plan"], **ended(0, answer))
        api.pods[pod["metadata"]["name"]] = pod
        await operator.reconcile()
        assert api.requests[KEY]["status"]["phase"] == "Failed"
        assert "worker.image" in api.requests[KEY]["status"]["message"]

    run_scenario(scenario)


def test_invalid_times_and_versions_are_treated_as_absent():
    assert time_or_none("2026-01-01T00:00:00Z") is not None
    assert [time_or_none(text) for text in ("", "soon", "2026-01-01", 7, None, "2026-13-01T00:00:00Z")] == [None] * 6
    assert version(RequestState({"metadata": {"resourceVersion": "abc"}})) == 0
    assert version(RequestState({"metadata": {}})) == 0


def test_unreadable_objects_are_skipped_and_logged(caplog):
    assert readable(PodState.of, [{"metadata": {"name": "odd", "namespace": "team"}}]) == []
    assert "skipping team/odd, which cannot be read" in caplog.text


def test_a_lease_with_invalid_times_does_not_stop_the_operator(monkeypatch):
    async def odd(*_):
        raise ValueError("year 0 is out of range")

    async def scenario(api, cluster):
        monkeypatch.setattr(leader_election.LeaseLock, "get", odd)
        there, why = await leader_election._PatientLock(cluster, settings()).get("mosaic-operator", "default")
        assert not there
        assert isinstance(why, ApiException)

    run_scenario(scenario)
