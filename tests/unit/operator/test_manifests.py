"""The manifests of Jobs, checked without a cluster."""

import json
from uuid import uuid4

import pytest
from mosaic_crds.errors import RequestError
from mosaic_crds.validation import load_request
from mosaic_crds.worker_pod import Step
from mosaic_operator.manifests import step_manifests, sweep_input, sweep_manifest, sweep_secret
from mosaic_operator.requests import RequestState
from mosaic_worker.pod import main

from support.operator.operator_world import START, job_of, planned, request, settings
from support.operator.running_pods import environment_of, given_to
from support.scenes.large_requests import largest_request

JOB_STEPS = [Step.PLAN, Step.TILES, Step.FINALIZE]
STORE_KEY = "wJalrXUtnFEMI/K7MDENG"


def manifest(step: Step, ranges: int = 12, **execution):
    return step_manifests(RequestState(request(**execution)), step, settings(), planned(ranges))[1]


@pytest.mark.parametrize("step", JOB_STEPS)
def test_pods_meet_the_restricted_pod_security_standard_and_have_no_token(step):
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
def test_the_request_owns_its_jobs_and_their_input(step):
    for made in step_manifests(RequestState(request()), step, settings(), planned(12)):
        (owner,) = made["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"], owner["controller"]) == ("MosaicRequest", "u1", True)
        assert owner["blockOwnerDeletion"] is False


@pytest.mark.parametrize("step", JOB_STEPS)
def test_the_worker_reads_the_request_from_its_input(step, tmp_path):
    secret, job = step_manifests(RequestState(request(parallelism=5)), step, settings(), planned(12))
    read = load_request(given_to(job, secret, tmp_path))
    assert (read.metadata.name, read.metadata.namespace, read.metadata.uid) == ("ndsi", "team", "u1")
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == [str(step)]
    assert environment_of(job)["MOSAIC_PARALLELISM"] == "5"


def test_mutable_fields_of_a_request_are_not_in_the_input_of_pods():
    secrets = [
        step_manifests(RequestState(request(**execution)), Step.PLAN, settings(), planned())[0]
        for execution in ({"parallelism": 3}, {"parallelism": 4, "suspend": True})
    ]
    assert secrets[0] == secrets[1]


@pytest.mark.parametrize("step", JOB_STEPS)
@pytest.mark.parametrize("variable", ["AZURE_STORAGE_KEY", "MY_OWN", "MOSAIC_STORE", "MOSAIC_INPUT_SHA256"])
def test_kubernetes_expands_no_variables_in_text_of_users(step, variable, tmp_path, capsys):
    pod = {
        "image": "worker:1",
        "env": [{"name": "MY_OWN", "value": STORE_KEY}],
        "envFrom": [{"secretRef": {"name": "store"}}],
    }
    requested = request()
    href = f"$({variable})/$$(X)/green.tif"
    requested["spec"]["source"]["files"]["scenes"][0]["bands"]["green"] = href
    configured = settings(worker_pod=json.dumps(pod), store=f"file://{tmp_path}/store", allowed_hosts="example.org")
    secret, job = step_manifests(RequestState(requested), step, configured, planned(12))
    environment = environment_of(job, store={"AZURE_STORAGE_KEY": STORE_KEY})
    assert [name for name, value in environment.items() if STORE_KEY in value] == ["AZURE_STORAGE_KEY", "MY_OWN"]
    read = given_to(job, secret, tmp_path, environment)
    assert read["spec"]["source"]["files"]["scenes"][0]["bands"]["green"] == href
    if step is Step.PLAN:
        assert main(["plan"], environment) == 42
        output = capsys.readouterr().err
        assert href in output
        assert STORE_KEY not in output


def test_settings_of_the_administrator_reach_the_worker_unchanged():
    written = settings(store="s3://bucket/$(HOME)/a$b$$", allowed_hosts="$(X).example.org")
    _, job = step_manifests(RequestState(request()), Step.PLAN, written, planned())
    environment = environment_of(job)
    assert environment["MOSAIC_STORE"] == written.store
    assert environment["MOSAIC_ALLOWED_HOSTS"] == written.allowed_hosts


def test_a_range_is_retried_alone_unless_the_request_is_at_fault():
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


def test_pods_tolerate_an_unreachable_node_only_briefly():
    tolerations = manifest(Step.TILES)["spec"]["template"]["spec"]["tolerations"]
    assert {entry["key"]: entry["tolerationSeconds"] for entry in tolerations} == {
        "node.kubernetes.io/not-ready": 30,
        "node.kubernetes.io/unreachable": 30,
    }


