"""The page and the REST API: disabled by default, with exactly the rights that they use and the settings that they
read.
"""

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from mosaic_api.app import API as API_PREFIX
from mosaic_api.app import create_app
from mosaic_api.kube import client
from mosaic_api.settings import Settings, installation, oidc
from mosaic_crds.allowed import Allowed
from mosaic_crds.names import GROUP, LABEL_OWNER, PLURAL
from mosaic_crds.worker_pod import ENV_STORE_PATIENCE
from mosaic_operator.pod_templates import sweep_template
from mosaic_operator.settings import settings_from
from starlette.routing import Mount, Route
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from support.chart.rendering import (
    API,
    AUTHORITIES,
    AUTHORITIES_MOUNT,
    NAMESPACE,
    VARIANTS,
    Objects,
    RefusedError,
    deployment,
    environment,
    render,
)

WANTED = [name for name in VARIANTS if name.startswith("api")]
ALL = VARIANTS["api with everything set"]
READ = {value for module in (installation, oidc) for name, value in vars(module).items() if name.startswith("ENV_")}
"""The environment variables that the API reads."""
SECRET = {
    "MOSAIC_DATABASE_URL": "postgresql+psycopg2://mosaics@db.example.org/mosaics",
    "MOSAIC_DATABASE_PASSWORD": "p",
    "MOSAIC_SESSION_SECRET": "x" * 32,
    "MOSAIC_OIDC_CLIENT_SECRET": "s",
    "MOSAIC_CENTRAL_TOKEN": "t",
}
INSIDE = {"/healthz", "/readyz", "/metrics"}


def of_api(objects: Objects) -> list[dict[str, Any]]:
    components = {"api", "api-migrations"}
    return [o for o in objects if o["metadata"]["labels"].get("app.kubernetes.io/component") in components]


def container(objects: Objects) -> dict[str, Any]:
    (found,) = deployment(objects, "api")["spec"]["template"]["spec"]["containers"]
    return found


def settings(values: dict[str, Any], secret: dict[str, str] = SECRET) -> Settings:
    """The settings as the API parses them."""
    return Settings.from_environment(environment(render(values), "api") | secret)


def test_the_api_is_off_by_default():
    assert not of_api(render())


@pytest.mark.parametrize(
    ("variant", "place"),
    [("api", NAMESPACE), ("api elsewhere", "forest"), ("api in all namespaces", NAMESPACE)],
)
def test_the_api_runs_in_the_namespace_that_it_serves(variant: str, place: str):
    objects = render(VARIANTS[variant])
    assert {o["metadata"].get("namespace", place) for o in of_api(objects)} == {place}
    assert settings(VARIANTS[variant]).namespace == place


# -- rights


@pytest.mark.parametrize("variant", WANTED)
def test_the_api_has_exactly_the_rights_that_it_uses(variant: str):
    objects = render(VARIANTS[variant])
    template = deployment(objects, "api")["spec"]["template"]["spec"]
    account = objects.one("ServiceAccount", template["serviceAccountName"])
    assert account["automountServiceAccountToken"] is False
    place = account["metadata"]["namespace"]
    found = {}
    for binding in objects.of("RoleBinding") + objects.of("ClusterRoleBinding"):
        if binding["subjects"] == [{"kind": "ServiceAccount", "name": account["metadata"]["name"], "namespace": place}]:
            role = objects.one(binding["roleRef"]["kind"], binding["roleRef"]["name"])
            found[binding["metadata"].get("namespace", "*")] = role["rules"]
    assert found == {
        place: [{"apiGroups": [GROUP], "resources": [PLURAL], "verbs": ["list", "watch", "create", "patch", "delete"]}],
        "*": [
            {
                "apiGroups": ["apiextensions.k8s.io"],
                "resources": ["customresourcedefinitions"],
                "resourceNames": [f"{PLURAL}.{GROUP}"],
                "verbs": ["get"],
            }
        ],
    }


