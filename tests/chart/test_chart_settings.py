"""The settings that the chart passes to the operator, as the operator parses them."""

import json
from typing import Any

import pytest
from mosaic_crds.worker_pod import Step
from mosaic_operator.settings import Settings, settings_from

from support.chart.rendering import (
    AUTHORITIES,
    AUTHORITIES_MOUNT,
    CHART,
    NAMESPACE,
    SPREAD,
    VARIANTS,
    environment,
    pods,
    render,
)


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_the_operator_accepts_its_settings_and_knows_each_variable(values: dict[str, Any]) -> None:
    variables = environment(render(values))
    settings_from(variables)
    known = {f"MOSAIC_{field.upper()}" for field in Settings.model_fields}
    assert {name for name in variables if name.startswith("MOSAIC_")} <= known


@pytest.mark.parametrize(
    ("values", "served"),
    [
        ({}, (NAMESPACE,)),
        ({"namespaces": ["forest"]}, ("forest",)),
        (VARIANTS["namespaces"], ("forest", "snow")),
        (VARIANTS["all namespaces"], ()),
    ],
)
def test_namespaces(values: dict[str, Any], served: tuple[str, ...]) -> None:
    assert settings_from(environment(render(values))).namespaces == served


def test_defaults_of_the_chart_equal_those_of_the_operator() -> None:
    chart, own = settings_from(environment(render())), settings_from({"MOSAIC_STORE": "x", "MOSAIC_WORKER_POD": _POD})
    set_by_chart = {"worker_pod", "store", "namespaces", "own_namespace", "own_name", "allowed_hosts"}
    assert chart.model_dump(exclude=set_by_chart) == own.model_dump(exclude=set_by_chart)


