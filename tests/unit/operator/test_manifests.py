"""The Jobs that are submitted, looked at without a cluster."""

import json

import pytest
from mosaic_crds.names import Step
from mosaic_crds.validation import parse_request
from mosaic_operator.manifests import step_manifest, sweep_manifest
from mosaic_operator.observed import RequestState
from operator_world import START, request, settings

JOB_STEPS = [Step.PLAN, Step.TILES, Step.FINALIZE]


def manifest(step: Step, ranges: int = 12, **execution):
    return step_manifest(RequestState(request(**execution)), step, settings(), ranges)


def environment(job) -> dict[str, str]:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry["value"] for entry in container["env"]}


@pytest.mark.parametrize("step", JOB_STEPS)
def test_pods_meet_the_restricted_standard_and_have_no_token(step):
    pod = manifest(step)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]


@pytest.mark.parametrize("step", JOB_STEPS)
def test_the_request_itself_owns_its_jobs(step):
    (owner,) = manifest(step)["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("MosaicRequest", "u1", True)
    assert owner["blockOwnerDeletion"] is False


@pytest.mark.parametrize("step", JOB_STEPS)
def test_the_worker_reads_the_request_that_it_is_given(step):
    job = manifest(step)
    read = parse_request(environment(job)["MOSAIC_REQUEST"], "MOSAIC_REQUEST")
    assert (read.metadata.name, read.metadata.namespace, read.metadata.uid) == ("ndsi", "team", "u1")
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == [str(step)]


def test_a_range_is_tried_again_by_itself_but_not_when_the_request_is_at_fault():
    spec = manifest(Step.TILES, retriesPerRange=2, rangeDeadline="2m")["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 12, 8)
    assert (spec["backoffLimitPerIndex"], spec["maxFailedIndexes"]) == (2, 0)
    assert spec["template"]["spec"]["activeDeadlineSeconds"] == 120
    disruption, refusal = spec["podFailurePolicy"]["rules"]
    assert disruption["action"] == "Ignore"
    assert (refusal["action"], refusal["onExitCodes"]["values"]) == ("FailIndex", [42])


def test_plan_and_finalize_fail_as_a_whole_when_the_request_is_at_fault():
    for step in (Step.PLAN, Step.FINALIZE):
        spec = manifest(step)["spec"]
        assert spec["podFailurePolicy"]["rules"][1]["action"] == "FailJob"
        assert (spec["completions"], spec["backoffLimit"]) == (1, 3)


def test_pods_leave_a_lost_node_soon():
    tolerations = manifest(Step.TILES)["spec"]["template"]["spec"]["tolerations"]
    assert {entry["key"]: entry["tolerationSeconds"] for entry in tolerations} == {
        "node.kubernetes.io/not-ready": 30,
        "node.kubernetes.io/unreachable": 30,
    }


def test_what_the_chart_says_of_worker_pods_is_on_them():
    pod = {
        "image": "registry.example/worker:2",
        "imagePullSecrets": [{"name": "pull"}],
        "serviceAccountName": "workers",
        "resources": {"plan": {"limits": {"memory": "1Gi"}}, "tiles": {"limits": {"memory": "2Gi"}}},
        "env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "store", "key": "key"}}}],
        "envFrom": [{"secretRef": {"name": "store"}}],
        "volumes": [{"name": "store", "persistentVolumeClaim": {"claimName": "mosaics"}}],
        "volumeMounts": [{"name": "store", "mountPath": "/store"}],
        "nodeSelector": {"disk": "fast"},
        "labels": {"team": "snow"},
    }
    configured = settings(worker_pod=json.dumps(pod))
    for step, memory in ((Step.PLAN, "1Gi"), (Step.TILES, "2Gi")):
        template = step_manifest(RequestState(request(priorityClass="low")), step, configured)["spec"]["template"]
        spec = template["spec"]
        (container,) = spec["containers"]
        assert template["metadata"]["labels"]["team"] == "snow"
        assert (spec["serviceAccountName"], spec["nodeSelector"]) == ("workers", {"disk": "fast"})
        assert (container["image"], spec["priorityClassName"]) == ("registry.example/worker:2", "low")
        assert container["resources"]["limits"]["memory"] == memory
        assert container["env"][0] == pod["env"][0]
        assert container["envFrom"] == pod["envFrom"]
        assert pod["volumeMounts"][0] in container["volumeMounts"]


def test_a_sweep_is_told_who_lives():
    job = sweep_manifest("mosaic-operator-5-sweep", ["a", "b"], settings(sweep_age="30m"), START)
    assert environment(job)["MOSAIC_LIVING"] == "a,b"
    assert int(environment(job)["MOSAIC_SWEEP_BEFORE"]) == START.timestamp() - 1800
    assert "mosaics.arbutus.dev/request" not in job["metadata"]["labels"]


def test_the_same_request_gives_the_same_jobs():
    assert manifest(Step.TILES) == manifest(Step.TILES)


@pytest.mark.parametrize("step", JOB_STEPS)
def test_the_account_for_earth_daily_goes_only_to_those_that_read_from_there(step):
    configured = settings(earth_daily_secret="earth-daily")
    plain, earthly = request(), request()
    earthly["spec"]["source"] = {"earthDaily": {"collection": "ai-ready-mosaics", "datetime": "2024-07-01"}}
    secrets = [
        step_manifest(RequestState(document), step, configured)["spec"]["template"]["spec"]["containers"][0]["envFrom"]
        for document in (plain, earthly)
    ]
    assert secrets == [[], [{"secretRef": {"name": "earth-daily"}}]]


def test_pods_at_once_are_no_more_than_a_shared_service_allows():
    job = step_manifest(RequestState(request(parallelism=8)), Step.TILES, settings(), 12, 3)
    assert job["spec"]["parallelism"] == 3