def test_each_verb_of_the_api_is_a_call_in_the_code():
    called = set(re.findall(r'self\._(?:call|open)\(\s*"(\w+)"', Path(client.__file__).read_text()))
    assert called == {"get", "list", "watch", "create", "patch", "delete"}  # the sync creates by server-side apply


def test_releases_of_one_name_in_two_namespaces_share_no_cluster_wide_objects():
    def names(variant: str) -> list[str]:
        roles = render(VARIANTS[variant]).of("ClusterRole")
        return [role["metadata"]["name"] for role in roles if "api" in role["metadata"]["name"]]

    assert names("api") == [f"mosaic-operator-api-{NAMESPACE}"]
    assert names("api elsewhere") == ["mosaic-operator-api-forest"]


# -- settings


@pytest.mark.parametrize("variant", WANTED)
def test_the_api_accepts_its_settings_and_knows_each_variable(variant: str):
    variables = environment(render(VARIANTS[variant]), "api")
    assert {name for name in variables if name.startswith("MOSAIC_")} <= READ | {
        "MOSAIC_LOG_LEVEL",
        ENV_STORE_PATIENCE,
    }
    assert settings(VARIANTS[variant]).cluster


def test_each_variable_that_the_api_reads_can_be_set():
    variables = {each["name"] for each in container(render(ALL))["env"]}
    assert variables >= READ


def test_defaults_of_the_chart_equal_those_of_the_api():
    chart = settings({"api": API}, {"MOSAIC_DATABASE_URL": SECRET["MOSAIC_DATABASE_URL"]})
    bare = {"MOSAIC_DATABASE_URL": chart.database, "MOSAIC_STORE": chart.store, "MOSAIC_PUBLIC_URL": chart.public_url}
    own = Settings.from_environment(bare)
    exceptions = {"namespace", "cluster", "allowed", "allowed_hosts", "max_pixels", "max_scratch_bytes"}
    assert chart.max_scratch_bytes == 10 * 2**30
    assert {k: v for k, v in vars(chart).items() if k not in exceptions} == {
        k: v for k, v in vars(own).items() if k not in exceptions
    }


def test_every_value_reaches_the_api():
    found = settings(ALL)
    assert found.database == "postgresql+psycopg2://mosaics:p@db.example.org/mosaics"
    assert (found.store, found.public_url) == ("s3://maps", "https://mosaics.example.org")
    assert found.oidc == oidc.Oidc(
        issuer="https://login.example.org:8443/realms/mosaics",
        client_id="mosaics",
        client_secret="s",
        scopes="openid profile groups",
        name_claim="name",
        role_claim="roles",
        roles={"mosaic-admins": "admin", "the staff": "editor"},
        default_role="none",
    )
    assert (found.central_url, found.central_token) == ("https://central.example.org", "t")
    assert (found.tile_server, found.tile_attribution) == ("https://tiles.example.org/{z}/{x}/{y}.png", "the makers")
    assert (found.max_upload_bytes, found.max_stored_bytes) == (5_000_000_000, 900_000_000_000)
    assert (found.max_open_requests, found.max_calls, found.max_failures, found.restore_days) == (7, 8, 9, 30)
    variables = environment(render(ALL), "api")
    assert variables["FORWARDED_ALLOW_IPS"] == "10.0.0.0/8,::1"
    assert variables["MOSAIC_LOG_LEVEL"] == "debug"
    assert variables["AWS_ENDPOINT_URL"] == "https://rgw.example.org"
    assert variables[ENV_STORE_PATIENCE] == "300"


def test_the_api_has_the_limits_of_the_workers_and_the_names_of_the_operator():
    names = {"priorityClasses": ["low"], "queues": ["research", "teaching"]}
    values = {"api": API, "allowedHosts": ["data.example.org"], "limits": {"maxPixels": 5}, "requests": names}
    found = settings(values)
    assert found.allowed == Allowed(("low",), ("research", "teaching"))
    assert (found.allowed_hosts, found.max_pixels) == ("data.example.org", 5)


