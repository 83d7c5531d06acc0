"""RBAC: exactly the verbs that are used, in exactly the namespaces that are served."""

from typing import Any

import pytest
from mosaic_operator.settings import Settings, settings_from

from support.chart.rendering import (
    NAMESPACE,
    VARIANTS,
    Objects,
    assert_restricted,
    deployment,
    environment,
    pods,
    render,
)

OPERATOR = {
    ("mosaics.arbutus.dev", "mosaicrequests"): {"get", "list", "watch", "patch"},
    ("mosaics.arbutus.dev", "mosaicrequests/status"): {"patch"},
    ("batch", "jobs"): {"list", "watch", "get", "create", "patch", "delete"},
    ("", "secrets"): {"create", "delete"},
    ("", "pods"): {"list", "watch", "delete"},
    ("", "pods/status"): {"patch"},
    ("", "events"): {"create", "list"},
}
LEADER = {("coordination.k8s.io", "leases"): {"get", "create", "update"}}
TEST = {("mosaics.arbutus.dev", "mosaicrequests"): {"create", "list"}}


def rights(role: dict[str, Any]) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                found.setdefault((group, resource), set()).update(rule["verbs"])
    return found


def granted(objects: Objects, account: str) -> dict[str, dict[tuple[str, str], set[str]]]:
    """The rights of a service account of the release, by namespace; `*` is the cluster."""
    found: dict[str, dict[tuple[str, str], set[str]]] = {}
    for binding in objects.of("RoleBinding") + objects.of("ClusterRoleBinding"):
        (subject,) = binding["subjects"]
        if subject != {"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}:
            continue
        where = binding["metadata"].get("namespace")
        assert (
            (where is None)
            == (binding["kind"] == "ClusterRoleBinding")
            == (binding["roleRef"]["kind"] == "ClusterRole")
        )
        (role,) = (
            role
            for role in objects.of(binding["roleRef"]["kind"], binding["roleRef"]["name"])
            if role["metadata"].get("namespace") == where
        )
        found.setdefault(where or "*", {}).update(rights(role))
    return found


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("default", {NAMESPACE: OPERATOR | LEADER}),
        ("another namespace", {"forest": OPERATOR, NAMESPACE: LEADER}),
        ("namespaces", {"forest": OPERATOR, "snow": OPERATOR, NAMESPACE: LEADER}),
        ("all namespaces", {"*": OPERATOR, NAMESPACE: LEADER}),
    ],
)
def test_the_operator_has_the_rights_that_it_uses_in_served_namespaces(variant: str, expected: dict[str, Any]) -> None:
    objects = render(VARIANTS[variant])
    account = deployment(objects)["spec"]["template"]["spec"]["serviceAccountName"]
    assert objects.of("ServiceAccount", account)
    assert granted(objects, account) == expected


def test_the_operator_may_delete_requests_only_if_finished_ones_expire() -> None:
    objects = render({"requests": {"ttlAfterFinished": "90d"}})
    found = granted(objects, "mosaic-operator")[NAMESPACE]["mosaics.arbutus.dev", "mosaicrequests"]
    assert found == {"get", "list", "watch", "patch", "delete"}


def test_only_the_operators_own_lease_can_be_changed() -> None:
    (_, held) = render().one("Role", "mosaic-operator-leader")["rules"]
    assert held["resourceNames"] == [Settings.model_fields["lease"].default]
    assert set(held["verbs"]) == {"get", "update"}


def test_helm_test_may_validate_a_request() -> None:
    objects = render()
    assert granted(objects, objects.one("Pod")["spec"]["serviceAccountName"]) == {NAMESPACE: TEST}


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_no_role_has_a_wildcard(values: dict[str, Any]) -> None:
    objects = render(values)
    for role in objects.of("Role") + objects.of("ClusterRole"):
        assert "*" not in str(role["rules"])


@pytest.mark.parametrize(
    ("variant", "places"),
    [("default", {NAMESPACE}), ("another namespace", {"forest"}), ("namespaces", {"forest", "snow"})],
)
def test_workers_have_an_account_without_a_token_in_each_served_namespace(variant: str, places: set[str]) -> None:
    objects = render(VARIANTS[variant])
    name = settings_from(environment(objects)).worker_pod.service_account_name
    accounts = objects.of("ServiceAccount", name)
    assert {account["metadata"]["namespace"] for account in accounts} == places
    assert all(account["automountServiceAccountToken"] is False for account in accounts)
    assert not granted(objects, name)


def test_workers_use_the_default_account_where_namespaces_are_unknown() -> None:
    objects = render(VARIANTS["all namespaces"])
    assert settings_from(environment(objects)).worker_pod.service_account_name == "default"
    assert not objects.of("ServiceAccount", "default")


def test_roles_for_users_are_aggregated_to_those_of_kubernetes() -> None:
    view, edit = render().of("ClusterRole")
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    assert rights(view) == {("mosaics.arbutus.dev", "mosaicrequests"): {"get", "list", "watch"}}
    assert rights(edit) == {
        ("mosaics.arbutus.dev", "mosaicrequests"): {"create", "update", "patch", "delete", "deletecollection"}
    }
    assert {label for label in view["metadata"]["labels"] if label.startswith(prefix)} == {
        prefix + role for role in ("view", "edit", "admin")
    }
    assert {label for label in edit["metadata"]["labels"] if label.startswith(prefix)} == {
        prefix + role for role in ("edit", "admin")
    }


def test_a_second_release_needs_no_cluster_wide_objects() -> None:
    objects = render(VARIANTS["nothing of the cluster's"])
    assert all("namespace" in found["metadata"] for found in objects)


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_every_pod_is_restricted(values: dict[str, Any]) -> None:
    found = list(pods(render(values)))
    assert len(found) == (4 if "api" in values else 2)
    for pod in found:
        assert_restricted(pod)
