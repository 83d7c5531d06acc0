"""The objects of a release: consistency, which ones are kept, and network policies."""

import tarfile
from base64 import b64decode
from pathlib import Path
from re import fullmatch
from typing import Any

import pytest
import yaml
from mosaic_crds.names import GROUP, LABEL_STEP

from support.chart.rendering import (
    CHART,
    CLAIM_EVERYWHERE,
    KUBERNETES,
    NAMESPACE,
    SPREAD,
    VARIANTS,
    Objects,
    helm,
    render,
)

CRD = CHART.parents[1] / "crds/mosaicrequest.yaml"
KEPT = {"helm.sh/resource-policy": "keep"}
PRIVATE = {"10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"}


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_helm_lint_passes(values: dict[str, Any]) -> None:
    helm("lint", "--strict", CHART, "--kube-version", KUBERNETES, values=values)


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_objects_have_labels_a_namespace_and_unique_names(values: dict[str, Any]) -> None:
    objects = render(values)
    seen = set()
    for found in objects:
        metadata = found["metadata"]
        seen.add((found["kind"], metadata.get("namespace"), metadata["name"]))
        assert metadata["labels"]["app.kubernetes.io/name"] == "mosaic-operator"
        assert metadata["labels"]["app.kubernetes.io/version"] == "0.1.0"
        cluster_wide = found["kind"].startswith("Cluster") or found["kind"] == "CustomResourceDefinition"
        assert ("namespace" in metadata) is not cluster_wide
    assert len(seen) == len(objects)


def test_the_chart_shows_the_icon_of_the_page() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    kind, _, data = chart["icon"].partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert b64decode(data) == (CHART.parents[1] / "api/mosaic_api/static/icon.svg").read_bytes()


def test_names_have_a_length_that_kubernetes_allows() -> None:
    for found in render(release="a-release.with-as-long-a-name-as-helm-will-ever-accep"):
        name = found["metadata"]["name"]
        assert fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", name) or found["kind"] == "CustomResourceDefinition"


def test_the_crd_is_the_generated_one_and_is_kept() -> None:
    crd = render().one("CustomResourceDefinition")
    assert crd["metadata"].pop("annotations") == KEPT
    crd["metadata"].pop("labels")
    assert crd == yaml.safe_load(CRD.read_text())


def test_the_claim_is_kept() -> None:
    assert render().one("PersistentVolumeClaim")["metadata"]["annotations"] == KEPT


def test_a_package_contains_the_crd_and_renders_the_same(tmp_path: Path) -> None:
    helm("package", CHART, "--destination", tmp_path)
    package = tmp_path / "mosaic-operator-0.1.0.tgz"
    with tarfile.open(package) as archive:
        file = archive.extractfile("mosaic-operator/files/mosaicrequest.yaml")
        assert file is not None
        assert file.read() == CRD.read_bytes()
    assert render(chart=package) == render()


def test_service_monitor_and_budget_select_the_operator() -> None:
    objects = render({"replicas": 2, "serviceMonitor": {"enabled": True}})
    template = objects.one("Deployment")["spec"]["template"]
    labels = template["metadata"]["labels"].items()
    assert objects.one("Deployment")["spec"]["selector"]["matchLabels"].items() <= labels
    assert objects.one("Service")["spec"]["selector"].items() <= labels
    assert objects.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"].items() <= labels
    monitor = objects.one("ServiceMonitor")["spec"]
    assert monitor["selector"]["matchLabels"].items() <= objects.one("Service")["metadata"]["labels"].items()
    (port,) = objects.one("Service")["spec"]["ports"]
    (container,) = template["spec"]["containers"]
    assert container["ports"] == [{"name": port["targetPort"], "containerPort": 8080}]
    assert [endpoint["port"] for endpoint in monitor["endpoints"]] == [port["name"]]


def test_no_selector_of_the_operator_matches_the_pod_of_helm_test() -> None:
    objects = render()
    selector = objects.one("Service")["spec"]["selector"].items()
    assert not selector <= objects.one("Pod")["metadata"]["labels"].items()


