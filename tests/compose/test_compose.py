"""The services of `docker compose up`: one request per worker in parallel, and restricted containers."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.compose.stack import ADDRESS, WORKERS, Meeting, Scenes, Stack, run, until

OWN = {"api", "worker", "migrate", "postgres"}


def submit(client: httpx.Client, spec: dict[str, Any]) -> str:
    answer = client.post("/api/v1/requests", json={"spec": spec})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def finished(client: httpx.Client, request: str) -> dict[str, Any]:
    """A request after it finished."""

    def look() -> dict[str, Any] | None:
        shown: dict[str, Any] = client.get(f"/api/v1/requests/{request}").json()
        return shown if shown["completed"] else None

    return until(look)


def test_four_workers_process_four_requests_in_parallel(stack: Stack, scenes: Scenes):
    paths = [f"/at-once-{number}.tif" for number in range(WORKERS)]
    scenes.meeting = Meeting(set(paths))
    with stack.client() as client:
        requested = [submit(client, scenes.spec(path)) for path in paths]
        made = [finished(client, request) for request in requested]
        assert [each["phase"] for each in made] == ["Succeeded"] * WORKERS, [each["status"] for each in made]
        for each in made:
            files = client.get(f"/api/v1/requests/{each['id']}/files/cog", headers={"Range": "bytes=0-3"})
            assert (files.status_code, files.content[:2]) == (206, b"II")
    assert scenes.meeting.took_place
    assert len(set(scenes.meeting.readers.values())) == WORKERS, "each request must be processed by another container"


def test_replaces_a_dead_worker_and_finishes_its_request(stack: Stack, scenes: Scenes):
    path = "/dies.tif"
    scenes.meeting = Meeting({path, "/never-asked-for.tif"})  # so that the first reader never finishes
    with stack.client() as client:
        request = submit(client, scenes.spec(path))
        reader = until(lambda: scenes.meeting.readers.get(path))
        name, before = next(
            (name, each["RestartCount"])
            for name, each in stack.containers().items()
            if reader in {network["IPAddress"] for network in each["NetworkSettings"]["Networks"].values()}
        )
        os.kill(stack.containers()[name]["State"]["Pid"], signal.SIGKILL)
        until(lambda: stack.containers()[name]["RestartCount"] > before)
        assert finished(client, request)["phase"] == "Succeeded"


def test_results_survive_down_and_up(stack: Stack, scenes: Scenes):
    scenes.meeting = None
    with stack.client() as client:
        request = submit(client, scenes.spec("/kept.tif"))
        before = finished(client, request)
        stack.compose("down", "--timeout", "20")
        stack.up()
        after = client.get(f"/api/v1/requests/{request}").json()
        assert after == before
        assert client.get(f"/api/v1/requests/{request}/files/png").content[1:4] == b"PNG"


def test_containers_have_only_the_required_privileges(stack: Stack):
    containers = stack.containers()
    assert {each["Config"]["Labels"]["com.docker.compose.service"] for each in containers.values()} == OWN
    for name, each in containers.items():
        host = each["HostConfig"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert not host["CapAdd"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert not host["Privileged"], name
        if each["State"]["Running"]:
            user = run("docker", "exec", name, "id", "-u").strip()
            assert user != "0", name
            assert run("docker", "exec", name, "sh", "-c", "touch /x 2>&1 || true").strip(), name


def test_only_the_page_is_exposed_and_only_to_this_machine(stack: Stack):
    published = {
        (name.rsplit("-", 1)[0], binding["HostIp"], binding["HostPort"])
        for name, each in stack.containers().items()
        for bindings in each["HostConfig"]["PortBindings"].values()
        for binding in bindings
    }
    assert published == {("mosaic-api", "127.0.0.1", "8080")}
    networks = json.loads(run("docker", "network", "inspect", "mosaic_database"))
    assert networks[0]["Internal"]
    assert httpx.get(f"{ADDRESS}/readyz").status_code == 200
    assert httpx.get(f"{ADDRESS}/api/v1/requests").status_code == 401


def test_the_migrations_ran_once_and_succeeded(stack: Stack):
    migrate = [each for name, each in stack.containers().items() if "migrate" in name]
    assert [(each["State"]["Status"], each["State"]["ExitCode"]) for each in migrate] == [("exited", 0)]


def test_secrets_are_only_in_files(stack: Stack):
    folder = Path(stack.environment["MOSAIC_SECRETS"])
    values = [file.read_text().strip() for file in folder.iterdir()] + [stack.secret]
    shown = (
        json.dumps(list(stack.containers().values())) + stack.compose("logs", "--no-color") + stack.compose("config")
    )
    for name in stack.containers():
        if stack.containers()[name]["State"]["Running"]:
            shown += run("docker", "exec", name, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert len(values) == 3
    assert not [value for value in values if value in shown]


def test_the_api_offers_no_other_authentication(stack: Stack):
    with httpx.Client(base_url=ADDRESS, follow_redirects=False, headers={"Origin": ADDRESS}) as browser:
        assert browser.post("/login", data={"token": "mosaic_wrong"}).status_code == 401
        answer = browser.post("/login", data={"token": stack.secret})
        assert answer.status_code == 303
        assert browser.get("/api/v1/me").json()["role"] == "admin"
        assert "httponly" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize("service", sorted(OWN - {"migrate"}))
def test_restarts_every_service(stack: Stack, service: str):
    policies = {
        each["HostConfig"]["RestartPolicy"]["Name"]
        for each in stack.containers().values()
        if each["Config"]["Labels"]["com.docker.compose.service"] == service
    }
    assert policies == {"unless-stopped"}
