"""The REST API and the page in the cluster: their requests become Jobs, and requests of kubectl appear there."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mosaic_crds.names import ANNOTATION_ROW, API_VERSION, KIND, LABEL_OWNER
from mosaic_worker.synthetic import write_scenes
from playwright.sync_api import ConsoleMessage, Page, expect
from sqlalchemy import text

from support.browsers import chromium
from support.cluster.cluster import Cluster, Document, until
from support.cluster.postgres import Postgres
from support.cluster.printed import notes
from support.cluster.rest import Api
from support.ports import free_port
from support.servers.earth_daily import COLLECTION, EarthDaily, earth_daily, items_in

INSERT = """
INSERT INTO overlays (created, creator, data_name, ul_lat, ul_lng, lr_lat, lr_lng, resolution, is_earth_daily)
VALUES ('2024-10-01', 'old client', 'ndvi', :north, :west, :south, :east, 20, true) RETURNING overlay_id
"""
PAGE_SECONDS = 30
"""Timeout for a change on the page in seconds, long enough for a busy machine."""
MADE_SECONDS = 180
"""Timeout for a mosaic in seconds."""
expect.set_options(timeout=PAGE_SECONDS * 1000)


@pytest.fixture(scope="module")
def eds(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EarthDaily]:
    """The fake EarthDaily, at an address that pods reach."""
    folder = tmp_path_factory.mktemp("eds")
    list(write_scenes(folder, count=1, side=512))
    with earth_daily(folder, items_in(folder), cluster.host) as state:
        yield state


@pytest.fixture(scope="module")
def public_port() -> int:
    """The port at which browsers reach the page, by `kubectl port-forward`."""
    return free_port()


@pytest.fixture(scope="module")
def api(install_api: Callable[..., Api], scenes: Any, eds: EarthDaily, public_port: int) -> Api:
    """A release with the API."""
    values = {
        "allowedHosts": [scenes.address, eds.address],
        "earthDaily": {"secretName": "earth-daily"},
        "limits": {"maxRunningPerNamespace": 4},
    }
    return install_api("api", f"http://127.0.0.1:{public_port}", values, {"earth-daily": eds.environment})


def test_a_request_over_rest_becomes_a_mosaicrequest_jobs_an_item_and_a_row(api: Api, scenes, assert_whole, expected):
    spec = scenes.spec(2)
    requested = api.submit("over-rest", spec)
    found_row = api.published(requested)
    seen = api.release.get("mosaic", "over-rest")
    assert seen["metadata"]["annotations"] == {ANNOTATION_ROW: requested}
    assert_whole(api.release, "over-rest", spec)
    assert found_row["status"] == seen["status"]
    assert found_row["item"]["id"] == f"over-rest-{seen['metadata']['uid']}"
    cog, _ = expected(spec)
    assert api.call("GET", f"/requests/{requested}/files/cog").content == cog


def test_a_request_of_kubectl_appears_and_can_be_removed_over_rest(api: Api, postgres: Postgres, scenes, assert_whole):
    spec = scenes.spec(1)
    uid = api.release.submit("by-kubectl", spec)
    found = api.named("by-kubectl")
    assert (found["origin"], found["owner"], found["shared"]) == ("cluster", None, True)
    assert_whole(api.release, "by-kubectl", spec)
    api.published(found["id"])
    with closing(Api(api.release, postgres.token("eve", "admin"))) as admin:
        assert admin.call("DELETE", f"/requests/{found['id']}").status_code == 204
        until(lambda: admin.call("GET", f"/requests/{found['id']}").status_code == 404, "its row is gone")
    assert "NotFound" in api.release.kubectl("get", "mosaic", "by-kubectl", check=False)
    assert api.release.files(f"mosaics/{api.release.namespace}/by-kubectl/{uid}") == {}


@pytest.fixture
def page(api: Api, public_port: int, tmp_path: Path) -> Iterator[Page]:
    """The page as the printed command makes it reachable; the test fails if the page had an error."""
    if reason := chromium.missing():
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    forward, _ = notes(api.release)[-2:]
    faults: list[str] = []

    def collect(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            faults.append(f"{message.text} ({message.location['url']})")

    with subprocess.Popen(["bash", "-c", f"exec {forward}"], stdout=subprocess.PIPE, text=True) as forwarding:
        assert forwarding.stdout is not None
        address = f"127.0.0.1:{public_port}"
        assert address in forwarding.stdout.readline()
        with chromium.chromium(public_port, tmp_path) as browser:
            context = browser.new_context(base_url=f"http://{address}", viewport={"width": 1280, "height": 860})
            context.set_default_timeout(PAGE_SECONDS * 1000)
            page = context.new_page()
            page.on("console", collect)
            page.on("pageerror", lambda error: faults.append(str(error)))
            yield page
        forwarding.terminate()
    assert faults == []


def test_submits_watches_and_shows_a_mosaic_on_the_page(api: Api, eds: EarthDaily, page: Page):
    _, make_token = notes(api.release)[-2:]
    token = subprocess.run(["bash", "-c", make_token], check=True, capture_output=True, text=True).stdout.strip()
    page.goto("/")
    page.get_by_role("link", name="Log in").click()
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#account")).to_contain_text("admin")

    form = page.get_by_role("form", name="New mosaic")
    page.get_by_role("tab", name="New mosaic").click()
    # the source before the area: a complete form starts a search, and Earth Search is not allowed here
    form.get_by_label("Source", exact=True).select_option("EarthDaily mosaics")
    form.get_by_label("From (UTC)", exact=True).fill("2024-06-01")
    form.get_by_label("To (UTC)", exact=True).fill("2024-09-30")
    for side, value in zip(("West", "South", "East", "North"), eds.items[0]["bbox"], strict=True):
        form.get_by_label(side).fill(str(value))
    expect(form.locator("#found")).to_contain_text("1 scene")
    for hidden in ("clouds", "cloud shadows"):
        form.get_by_label(hidden, exact=True).uncheck()
    form.get_by_label("Resolution").fill("20")
    form.get_by_label("Name (optional)").fill("on-the-page")
    form.get_by_role("button", name="Create mosaic").click()

    row = page.get_by_role("row", name=re.compile("^on-the-page"))
    expect(row).to_contain_text("Succeeded", timeout=MADE_SECONDS * 1000)
    found_row = api.release.get("mosaic", "on-the-page")
    assert found_row["status"]["phase"] == "Succeeded"
    assert found_row["spec"]["source"]["earthDaily"]["collection"] == COLLECTION

    request_id = found_row["metadata"]["annotations"][ANNOTATION_ROW]
    tiles = page.locator(f'img.leaflet-tile-loaded[src*="{request_id}"]')
    page.get_by_role("button", name="Hide on-the-page").click()
    expect(tiles).to_have_count(0)
    page.get_by_role("button", name="Show on-the-page").click()
    expect(page.locator("#legends")).to_contain_text("on-the-page · NDVI")
    expect(tiles.first).to_be_visible()
    page.locator("#map").hover()
    expect(page.locator("#pointer")).to_contain_text(re.compile(r"NDVI-?\d"))


def test_syncs_cancelling_and_suspending_in_both_directions(api: Api, scenes):
    names = ("cancelled-here", "cancelled-there")
    for name in names:
        scenes.gate.hold(scenes.path(1, name))
    here, there = (api.submit(name, scenes.spec(2, name)) for name in names)
    for request_id in (here, there):
        api.wait_for_phase(request_id, "Running")
    api.release.execute("cancelled-there", suspend=True)
    found_row = api.wait_for_phase(there, "Suspended")
    assert found_row["spec"]["execution"]["suspend"] is True
    assert api.call("POST", f"/requests/{here}/cancel").status_code == 202
    api.release.execute("cancelled-there", cancel=True)
    for name, request_id in zip(names, (here, there), strict=True):
        api.wait_for_phase(request_id, "Cancelled")
        assert api.release.status(name)["phase"] == "Cancelled"


def test_only_the_api_may_set_the_owner_of_a_request(api: Api, scenes: Any):
    request_id = api.submit("owned", scenes.spec(1))
    api.wait_for_phase(request_id, "Succeeded")
    owner = api.release.get("mosaic", "owned")["metadata"]["labels"][LABEL_OWNER]
    for change in (f"{LABEL_OWNER}=somebody-else", f"{LABEL_OWNER}-"):
        output = api.release.kubectl("label", "mosaic", "owned", change, "--overwrite", check=False)
        assert f"only the API may set or change the label {LABEL_OWNER}" in output
    request = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "forged", "labels": {LABEL_OWNER: owner}}}
    forged = json.dumps(request | {"spec": scenes.spec(1)})
    assert "only the API may set" in api.release.kubectl("create", "--filename", "-", given=forged, check=False)
    api.release.kubectl("label", "mosaic", "owned", "season=summer")


def test_serves_a_row_of_the_research_systems_client(api: Api, postgres: Postgres, eds: EarthDaily):
    west, south, east, north = eds.items[0]["bbox"]
    margin = 0.002  # keeps the box inside the scene, which is slightly rotated
    with postgres.transaction() as session:
        overlay_id = session.scalar(text(INSERT), {
            "north": north - margin, "west": west + margin, "south": south + margin, "east": east - margin,
        })  # fmt: skip

    def filled() -> Document | None:
        with postgres.transaction() as session:
            query = text("SELECT * FROM overlays WHERE overlay_id = :id")
            row = dict(session.execute(query, {"id": overlay_id}).mappings().one())
            failed = session.scalar(text("SELECT details ->> 'message' FROM audit WHERE action = 'fail'"))
        assert failed is None, failed
        return row if row["file_path"] else None

    row = until(filled, "the row is filled in", 240)
    found = api.named(f"overlay-{overlay_id}")
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
    requested = api.submit("survives", spec)
    api.wait_for_phase(requested, "Running")
    for pod in api.pods():
        kill(api, pod)
    postgres.restart()
    api.release.submit("meanwhile", scenes.spec(1))
    scenes.gate.release_all()
    api.published(requested)
    assert_whole(api.release, "survives", spec)
    api.published(api.named("meanwhile")["id"])
    assert len(api.all("survives")) == 1


def test_two_replicas_answer_and_one_takes_over_the_sync(api: Api, scenes):
    api.release.kubectl("scale", "deployment", "mosaic-operator-api", "--replicas=2")
    api.release.kubectl("rollout", "status", "deployment/mosaic-operator-api", "--timeout=120s")
    waiting = scenes.spec(1) | {"execution": {"suspend": True}}

    def submit_to(pods: list[str], names: str) -> None:
        for number, pod in enumerate(pods):
            with closing(Api(api.release, api.token, f"pod/{pod}")) as one:
                request_id = one.submit(f"{names}-{number}", waiting)
                one.wait_for_phase(request_id, "Suspended")

    until(lambda: any(map(api.leads, api.pods())), "one leads")
    follower, leader = sorted(api.pods(), key=api.leads)
    assert not api.leads(follower)
    submit_to([follower, leader], "both")
    kill(api, leader)
    until(lambda: api.leads(follower), "the other leads")
    submit_to([follower], "one")
    found = [each["metadata"]["name"] for each in api.release.get("mosaics")["items"]]
    assert sorted(name for name in found if name.startswith(("both-", "one-"))) == ["both-0", "both-1", "one-0"]


def kill(api: Api, pod: str) -> None:
    """Delete a pod without a grace period; its Deployment starts another."""
    api.release.kubectl("delete", "pod", pod, "--grace-period=0", "--force", "--wait=false")


def test_the_api_has_only_the_rights_that_it_needs(api: Api):
    here, ours = api.release.namespace, "mosaics.arbutus.dev"
    requests = {"namespace": here, "group": ours, "resource": "mosaicrequests"}
    definition = {"group": "apiextensions.k8s.io", "resource": "customresourcedefinitions"}
    own = definition | {"name": f"mosaicrequests.{ours}"}
    allowed = [requests | {"verb": verb} for verb in ("list", "watch", "create", "patch", "delete")]
    allowed.append(own | {"verb": "get"})
    denied = [requests | {"verb": verb} for verb in ("update", "deletecollection")]
    denied += [requests | {"verb": "list", "namespace": "default"}]
    denied += [requests | {"verb": "patch", "subresource": "status"}]
    denied += [
        {"namespace": here, "group": "", "resource": resource, "verb": verb}
        for resource in ("secrets", "pods")
        for verb in ("get", "list", "create")
    ]
    denied += [{"namespace": here, "group": "batch", "resource": "jobs", "verb": "create"}]
    denied += [own | {"verb": "delete"}, definition | {"verb": "get", "name": "others.example.org"}]
    assert may(api, allowed) == [True] * len(allowed)
    assert may(api, denied) == [False] * len(denied)


def may(api: Api, attributes: list[dict[str, str]]) -> list[bool]:
    """Whether the API server allows the API each of some actions."""
    account = f"system:serviceaccount:{api.release.namespace}:mosaic-operator-api"
    reviews = [
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": account, "resourceAttributes": each},
        }
        for each in attributes
    ]
    given = json.dumps({"apiVersion": "v1", "kind": "List", "items": reviews})
    found_row = "jsonpath={.status.allowed} "
    answers = api.release.cluster.kubectl("create", "--filename", "-", "--output", found_row, given=given)
    return [answer == "true" for answer in answers.split()]