def test_helm_test_calls_the_service_of_the_operator_and_leaves_no_objects() -> None:
    objects = render(release="mine")
    (container,) = objects.one("Pod")["spec"]["containers"]
    url = {variable["name"]: variable.get("value") for variable in container["env"]}["MOSAIC_OPERATOR_URL"]
    service = objects.one("Service")
    assert url == f"http://{service['metadata']['name']}.{NAMESPACE}.svc:{service['spec']['ports'][0]['port']}"
    for kind in ("Pod", "ServiceAccount", "Role", "RoleBinding"):
        assert objects.one(kind, "mine-mosaic-operator-test")["metadata"]["annotations"] == {
            "helm.sh/hook": "test",
            "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
        }


def test_a_budget_never_blocks_the_drain_of_a_node() -> None:
    assert not render().of("PodDisruptionBudget")
    assert render({"replicas": 2}).one("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_a_pod_that_is_not_ready_can_be_evicted() -> None:
    for budget in render({"replicas": 2, "api": API | {"replicas": 2}}).of("PodDisruptionBudget"):
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_helm_waits_for_the_operator() -> None:
    """Helm treats a Deployment as ready while no more than maxUnavailable pods are missing; that must be none."""
    assert render().one("Deployment")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_the_service_monitor_is_optional() -> None:
    assert not render().of("ServiceMonitor")
    monitor = render(VARIANTS["monitored"]).one("ServiceMonitor")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"


def test_the_pod_of_the_operator_has_its_settings() -> None:
    values = VARIANTS["everything set"]
    template = render(values).one("Deployment")["spec"]["template"]
    for key in ("imagePullSecrets", "priorityClassName", "nodeSelector", "tolerations", "affinity"):
        assert template["spec"][key] == values[key]
    (container,) = template["spec"]["containers"]
    assert (container["image"], container["imagePullPolicy"]) == ("localhost/mosaic-operator:dev", "Never")
    assert container["resources"]["limits"] == {"cpu": 1, "memory": "1Gi", "ephemeral-storage": "256Mi"}
    assert template["metadata"]["annotations"] == {"note": "a: b"}
    assert template["metadata"]["labels"]["team"] == "snow"


def test_the_operator_can_be_stopped() -> None:
    assert render({"replicas": 0}).one("Deployment")["spec"]["replicas"] == 0


API = {"enabled": True, "publicUrl": "https://mosaics.example.org", "secretName": "mosaic-api"}


@pytest.mark.parametrize("name", ["mosaic-operator", "mosaic-operator-api"])
def test_several_replicas_prefer_different_nodes_unless_an_affinity_is_set(name: str) -> None:
    def affinity(**values: Any) -> Any:
        objects = render({**values, "store": {"accessMode": "ReadWriteMany"}, "api": API | values})
        deployment = objects.one("Deployment", name)["spec"]
        return deployment["selector"]["matchLabels"], deployment["template"]["spec"].get("affinity")

    assert affinity(replicas=1)[1] is None
    selector, found = affinity(replicas=2)
    (preferred,) = found["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert preferred["podAffinityTerm"] == {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": selector},
    }
    given = {"nodeAffinity": {}}
    assert affinity(replicas=2, affinity=given)[1] == given


def test_replicas_of_the_api_stay_together_if_the_store_is_on_one_node() -> None:
    def apart(**values: Any) -> bool:
        deployment = render({"api": API | {"replicas": 2}, **values}).one("Deployment", "mosaic-operator-api")
        return "affinity" in deployment["spec"]["template"]["spec"]

    assert not apart()
    assert not apart(store={"existingClaim": "mine"})
    assert apart(store={"existingClaim": "mine", "accessMode": "ReadWriteMany"})
    assert apart(store={"uri": "az://maps"})
    assert apart(store=CLAIM_EVERYWHERE)


@pytest.mark.parametrize("name", ["mosaic-operator", "mosaic-operator-api"])
def test_replicas_are_spread_as_the_values_say(name: str) -> None:
    spread = {"topologySpreadConstraints": [SPREAD]}
    found = render({**spread, "api": API | spread}).one("Deployment", name)["spec"]["template"]["spec"]
    assert found["topologySpreadConstraints"] == spread["topologySpreadConstraints"]


def test_the_disk_of_the_operator_and_of_migrations_has_a_limit() -> None:
    objects = render({"api": API})
    for pod in (objects.one("Deployment", "mosaic-operator"), objects.one("Job", "mosaic-operator-api-migrations")):
        (container,) = pod["spec"]["template"]["spec"]["containers"]
        assert container["resources"]["requests"]["ephemeral-storage"] == "64Mi"
        assert container["resources"]["limits"]["ephemeral-storage"] == "256Mi"