@pytest.mark.parametrize("variant", WANTED)
def test_secrets_are_referenced_and_never_copied(variant: str):
    variables = {each["name"]: each for each in container(render(VARIANTS[variant]))["env"]}
    for name in SECRET:
        reference = variables[name]["valueFrom"]["secretKeyRef"]
        assert (reference["name"], reference["key"]) == ("mosaic-api", name)
        assert reference.get("optional", False) is (name != "MOSAIC_DATABASE_URL")
    assert not {each for each in variables if each.endswith(("SECRET", "PASSWORD", "TOKEN"))} - SECRET.keys()


def test_the_api_uses_the_secrets_of_the_workers_for_the_store_and_earth_daily():
    assert container(render(ALL))["envFrom"] == [
        {"secretRef": {"name": "store"}},
        {"secretRef": {"name": "earth-daily"}},
        {"prefix": "MOSAIC_SOURCES_", "secretRef": {"name": "buckets"}},
    ]
    assert "envFrom" not in container(render({"api": API}))


def test_the_claim_of_the_store_is_mounted():
    objects = render({"api": API})
    pod = deployment(objects, "api")["spec"]["template"]["spec"]
    claim = objects.one("PersistentVolumeClaim")["metadata"]
    assert {"name": "store", "persistentVolumeClaim": {"claimName": claim["name"]}} in pod["volumes"]
    assert {"name": "store", "mountPath": "/store"} in container(objects)["volumeMounts"]
    assert claim["namespace"] == deployment(objects, "api")["metadata"]["namespace"]


