"""Which work folders a sweep keeps, and a sweep whose node does not answer. Runs on a fake API server."""

import asyncio
from datetime import timedelta

import pytest
from mosaic_crds.names import LABEL_STEP
from mosaic_operator import sweeping
from mosaic_operator.manifests import sweep_input, sweep_manifest
from mosaic_operator.requests import RequestState
from mosaic_operator.sweeping import give_up_lost, living, see_through

from support.operator.operator_api import ApiServer, Fault, serving
from support.operator.operator_world import START, finish, job_of, pod_of, request, settings

SWEEP = "mosaic-operator-1-sweep"


def uids_of_sweep(uid: str, **status) -> RequestState:
    return RequestState(request(uid=uid) | {"status": status})


def test_the_work_of_running_and_recently_failed_requests_is_kept():
    started = {"startTime": "2025-12-31T00:00:00Z"}
    requests = [
        uids_of_sweep("running", phase="Running", **started),
        uids_of_sweep("suspended", phase="Suspended", **started),
        uids_of_sweep("lately failed", phase="Failed", completionTime="2025-12-31T12:00:00Z", **started),
        uids_of_sweep("long failed", phase="Failed", completionTime="2025-12-30T12:00:00Z", **started),
        uids_of_sweep("succeeded", phase="Succeeded", completionTime="2025-12-31T23:59:00Z", **started),
        uids_of_sweep("waiting", phase="Pending"),
    ]
    assert living(requests, settings(keep_failed="1d"), START) == ["lately failed", "running", "suspended"]


def a_sweep(api: ApiServer, name: str = SWEEP):
    """A sweep whose pod exceeded its deadline a minute ago."""
    job = job_of(sweep_manifest(name, sweep_input([], settings(), START), settings()))
    api.jobs["default", name] = job
    pod = pod_of(job)
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    api.pods[pod["metadata"]["name"]] = pod
    return job, pod


def test_its_pod_on_a_lost_node_counts_as_failed_and_is_deleted_after_a_moment():
    async def scenario():
        async with serving() as (api, cluster):
            _, pod = a_sweep(api)
            await give_up_lost(cluster, settings(), START + timedelta(seconds=10))
            assert api.pods
            await give_up_lost(cluster, settings(), START + timedelta(seconds=60))
            assert not api.pods
            assert api.patched["status"]["phase"] == "Failed"
            assert api.calls[-2:] == ["PATCH status", f"DELETE {pod['metadata']['name']}"]

    asyncio.run(scenario())


def test_accepts_that_a_pod_was_deleted_meanwhile():
    async def scenario():
        async with serving() as (api, cluster):
            a_sweep(api)
            api.faults.append(Fault("PATCH status", 404, "NotFound"))
            await give_up_lost(cluster, settings(), START + timedelta(seconds=60))

    asyncio.run(scenario())


def test_watches_a_sweep_until_its_end_although_the_api_server_fails_meanwhile(monkeypatch):
    monkeypatch.setattr(sweeping, "LOOK_SECONDS", 0)

    async def scenario():
        async with serving() as (api, cluster):
            job, _ = a_sweep(api)
            api.faults.append(Fault("GET pods", 500, times=2))
            looking = asyncio.create_task(see_through(cluster, settings(), SWEEP))
            while api.pods:
                assert not looking.done()
                await asyncio.sleep(0)
            finish(job)
            await asyncio.wait_for(looking, 10)

    asyncio.run(scenario())


@pytest.mark.parametrize("step", ["plan", "tiles"])
def test_ignores_pods_of_requests(step):
    async def scenario():
        async with serving() as (api, cluster):
            _, pod = a_sweep(api)
            pod["metadata"]["labels"][LABEL_STEP] = step
            await give_up_lost(cluster, settings(), START + timedelta(seconds=60))
            assert api.pods

    asyncio.run(scenario())
