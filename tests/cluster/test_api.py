"""The page's REST API in the cluster: what is asked there becomes Jobs, what kubectl asks for appears there."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from cluster import Cluster, Document, Release, until
from earth_daily import EarthDaily, earth_daily, items_in
from mosaic_api.database import Database
from mosaic_api.identity import create_token, named_user
from mosaic_crds.names import ANNOTATION_ROW
from mosaic_worker.synthetic import write_scenes
from postgres import Postgres, reachable_postgres
from sqlalchemy import text

PUBLIC_URL = "https://mosaics.example.org"
SECRET = "mosaic-api"
INSERT = """
INSERT INTO overlays (created, creator, data_name, ul_lat, ul_lng, lr_lat, lr_lng, resolution, is_earth_daily)
VALUES ('2024-10-01', 'old client', 'ndvi', :north, :west, :south, :east, 20, true) RETURNING overlay_id
"""


@pytest.fixture(scope="module")
def postgres(cluster: Cluster) -> Iterator[Postgres]:
    with reachable_postgres(cluster.host) as server:
        yield server


@pytest.fixture(scope="module")
def eds(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EarthDaily]:
    """EarthDaily's stand-in, which pods reach."""
    folder = tmp_path_factory.mktemp("eds")
    list(write_scenes(folder, count=1, side=512))
    with earth_daily(folder, items_in(folder), cluster.host) as state:
        yield state