# --- network policies ---


def policy(objects: Objects, component: str) -> dict[str, Any]:
    spec: dict[str, Any] = objects.one("NetworkPolicy", f"mosaic-operator-{component}")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    return spec


def ports(rule: dict[str, Any]) -> list[tuple[str, int]]:
    return [(port["protocol"], port["port"]) for port in rule["ports"]]


def test_the_pod_of_helm_test_connects_to_dns_the_api_server_and_the_operator() -> None:
    objects = render()
    spec = policy(objects, "test")
    labels = objects.one("Pod", "mosaic-operator-test")["metadata"]["labels"]
    assert spec["podSelector"]["matchLabels"].items() <= labels.items()
    assert "ingress" not in spec
    dns, server, operator = spec["egress"]
    assert [ports(rule) for rule in (dns, server, operator)] == [
        [("UDP", 53), ("TCP", 53)], [("TCP", 443), ("TCP", 6443)], [("TCP", 8080)],
    ]  # fmt: skip
    selector = objects.one("Deployment")["spec"]["selector"]["matchLabels"]
    assert operator["to"] == [{"podSelector": {"matchLabels": selector}}]


def test_workers_connect_to_dns_and_public_addresses_and_accept_no_connection() -> None:
    spec = policy(render(), "worker")
    assert spec["podSelector"] == {"matchExpressions": [{"key": LABEL_STEP, "operator": "Exists"}]}
    assert LABEL_STEP.startswith(GROUP)
    assert "ingress" not in spec
    dns, sources = spec["egress"]
    assert ports(dns) == [("UDP", 53), ("TCP", 53)]
    assert ports(sources) == [("TCP", 80), ("TCP", 443)]
    (block,) = (peer["ipBlock"] for peer in sources["to"])
    assert block["cidr"] == "0.0.0.0/0"
    assert set(block["except"]) >= PRIVATE


def test_workers_connect_to_the_ports_of_their_hosts_and_to_listed_private_addresses() -> None:
    _, sources = policy(render(VARIANTS["everything set"]), "worker")["egress"]
    assert ports(sources) == [("TCP", 80), ("TCP", 443), ("TCP", 9000)]
    assert [peer["ipBlock"]["cidr"] for peer in sources["to"]] == ["0.0.0.0/0", "10.0.0.7/32", "2001:db8::/32"]
    _, sources = policy(render({"allowedHosts": ["scenes:8000"]}), "worker")["egress"]
    assert ports(sources) == [("TCP", 8000)]


@pytest.mark.parametrize(
    ("store", "port"),
    [
        ({"uri": "az://maps"}, 443),
        ({"uri": "s3://maps", "endpoint": "https://rgw.example.org"}, 443),
        ({"uri": "s3://maps", "endpoint": "http://rgw.example.org"}, 80),
        ({"uri": "s3://maps", "endpoint": "https://rgw.example.org:8443"}, 8443),
    ],
)
def test_workers_connect_to_the_port_of_the_store(store: dict[str, str], port: int) -> None:
    _, sources = policy(render({"allowedHosts": ["scenes:8000"], "store": store}), "worker")["egress"]
    assert ports(sources) == [("TCP", 8000), ("TCP", port)]


def test_workers_without_hosts_connect_only_to_dns() -> None:
    assert len(policy(render({"allowedHosts": []}), "worker")["egress"]) == 1


def test_the_operator_accepts_connections_on_its_port_and_connects_to_the_api_server() -> None:
    objects = render()
    spec = policy(objects, "operator")
    labels = objects.one("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert spec["podSelector"]["matchLabels"].items() <= labels.items()
    assert [ports(rule) for rule in spec["ingress"]] == [[("TCP", 8080)]]
    assert [ports(rule) for rule in spec["egress"]] == [[("UDP", 53), ("TCP", 53)], [("TCP", 443), ("TCP", 6443)]]


def test_each_known_namespace_has_a_network_policy_for_workers() -> None:
    def places(variant: str) -> set[str]:
        policies = render(VARIANTS[variant]).of("NetworkPolicy", "mosaic-operator-worker")
        return {found["metadata"]["namespace"] for found in policies}

    assert places("namespaces") == {"forest", "snow"}
    assert places("all namespaces") == {NAMESPACE}


def test_network_policies_are_optional() -> None:
    assert not render(VARIANTS["no network policies"]).of("NetworkPolicy")
