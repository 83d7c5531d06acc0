"""`mosaic serve` as a user runs it: started, used, stopped in every way, and restarted."""

import json
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.api.executors import children, is_running, spec_of, until
from support.api.serving import command, own_place, served, servers_below, text_of, write_request
from support.databases import run_on
from support.ports import free_port
from support.scenes.rasters import noise, write_raster
from support.servers.range_server import serving


@pytest.fixture
def place() -> Iterator[Path]:
    with own_place() as made:
        yield made


def submit(client: httpx.Client, name: str, spec: dict) -> str:
    answer = client.post("/api/v1/requests", json={"name": name, "spec": spec})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def read(client: httpx.Client, request: str) -> dict:
    return client.get(f"/api/v1/requests/{request}").json()


def until_over(client: httpx.Client, request: str) -> dict:
    def look() -> dict | None:
        found = read(client, request)
        return found if found["terminal"] else None

    return until(look)


def test_makes_a_requested_mosaic_and_shows_it_after_a_restart(place):
    with served(place, "--scenes", place) as (process, client):
        request = submit(client, "snow", spec_of("scenes"))
        done = until_over(client, request)
        assert done["phase"] == "Succeeded", done["status"]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert not servers_below(place)
    assert "Traceback" not in text_of(place)
    assert text_of(place).count("\n") == 1
    with served(place, "--scenes", place) as (_, client):
        assert read(client, request) == done
    cog = Path(done["status"]["result"]["cog"].removeprefix("file://").replace("%20", " "))
    assert cog.is_relative_to(place / "data/store")


def test_processes_a_request_from_the_command_line_once(place):
    once = command(place, place / "snow.yaml", "--scenes", place, "--once")
    first = subprocess.run(once, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr
    assert "mosaic.tif" in first.stdout
    assert "snow: Running" in first.stderr
    again = subprocess.run(once, capture_output=True, text=True, check=False)
    assert again.stdout == f"This mosaic already exists.\n{first.stdout}"
    assert again.stderr == ""
    with served(place) as (_, client):
        [request] = client.get("/api/v1/requests").json()["requests"]
        assert (request["name"], request["origin"], request["phase"]) == ("snow", "command", "Succeeded")
    assert not servers_below(place)


def test_reports_why_a_request_failed_and_processes_it_again(place):
    once = command(place, place / "snow.yaml", "--once")
    failed = subprocess.run(once, capture_output=True, text=True, check=False)
    assert failed.returncode == 42
    assert "is outside the folders of `mosaic serve --scenes FOLDER`; move it or give a URL" in failed.stderr
    corrected = subprocess.run([*once, "--scenes", place], capture_output=True, text=True, check=False)
    assert corrected.returncode == 0, corrected.stderr
    write_request(place / "snow.yaml", spec_of("scenes") | {"product": {"index": "NDVI"}})
    other = subprocess.run(once, capture_output=True, text=True, check=False)
    assert other.stderr == "mosaic: the request snow already exists; choose another name\n"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stops_immediately_with_a_running_request_and_continues_it_later(place, how):
    with serving(place / "scenes", delay=0.5) as address:
        with served(place) as (process, client):
            request = submit(client, "snow", spec_of(f"http://{address}"))
            with client.stream("GET", f"/api/v1/requests/{request}/events") as events:
                for line in events.iter_lines():
                    if line.startswith("data: ") and json.loads(line[6:])["phase"] == "Running":
                        break
                below = children(process.pid)
                process.send_signal(how)
                assert process.wait(20) == 0
            until(lambda: not any(is_running(each) for each in below), 5)
        assert not servers_below(place)
        assert "Traceback" not in text_of(place), text_of(place)
        with served(place) as (_, client):
            assert until_over(client, request)["phase"] == "Succeeded"


def test_continues_immediately_after_a_kill(place):
    with serving(place / "scenes", delay=0.5) as address:
        with served(place) as (process, client):
            request = submit(client, "snow", spec_of(f"http://{address}"))
            until(lambda: read(client, request)["phase"] == "Running")
            below = children(process.pid)
            process.kill()
            process.wait()
            until(lambda: not any(is_running(each) for each in below), 10)
        assert servers_below(place)
        with served(place) as (_, client):
            started = time.monotonic()
            until(
                lambda: read(client, request)["phase"] == "Running" or read(client, request)["phase"] == "Succeeded", 15
            )
            assert until_over(client, request)["phase"] == "Succeeded"
            assert time.monotonic() - started < 25  # it did not wait for the end of the lease
    assert not servers_below(place)


def test_refuses_a_second_server_in_the_same_folder(place):
    with served(place) as (process, client):
        other = subprocess.run(command(place, "--port", free_port()), capture_output=True, text=True, check=False)
        assert other.returncode == 42
        assert other.stderr == (
            f"mosaic: another `mosaic serve` (process {process.pid}) uses {place / 'data'}: stop it, or choose "
            "another folder with --data\n"
        )
        assert client.get("/readyz").status_code == 200


def test_reports_a_port_in_use_before_starting(place):
    with socket.socket() as used:
        used.bind(("127.0.0.1", 0))
        used.listen()
        port = used.getsockname()[1]
        done = subprocess.run(command(place, "--port", port), capture_output=True, text=True, check=False)
    assert done.returncode == 42
    assert done.stderr == (
        f"mosaic: port {port} is not available (another program uses it); choose another with --port\n"
    )
    assert not (place / "data").exists()


@pytest.mark.parametrize("how", ["variable", "file", "option"])
def test_uses_an_existing_database(place, postgres, database_url, how):
    role = f"guest_{uuid.uuid4().hex}"
    run_on(postgres, rf"CREATE ROLE {role} SUPERUSER LOGIN PASSWORD 'p@ss\:w/rd'")  # otherwise :w is a parameter
    of_guest = database_url.replace("postgres@", f"{role}@")
    (place / "url").write_text(database_url)
    options = ("--database", database_url) if how == "option" else ()
    named = {
        "variable": {"MOSAIC_DATABASE_URL": of_guest, "MOSAIC_DATABASE_PASSWORD": "p@ss:w/rd"},
        "file": {"MOSAIC_DATABASE_URL_FILE": str(place / "url")},
        "option": {},
    }[how]
    once = command(place, place / "snow.yaml", "--scenes", place, "--once", *options)
    done = subprocess.run(once, capture_output=True, text=True, check=False, env=os.environ | named)
    assert done.returncode == 0, done.stderr
    assert not (place / "data/database").exists()
    run_on(postgres, f"DROP ROLE {role}")


def test_requests_read_only_files_in_the_given_folders(place):
    with served(place, "--scenes", place / "scenes") as (_, client):
        (place / "scenes/way-out").symlink_to(place)
        write_raster(place / "private/green.tif", noise(64, 64), tiled=False)
        write_raster(place / "private/swir16.tif", noise(64, 64), tiled=False)
        for number, private in enumerate((place / "private", "way-out/private", "../private")):
            failed = until_over(client, submit(client, f"private-{number}", spec_of(str(private))))
            assert failed["phase"] == "Failed"
            assert "--scenes" in failed["status"]["message"]