def test_pods_of_the_api_have_their_settings():
    spec = deployment(render(ALL), "api")["spec"]
    template, values = spec["template"], ALL["api"]
    assert spec["replicas"] == 3
    for key in ("priorityClassName", "nodeSelector", "tolerations", "affinity"):
        assert template["spec"][key] == values[key]
    assert template["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    assert template["metadata"]["annotations"] == {"note": "x"}
    assert template["metadata"]["labels"]["team"] == "snow"
    found = container(render(ALL))
    assert (found["image"], found["imagePullPolicy"]) == ("localhost/mosaic-api:dev", "Never")
    assert found["resources"]["limits"] == {"memory": "8Gi"}
    assert {"name": "tmp", "emptyDir": {"sizeLimit": "50Gi"}} in template["spec"]["volumes"]
    assert AUTHORITIES in template["spec"]["volumes"]
    assert AUTHORITIES_MOUNT in found["volumeMounts"]
    assert container(render({"api": API}))["image"] == "mosaic-api:0.1.0"


def test_the_api_can_be_stopped():
    assert deployment(render({"api": API | {"replicas": 0}}), "api")["spec"]["replicas"] == 0


def test_the_api_can_write_to_a_new_volume_of_block_storage_as_workers_can():
    security = deployment(render({"api": API}), "api")["spec"]["template"]["spec"]["securityContext"]
    worker = sweep_template(settings_from(environment(render())))["spec"]["securityContext"]
    assert security == worker
    assert security["fsGroup"] == security["runAsGroup"]


# -- migrations


@pytest.mark.parametrize("variant", WANTED)
def test_migrations_run_before_anything_else_changes(variant: str):
    objects = render(VARIANTS[variant])
    job = objects.one("Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert "before-hook-creation" in job["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
    pod = job["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in pod  # the account of the release does not exist yet
    (found,) = pod["containers"]
    assert (found["image"], found["args"]) == (container(objects)["image"], ["migrate"])
    assert {each["name"] for each in found["env"]} == {
        "MOSAIC_DATABASE_URL",
        "MOSAIC_DATABASE_PASSWORD",
        "MOSAIC_LOG_LEVEL",
    }
    assert "envFrom" not in found
    assert [volume["name"] for volume in pod["volumes"]] == ["tmp", "database"]


@pytest.mark.parametrize("variant", WANTED)
def test_the_ca_certificate_of_the_database_is_mounted_if_the_secret_has_it(variant: str):
    objects = render(VARIANTS[variant])
    for found in (deployment(objects, "api"), objects.one("Job")):
        pod = found["spec"]["template"]["spec"]
        (volume,) = (each["secret"] for each in pod["volumes"] if each["name"] == "database")
        assert volume == {
            "secretName": "mosaic-api",
            "items": [{"key": "ca.crt", "path": "ca.crt"}],
            "optional": True,
        }
        mount = {"name": "database", "mountPath": "/database", "readOnly": True}
        assert mount in pod["containers"][0]["volumeMounts"]


# -- how it is found


def test_service_monitor_and_budget_of_the_api_select_its_pods_only():
    objects = render(ALL)
    labels = deployment(objects, "api")["spec"]["template"]["metadata"]["labels"].items()
    other = deployment(objects)["spec"]["template"]["metadata"]["labels"].items()
    name = "mosaic-operator-api"
    selectors = [
        deployment(objects, "api")["spec"]["selector"]["matchLabels"],
        objects.one("Service", name)["spec"]["selector"],
        objects.one("PodDisruptionBudget", name)["spec"]["selector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selector.items() <= labels
        assert not selector.items() <= other
    assert not objects.one("Service", "mosaic-operator")["spec"]["selector"].items() <= labels
    monitor = objects.one("ServiceMonitor", name)
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert (
        monitor["spec"]["selector"]["matchLabels"].items() <= objects.one("Service", name)["metadata"]["labels"].items()
    )
    assert not render({"api": API}).of("PodDisruptionBudget")


def paths_of(app: FastAPI) -> set[str]:
    """The paths of an application, including those that its OpenAPI document omits."""
    described = set(app.openapi()["paths"])
    routers = [route.original_router for route in app.routes if hasattr(route, "original_router")]
    own = {route.path for router in routers for route in router.routes if f"{API_PREFIX}{route.path}" not in described}
    return described | own | {route.path for route in app.routes if isinstance(route, Route | Mount)}


def test_the_ingress_routes_exactly_the_paths_for_users(tmp_path: Path):
    app = create_app(Settings(SECRET["MOSAIC_DATABASE_URL"], str(tmp_path), public_url=API["publicUrl"]))
    ingress = render(ALL).one("Ingress")["spec"]
    assert ingress["ingressClassName"] == "nginx"
    assert ingress["tls"] == [{"hosts": ["mosaics.example.org"], "secretName": "certificate"}]
    (rule,) = ingress["rules"]
    assert rule["host"] == "mosaics.example.org"

    def routed(path: str) -> bool:
        return any(
            path == each["path"] or (each["pathType"] == "Prefix" and path.startswith(each["path"] + "/"))
            for each in rule["http"]["paths"]
        )

    paths = paths_of(app)
    assert paths >= INSIDE | {"/", "/static", "/login", "/api/v1/requests"}
    assert {path for path in paths if not routed(path)} == INSIDE
    assert {each["backend"]["service"]["name"] for each in rule["http"]["paths"]} == {"mosaic-operator-api"}


def test_the_ingress_is_optional():
    assert not render({"api": API}).of("Ingress")
    plain = render({"api": API | {"ingress": {"enabled": True}, "trustedProxies": ["10.42.0.0/16"]}}).one("Ingress")
    assert not {"tls", "ingressClassName"} & plain["spec"].keys()


def test_trusts_only_the_address_that_a_trusted_proxy_adds():
    proxies = environment(render(ALL), "api")["FORWARDED_ALLOW_IPS"]
    trusted = ProxyHeadersMiddleware(lambda *_: None, proxies).trusted_hosts
    assert "10.3.0.9" in trusted
    assert "192.0.2.4" not in trusted
    assert trusted.get_trusted_client_address("198.51.100.1, 192.0.2.4, 10.3.0.9")[0] == "192.0.2.4"


def test_an_ingress_needs_trusted_proxies():
    with pytest.raises(RefusedError, match=r"api\.ingress needs api\.trustedProxies"):
        render({"api": API | {"ingress": {"enabled": True}}})


# -- the network


def test_the_api_connects_to_database_api_server_and_sources_and_accepts_connections_on_its_port():
    objects = render(ALL)
    spec = objects.one("NetworkPolicy", "mosaic-operator-api")["spec"]
    (chosen,) = spec["podSelector"]["matchExpressions"]
    for found in (deployment(objects, "api"), objects.one("Job")):
        labels = found["spec"]["template"]["metadata"]["labels"]
        assert spec["podSelector"]["matchLabels"].items() <= labels.items()
        assert labels[chosen["key"]] in chosen["values"]
    assert deployment(objects)["spec"]["template"]["metadata"]["labels"][chosen["key"]] not in chosen["values"]
    assert spec["ingress"] == [{"ports": [{"protocol": "TCP", "port": 8080}]}]
    _, fixed, sources = spec["egress"]
    assert [port["port"] for port in fixed["ports"]] == [443, 6443, 6432, 8443]
    workers = objects.one("NetworkPolicy", "mosaic-operator-worker")["spec"]["egress"]
    assert sources == workers[1]


def test_the_network_policy_of_the_api_is_optional():
    assert not render({"api": API, "networkPolicy": {"enabled": False}}).of("NetworkPolicy")


# -- what is refused


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"publicUrl": ""}, "publicUrl"),
        ({"publicUrl": "mosaics.example.org"}, "publicUrl"),
        ({"publicUrl": "https://mosaics.example.org/maps"}, "publicUrl"),
        ({"secretName": ""}, "secretName"),
        ({"databasePort": 0}, "databasePort"),
        ({"database": {"url": "postgresql://user:password@host/x"}}, "database"),
        ({"oidc": {"issuer": "http://login.example.org"}}, "issuer"),
        ({"oidc": {"issuer": "https://login.example.org"}}, "clientId"),
        ({"oidc": {"roles": {"a,b": "admin"}}}, "roles"),
        ({"oidc": {"roles": {"a": "owner"}}}, "roles"),
        ({"limits": {"maxOpenRequests": 0}}, "maxOpenRequests"),
        ({"replicas": -1}, "replicas"),
        ({"trustedProxies": ["proxy.example.org"]}, "trustedProxies"),
        ({"trustedProxies": ["*"]}, "trustedProxies"),
        ({"env": [{"value": "x"}]}, "name"),
        ({"ingress": {"host": "x"}}, "host"),
    ],
)
def test_refuses_unknown_and_invalid_values_by_name(changes: dict[str, Any], where: str):
    with pytest.raises(RefusedError, match=f"(?s)schema.*{where}"):
        render({"api": API | changes})


def test_a_disabled_api_needs_no_settings():
    assert not of_api(render({"api": {"enabled": False}}))


@pytest.mark.parametrize("variant", WANTED)
def test_only_the_api_may_set_the_owner_of_a_request_where_the_operator_trusts_it(variant: str):
    objects = render(VARIANTS[variant], kubernetes="1.30")
    policy, binding = objects.one("ValidatingAdmissionPolicy"), objects.one("ValidatingAdmissionPolicyBinding")
    where = deployment(objects, "api")["metadata"]["namespace"]
    account = deployment(objects, "api")["spec"]["template"]["spec"]["serviceAccountName"]
    assert environment(objects)["MOSAIC_OWNERS_NAMESPACE"] == where
    (validation,) = policy["spec"]["validations"]
    assert f"'system:serviceaccount:{where}:{account}'" in validation["expression"]
    assert all(LABEL_OWNER in variable["expression"] for variable in policy["spec"]["variables"])
    assert binding["spec"]["policyName"] == policy["metadata"]["name"]
    assert binding["spec"]["matchResources"]["namespaceSelector"] == {
        "matchLabels": {"kubernetes.io/metadata.name": where}
    }


@pytest.mark.parametrize(
    ("values", "kubernetes"), [({"api": API}, "1.29"), ({}, "1.30")], ids=["old cluster", "no API"]
)
def test_the_operator_ignores_owners_where_every_user_may_set_them(values: dict[str, Any], kubernetes: str):
    objects = render(values, kubernetes=kubernetes)
    assert environment(objects)["MOSAIC_OWNERS_NAMESPACE"] == ""
    assert not objects.of("ValidatingAdmissionPolicy")