def test_every_value_reaches_the_operator() -> None:
    settings = settings_from(environment(render(VARIANTS["everything set"])))
    assert settings.allowed_hosts == "data.example.org,10.0.0.7:9000,*.example.net"
    assert (settings.max_pixels, settings.max_parallelism) == (40_000_000_000, 500)
    assert (settings.max_running, settings.max_running_per_namespace, settings.max_running_per_owner) == (9, 3, 2)
    assert (settings.priority_classes, settings.queues) == (("low", "batch"), ("research",))
    assert (settings.plan_deadline, settings.finalize_deadline) == (300, 36 * 3600)
    assert (settings.sweep_interval, settings.sweep_age, settings.keep_failed) == (600, 7200, 90)
    assert settings.request_ttl == 90 * 86400
    assert settings.log_level == "DEBUG"
    worker = settings.worker_pod
    assert (worker.image, worker.image_pull_policy) == ("localhost/mosaic-worker:dev", "Never")
    assert worker.image_pull_secrets == [{"name": "registry"}]
    assert worker.resources[Step.TILES]["limits"]["memory"] == "3Gi"
    assert worker.resources[Step.PLAN]["limits"]["memory"] == "1Gi"
    assert worker.env == [{"name": "GDAL_HTTP_USERAGENT", "value": 'a "quoted" $(POD_NAME) <text>'}]
    assert worker.node_selector == {"pool": "big"}
    assert worker.tolerations == [{"key": "spot", "operator": "Exists", "tolerationSeconds": 300}]
    assert worker.affinity == {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": []}}
    assert worker.topology_spread_constraints == [SPREAD]
    assert [volume["name"] for volume in worker.volumes] == ["store", "authorities"]
    assert (worker.volumes[1], worker.volume_mounts[1]) == (AUTHORITIES, AUTHORITIES_MOUNT)
    assert worker.labels.items() >= {"team": "snow", "app.kubernetes.io/component": "worker"}.items()
    assert worker.annotations == {"note": "x"}


def test_worker_pods_mount_the_claim_that_the_chart_makes() -> None:
    objects = render()
    settings = settings_from(environment(objects))
    claim = objects.one("PersistentVolumeClaim")
    assert claim["metadata"]["namespace"] == NAMESPACE
    assert claim["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "20Gi"}}}
    assert settings.worker_pod.volumes == [
        {"name": "store", "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}}
    ]
    assert settings.worker_pod.volume_mounts == [{"name": "store", "mountPath": "/store"}]
    assert settings.store == "file:///store"


def test_the_claim_is_in_the_namespace_of_the_workers() -> None:
    assert render({"namespaces": ["forest"]}).one("PersistentVolumeClaim")["metadata"]["namespace"] == "forest"


@pytest.mark.parametrize("variant", ["existing claim", "namespaces", "all namespaces"])
def test_uses_an_existing_claim_and_creates_none(variant: str) -> None:
    objects = render(VARIANTS[variant])
    (volume,) = settings_from(environment(objects)).worker_pod.volumes
    assert volume["persistentVolumeClaim"]["claimName"] == VARIANTS[variant]["store"]["existingClaim"]
    assert not objects.of("PersistentVolumeClaim")


@pytest.mark.parametrize(
    ("variant", "uri", "secret"),
    [
        ("data lake", "abfss://maps@arbutus.dfs.core.windows.net/mosaics", "store"),
        ("blobs", "az://maps", None),
        ("s3", "s3://maps/a folder/", "store"),
    ],
)
def test_a_network_store_needs_no_claim_and_only_workers_get_its_secret(
    variant: str, uri: str, secret: str | None
) -> None:
    objects = render(VARIANTS[variant])
    settings = settings_from(environment(objects))
    assert settings.store == uri
    assert settings.worker_pod.env_from == ([{"secretRef": {"name": secret}}] if secret else [])
    assert settings.worker_pod.volumes == settings.worker_pod.volume_mounts == []
    assert not objects.of("PersistentVolumeClaim")
    for pod in pods(objects):
        for container in pod["containers"]:
            assert "envFrom" not in container
            assert "secretKeyRef" not in str(container["env"])
    for role in objects.of("Role") + objects.of("ClusterRole"):
        for rule in role["rules"]:
            assert "secrets" not in rule["resources"] or set(rule["verbs"]) == {"create", "delete"}


def test_an_endpoint_reaches_the_workers() -> None:
    worker = settings_from(environment(render(VARIANTS["s3"]))).worker_pod
    assert worker.env == [{"name": "AWS_ENDPOINT_URL", "value": "https://rgw.example.org:8443"}]


def test_workers_can_have_an_identity() -> None:
    objects = render(VARIANTS["data lake"])
    worker = settings_from(environment(objects)).worker_pod
    annotations = objects.one("ServiceAccount", worker.service_account_name)["metadata"]["annotations"]
    assert annotations == VARIANTS["data lake"]["worker"]["serviceAccountAnnotations"]
    assert worker.labels["azure.workload.identity/use"] == "true"


def test_images_have_the_version_of_the_chart() -> None:
    objects = render()
    (container,) = objects.one("Deployment")["spec"]["template"]["spec"]["containers"]
    worker = json.loads(environment(objects)["MOSAIC_WORKER_POD"])
    assert "\nappVersion: 0.1.0\n" in (CHART / "Chart.yaml").read_text()
    assert (container["image"], worker["image"]) == ("mosaic-operator:0.1.0", "mosaic-worker:0.1.0")


_POD = '{"image": "x"}'


def test_the_operator_only_references_secrets_of_accounts_for_sources() -> None:
    accounts = {"earthDaily": {"secretName": "earth-daily"}, "sourceBuckets": {"secretName": "buckets"}}
    objects = render(accounts | {"limits": {"maxScenes": 50}})
    settings = settings_from(environment(objects))
    assert (settings.source_secrets, settings.source_buckets_secret) == ({"earthDaily": "earth-daily"}, "buckets")
    assert settings.max_scenes == 50
    without = settings_from(environment(render()))
    assert (without.source_secrets, without.source_buckets_secret) == ({}, "")
    assert not any("envFrom" in container for pod in pods(objects) for container in pod["containers"])
