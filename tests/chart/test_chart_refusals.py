"""Values that the chart refuses, and the error messages."""

from typing import Any

import pytest

from support.chart.rendering import API, AUTHORITIES, AUTHORITIES_MOUNT, RefusedError, render

ONE_CLAIM = "a claim belongs to one namespace, and several are served: create a claim with the same name"


@pytest.mark.parametrize(
    "values",
    [
        {"namespaces": ["forest", "snow"]},
        {"allNamespaces": True},
        {"allNamespaces": True, "store": {"existingClaim": "shared"}},
        {"namespaces": ["forest", "snow"], "store": {"existingClaim": "shared"}},
        {"namespaces": ["forest", "snow"], "store": {"claimInEveryNamespace": True}},
    ],
)
def test_each_of_several_namespaces_needs_a_claim(values: dict[str, Any]) -> None:
    with pytest.raises(RefusedError, match=ONE_CLAIM):
        render(values)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"store": {"uri": "s3://maps", "existingClaim": "mine"}}, "store.uri is a network store"),
        ({"store": {"secretName": "store"}}, "store.secretName and store.endpoint apply only to a network store"),
        ({"store": {"uri": "az://maps", "endpoint": "https://x"}}, "store.endpoint applies only to an s3:// store"),
        (
            {"allNamespaces": True, "store": {"uri": "az://maps"}, "worker": {"serviceAccountAnnotations": {"a": "b"}}},
            "workers run with the service account `default`",
        ),
    ],
)
def test_refuses_contradictory_values(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RefusedError, match=sentence):
        render(values)


def test_serves_either_listed_namespaces_or_all() -> None:
    with pytest.raises(RefusedError, match="set allNamespaces or namespaces, not both"):
        render({"allNamespaces": True, "namespaces": ["forest"]})


@pytest.mark.parametrize("pod", ["worker", "api"])
@pytest.mark.parametrize(
    ("volume", "mount", "sentence"),
    [
        ({"name": "tmp"}, {}, "extraVolumes: the pod has another volume with the name tmp"),
        ({"secret": {}}, {}, "extraVolumes: authorities needs one source, such as configMap"),
        ({}, {"name": "data"}, r"extraVolumeMounts: add a volume with the name data to \w+\.extraVolumes"),
        ({}, {"mountPath": "/store"}, "extraVolumeMounts: the pod uses /store itself; mount authorities outside"),
        ({}, {"mountPath": "/tmp/cache"}, "extraVolumeMounts: the pod uses /tmp itself"),
    ],
)
def test_refuses_volumes_that_hide_those_of_the_chart(
    pod: str, volume: dict[str, Any], mount: dict[str, Any], sentence: str
) -> None:
    extra = {"extraVolumes": [AUTHORITIES | volume], "extraVolumeMounts": [AUTHORITIES_MOUNT | mount]}
    with pytest.raises(RefusedError, match=rf"{pod}\.{sentence}"):
        render({pod: API | extra if pod == "api" else extra})


def test_two_volumes_need_two_names() -> None:
    with pytest.raises(RefusedError, match="another volume with the name authorities"):
        render({"worker": {"extraVolumes": [AUTHORITIES, AUTHORITIES]}})


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"replicaCount": 2}, "replicaCount"),
        ({"worker": {"resource": {}}}, "resource"),
        ({"worker": {"resources": {"tile": {}}}}, "tile"),
        ({"replicas": -1}, "replicas"),
        ({"namespaces": "forest"}, "namespaces"),
        ({"namespaces": ["Forest"]}, "namespaces"),
        ({"namespaces": ["forest,snow"]}, "namespaces"),
        ({"allowedHosts": ["https://data.example.org"]}, "allowedHosts"),
        ({"allowedHosts": ["data.example.org,evil.example"]}, "allowedHosts"),
        ({"allowedHosts": ["*.example.org:8080"]}, "allowedHosts"),
        ({"store": {"type": "s3"}}, "type"),
        ({"store": {"uri": "/mnt/store"}}, "uri"),
        ({"store": {"uri": "gs://maps"}}, "uri"),
        ({"store": {"uri": "s3://id:secret@maps"}}, "uri"),
        ({"store": {"uri": "az://maps/a?sig=secret"}}, "uri"),
        ({"store": {"uri": "abfss://maps/a"}}, "uri"),
        ({"store": {"endpoint": "rgw.example.org"}}, "endpoint"),
        ({"store": {"endpoint": "https://id:secret@rgw.example.org"}}, "endpoint"),
        ({"store": {"secretName": "A Secret"}}, "secretName"),
        ({"store": {"size": "much"}}, "size"),
        ({"store": {"accessMode": "ReadOnlyMany"}}, "accessMode"),
        ({"deadlines": {"plan": "15 minutes"}}, "plan"),
        ({"deadlines": {"plan": 900}}, "plan"),
        ({"sweep": {"age": "0s"}}, "age"),
        ({"requests": {"ttlAfterFinished": "soon"}}, "ttlAfterFinished"),
        ({"limits": {"maxRunning": 10_001}}, "maxRunning"),
        ({"limits": {"maxPixels": 0}}, "maxPixels"),
        ({"limits": {"maxPixels": 1.5}}, "maxPixels"),
        ({"image": {"repository": ""}}, "repository"),
        ({"image": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
        ({"logLevel": "loud"}, "logLevel"),
        ({"networkPolicy": {"egressCIDRs": ["10.0.0.7"]}}, "egressCIDRs"),
        ({"worker": {"env": [{"name": "A", "value": 1}]}}, "env"),
        ({"worker": {"env": [{"value": "1"}]}}, "env"),
        ({"worker": {"labels": {"a": 1}}}, "labels"),
        ({"affinity": {"nodeAfinity": {}}}, "nodeAfinity"),
        ({"worker": {"affinity": {"nodeAffinity": {"preferredDuringScheduling": []}}}}, "preferredDuringScheduling"),
        ({"worker": {"topologySpreadConstraints": [{"topologyKey": "zone"}]}}, "maxSkew"),
        ({"worker": {"extraVolumes": [{"name": "data", "hostPath": {"path": "/data"}}]}}, "hostPath"),
        ({"worker": {"extraVolumeMounts": [{"name": "data", "mountPath": "data"}]}}, "mountPath"),
        ({"api": {"extraVolumeMounts": [{"name": "data", "path": "/data"}]}}, "path"),
    ],
)
def test_refuses_unknown_and_invalid_values_by_name(values: dict[str, Any], where: str) -> None:
    with pytest.raises(RefusedError, match=f"(?s)schema.*{where}"):
        render(values)