class Api:
    """The API of a release, asked as a user asks it."""

    def __init__(self, release: Release, database: Database, token: str) -> None:
        self.release, self.database = release, database
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token}"
        self._forwarding: subprocess.Popen[str] | None = None
        self._address = ""

    def close(self) -> None:
        if self._forwarding is not None:
            self._forwarding.terminate()
            self._forwarding.communicate()
            self._forwarding = None

    def _forward(self) -> None:
        """Reach the Service, as `kubectl port-forward` lets people do."""
        self.close()
        command = [
            "kubectl",
            "port-forward",
            "--namespace",
            self.release.namespace,
            "service/mosaic-operator-api",
            ":8080",
        ]
        self._forwarding = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self._forwarding.stdout is not None
        line = self._forwarding.stdout.readline()
        found = re.search(r"127\.0\.0\.1:\d+", line)
        assert found, line
        self._address = f"http://{found.group()}"

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        """One call, which is tried again while a pod goes and another comes."""
        return until(lambda: self._answer(method, path, more), f"{method} {path} is answered")[0]

    def _answer(self, method: str, path: str, more: dict[str, Any]) -> tuple[requests.Response] | None:
        try:
            if self._forwarding is None or self._forwarding.poll() is not None:
                self._forward()
            answer = self._session.request(method, f"{self._address}/api/v1{path}", timeout=30, **more)
        except (requests.RequestException, AssertionError):
            self.close()
            return None
        return None if answer.status_code == 503 else (answer,)

    def pods(self) -> list[str]:
        """Those that answer."""
        found = self.release.get("pods", "--selector=app.kubernetes.io/component=api")["items"]
        return [pod["metadata"]["name"] for pod in found]

    def metrics(self, pod: str) -> str:
        path = f"/api/v1/namespaces/{self.release.namespace}/pods/{pod}:8080/proxy/metrics"
        return self.release.cluster.kubectl("get", "--raw", path)

    def ask(self, name: str, spec: Document) -> str:
        answer = self.call("POST", "/requests", json={"name": name, "spec": spec})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def get(self, mosaic_id: str) -> Document:
        answer = self.call("GET", f"/requests/{mosaic_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def named(self, name: str) -> Document | None:
        found = self.call("GET", "/requests", params={"text": name}).json()["requests"]
        return next((each for each in found if each["name"] == name), None)

    def wait_for(self, mosaic_id: str, what: Callable[[Document], Any], seconds: float = 180) -> Document:
        last: Document = {}

        def there() -> Document | None:
            nonlocal last
            last = self.get(mosaic_id)
            return last if what(last) else None

        try:
            return until(there, "the request is as it should be", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {last['phase']}: {last['status'].get('message')}") from None

    def published(self, mosaic_id: str) -> Document:
        found = self.wait_for(mosaic_id, lambda told: told["phase"] in {"Succeeded", "Failed"})
        assert found["phase"] == "Succeeded", found["status"].get("message")
        return self.wait_for(mosaic_id, lambda told: told["item"])


@pytest.fixture(scope="module")
def api(
    cluster: Cluster, install: Callable[..., Release], scenes: Any, postgres: Postgres, eds: EarthDaily
) -> Iterator[Api]:
    """A release with the API, on an empty database."""
    secrets = {
        SECRET: {
            "MOSAIC_DATABASE_URL": postgres.url,
            "MOSAIC_DATABASE_PASSWORD": postgres.password,
            "MOSAIC_SESSION_SECRET": "0123456789abcdef" * 2,
        },
        "earth-daily": eds.environment,
    }
    values = {
        "allowedHosts": [scenes.address, eds.address],
        "earthDaily": {"secretName": "earth-daily"},
        "limits": {"maxRunningPerNamespace": 4},
        "api": {
            "enabled": True,
            "publicUrl": PUBLIC_URL,
            "secretName": SECRET,
            "databasePort": postgres.port,
            "image": {"repository": f"{cluster.registry}mosaic-api", "tag": cluster.tag},
            "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
        },
    }
    release = install("api", values, secrets)
    database = postgres.open()
    with database.transaction() as session:
        _, token = create_token(session, named_user(session, "ann"), "test", ("admin",), None)
    made = Api(release, database, token)
    yield made
    made.close()
    database.close()


def test_what_is_asked_over_rest_becomes_a_request_jobs_an_item_and_a_row(api: Api, scenes, assert_whole, expected):
    spec = scenes.spec(2)
    asked = api.ask("over-rest", spec)
    told = api.published(asked)
    seen = api.release.get("mosaic", "over-rest")
    assert seen["metadata"]["annotations"] == {ANNOTATION_ROW: asked}
    assert_whole(api.release, "over-rest", spec)
    assert told["status"] == seen["status"]
    assert told["item"]["id"] == f"over-rest-{seen['metadata']['uid']}"
    cog, _ = expected(spec)
    assert api.call("GET", f"/requests/{asked}/files/cog").content == cog


def test_what_is_applied_with_kubectl_appears_and_can_be_removed_over_rest(api: Api, scenes, assert_whole):
    spec = scenes.spec(1)
    uid = api.release.submit("by-kubectl", spec)
    found = until(lambda: api.named("by-kubectl"), "it appears")
    assert (found["origin"], found["owner"], found["shared"]) == ("cluster", None, True)
    assert_whole(api.release, "by-kubectl", spec)
    api.published(found["id"])
    with api.database.transaction() as session:
        _, token = create_token(session, named_user(session, "eve", "admin"), "test", ("admin",), None)
    admin = Api(api.release, api.database, token)
    try:
        assert admin.call("DELETE", f"/requests/{found['id']}").status_code == 204
        until(lambda: "NotFound" in api.release.kubectl("get", "mosaic", "by-kubectl", check=False), "it is deleted")
        until(lambda: not api.release.files(f"mosaics/{api.release.namespace}/by-kubectl/{uid}"), "its files are gone")
        until(lambda: admin.call("GET", f"/requests/{found['id']}").status_code == 404, "its row is gone")
    finally:
        admin.close()


def test_cancelling_and_suspending_go_both_ways(api: Api, scenes):
    held = scenes.path(1, "api-cancel")
    scenes.gate.hold(held)
    here, there = (api.ask(name, scenes.spec(2, "api-cancel")) for name in ("cancelled-here", "cancelled-there"))
    for mosaic_id in (here, there):
        api.wait_for(mosaic_id, lambda told: told["phase"] == "Running")
    api.release.execute("cancelled-there", suspend=True)
    told = api.wait_for(there, lambda told: told["phase"] == "Suspended")
    assert told["spec"]["execution"]["suspend"] is True
    assert api.call("POST", f"/requests/{here}/cancel").status_code == 202
    api.release.execute("cancelled-there", cancel=True)
    for name, mosaic_id in (("cancelled-here", here), ("cancelled-there", there)):
        api.wait_for(mosaic_id, lambda told: told["phase"] == "Cancelled")
        assert api.release.status(name)["phase"] == "Cancelled"


def test_a_row_of_the_research_systems_client_is_served(api: Api, eds: EarthDaily):
    west, south, east, north = eds.items[0]["bbox"]
    margin = 0.002  # so that the box lies within the scene, which is a little askew
    with api.database.transaction() as session:
        overlay_id = session.scalar(text(INSERT), {
            "north": north - margin, "west": west + margin, "south": south + margin, "east": east - margin,
        })  # fmt: skip

    def filled() -> Document | None:
        with api.database.transaction() as session:
            query = text("SELECT * FROM overlays WHERE overlay_id = :id")
            row = dict(session.execute(query, {"id": overlay_id}).mappings().one())
            failed = session.scalar(text("SELECT details ->> 'message' FROM audit WHERE action = 'fail'"))
        assert failed is None, failed
        return row if row["file_path"] else None

    row = until(filled, "the row is filled in", 240)
    found = api.named(f"overlay-{overlay_id}")
    assert found is not None
    assert (found["origin"], found["shared"]) == ("overlays", True)
    assert row["file_path"] == found["status"]["result"]["png"]
    assert api.release.read(row["file_path"]).startswith(b"\x89PNG")
    assert west < row["ul_lng"] < row["lr_lng"] < east
    assert south < row["lr_lat"] < row["ul_lat"] < north
    assert abs(row["ul_lat"] - (north - margin)) < 0.001


def test_nothing_is_lost_while_the_api_is_killed_and_the_database_restarts(
    api: Api, scenes, postgres: Postgres, assert_whole
):
    held = scenes.path(0, "api-faults")
    scenes.gate.hold(held, 1)
    spec = scenes.spec(2, "api-faults")
    asked = api.ask("survives", spec)
    api.wait_for(asked, lambda told: told["phase"] == "Running")
    for pod in api.pods():
        api.release.kubectl("delete", "pod", pod, "--grace-period=0", "--force", "--wait=false")
    postgres.restart()
    api.release.submit("meanwhile", scenes.spec(1))
    scenes.gate.release_all()
    api.published(asked)
    assert_whole(api.release, "survives", spec)
    found = until(lambda: api.named("meanwhile"), "it appears")
    api.published(found["id"])
    assert len([each for each in api.call("GET", "/requests").json()["requests"] if each["name"] == "survives"]) == 1


def test_of_two_replicas_one_keeps_in_step_and_both_answer(api: Api, scenes, assert_whole):
    api.release.kubectl("scale", "deployment", "mosaic-operator-api", "--replicas=2")
    api.release.kubectl("rollout", "status", "deployment/mosaic-operator-api", "--timeout=120s")
    spec = scenes.spec(1)
    ids = [api.ask(f"two-{number}", spec) for number in range(4)]
    for mosaic_id in ids:
        api.published(mosaic_id)
    found = api.release.get("mosaics")["items"]
    assert len([each for each in found if each["metadata"]["name"].startswith("two-")]) == 4
    told = "".join(map(api.metrics, api.pods()))
    assert sorted(re.findall(r"^mosaic_sync_leading (\S+)$", told, re.MULTILINE)) == ["0.0", "1.0"]


def test_it_may_do_no_more_than_it_does(api: Api):
    account = f"system:serviceaccount:{api.release.namespace}:mosaic-operator-api"

    def may(verb: str, resource: str, group: str = "", namespace: str = api.release.namespace, name: str = "") -> bool:
        wanted = {"namespace": namespace, "group": group, "resource": resource, "verb": verb, "name": name}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": account, "resourceAttributes": wanted},
        }
        answer = api.release.cluster.kubectl("create", "--filename", "-", "--output", "json", given=json.dumps(review))
        return bool(json.loads(answer)["status"]["allowed"])

    ours = "mosaics.arbutus.dev"
    assert all(may(verb, "mosaicrequests", ours) for verb in ("list", "watch", "create", "patch", "delete"))
    assert not may("update", "mosaicrequests", ours)
    assert not may("deletecollection", "mosaicrequests", ours)
    assert not may("list", "mosaicrequests", ours, namespace="default")
    assert not may("patch", "mosaicrequests/status", ours)
    assert not any(may(verb, resource) for verb in ("get", "list", "create") for resource in ("secrets", "pods"))
    assert not may("create", "jobs", "batch")
    definitions = ("customresourcedefinitions", "apiextensions.k8s.io", "")
    assert may("get", *definitions, name=f"mosaicrequests.{ours}")
    assert not may("get", *definitions, name="others.example.org")
    assert not may("delete", *definitions, name=f"mosaicrequests.{ours}")