def test_worker_pods_have_the_settings_of_the_chart():
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
        "affinity": {"podAntiAffinity": {}},
        "topologySpreadConstraints": [{"topologyKey": "zone"}],
        "labels": {"team": "snow"},
    }
    configured = settings(worker_pod=json.dumps(pod))
    for step, memory in ((Step.PLAN, "1Gi"), (Step.TILES, "2Gi")):
        requested = RequestState(request(priorityClass="low"))
        template = step_manifests(requested, step, configured, planned(image="registry.example/worker:2"))[1]["spec"][
            "template"
        ]
        spec = template["spec"]
        (container,) = spec["containers"]
        assert template["metadata"]["labels"]["team"] == "snow"
        assert spec["serviceAccountName"] == "workers"
        for key in ("nodeSelector", "affinity", "topologySpreadConstraints"):
            assert spec[key] == pod[key]
        assert (container["image"], spec["priorityClassName"]) == ("registry.example/worker:2", "low")
        assert container["resources"]["limits"]["memory"] == memory
        assert container["env"][0] == pod["env"][0]
        assert container["envFrom"] == pod["envFrom"]
        assert pod["volumeMounts"][0] in container["volumeMounts"]


def test_a_sweep_gets_the_uids_of_any_number_of_requests(tmp_path):
    living = [str(uuid4()) for _ in range(20_000)]
    given = sweep_input(living, settings(sweep_age="30m"), START)
    job = job_of(sweep_manifest("mosaic-operator-5-sweep", given, settings()))
    secret = sweep_secret(given, job)
    assert given_to(job, secret, tmp_path) == {"living": living, "before": START.timestamp() - 1800}
    assert "mosaics.arbutus.dev/request" not in job["metadata"]["labels"]
    (owner,) = secret["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Job", "mosaic-operator-5-sweep", "job-1")


def test_a_request_at_the_limits_of_the_contract_fits(tmp_path):
    requested = largest_request()
    assert len(json.dumps(requested["spec"])) > 1_000_000
    load_request(requested)
    for step in JOB_STEPS:
        secret, job = step_manifests(RequestState(requested), step, settings(), planned(1000))
        assert given_to(job, secret, tmp_path)["spec"] == requested["spec"]


def test_refuses_a_request_that_is_too_large_in_total():
    requested = largest_request()
    requested["spec"]["source"]["files"]["scenes"][0]["bands"]["nir"] = "https://example.org/" + "x" * 4000
    for scene in requested["spec"]["source"]["files"]["scenes"][:40]:
        scene["bands"]["blue"] = "https://example.org/" + "x" * 4000
    with pytest.raises(RequestError, match=r"spec has 1,\d{3},\d{3} bytes as JSON, and the limit is 1,048,576"):
        load_request(requested)


def test_equal_requests_have_equal_jobs():
    assert manifest(Step.TILES) == manifest(Step.TILES)


@pytest.mark.parametrize("step", JOB_STEPS)
def test_only_pods_that_read_from_earth_daily_get_its_account(step):
    configured = settings(source_secrets='{"earthDaily": "earth-daily"}')
    plain, earthly = request(), request()
    earthly["spec"]["source"] = {"earthDaily": {"collection": "ai-ready-mosaics", "datetime": "2024-07-01"}}
    secrets = [
        step_manifests(RequestState(document), step, configured, planned())[1]["spec"]["template"]["spec"][
            "containers"
        ][0]["envFrom"]
        for document in (plain, earthly)
    ]
    assert secrets == [[], [{"secretRef": {"name": "earth-daily"}}]]


@pytest.mark.parametrize("step", JOB_STEPS)
def test_pods_that_read_scenes_get_the_account_for_buckets_with_a_prefix(step):
    configured = settings(source_buckets_secret="buckets")
    _, job = step_manifests(RequestState(request()), step, configured, planned())
    (container,) = job["spec"]["template"]["spec"]["containers"]
    reads = [{"prefix": "MOSAIC_SOURCES_", "secretRef": {"name": "buckets"}}]
    assert container["envFrom"] == ([] if step is Step.FINALIZE else reads)


def test_a_shared_service_limits_the_number_of_pods():
    _, job = step_manifests(RequestState(request(parallelism=8)), Step.TILES, settings(), planned(12), 3)
    assert job["spec"]["parallelism"] == 3
