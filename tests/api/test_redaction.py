"""Secrets in the URLs of a request are returned only to its owner, by no endpoint to anyone else."""

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from mosaic_api.app import create_app
from mosaic_api.database import Request
from mosaic_api.requests.redaction import redacted
from mosaic_api.settings import Settings

from support.api.installations import Installation, serving
from support.databases import database  # noqa: F401 (a fixture)
from support.ports import free_port

CANARY = "canary"
FILES = [
    {
        "bands": {
            "red": "https://h.example/red.tif?file=red&key=canary-unknown-parameter",
            "nir": {"href": "HTTPS://ann:canary-password@h.example/nir.tif", "band": 2},
            "blue": "h.example/blue.tif?sig=canary-without-scheme",
            "green": "//h.example/green.tif?sig=canary-without-protocol",
            "swir16": "https:/ann:canary-slash@h.example/swir.tif?sig=canary-one-slash",
        },
        "mask": {"href": "https://h.example/mask.tif#canary-fragment", "values": "zero"},
    },
    {"item": "https://h.example/item.json?X-Amz-Signature=canary-item", "mask": "https://h.example/m.tif?sig=canary"},
    {"safe": "/scenes/a.SAFE.zip?token=canary-safe"},
]
STAC = {
    "url": "https://canary-user@h.example/stac?subscription-key=canary-stac",
    "collection": "sentinel-2-l2a",
    "datetime": "2024-06-15/2024-08-31",
    "query": {"derived": {"eq": "https://h.example/?token=canary-query"}},
    "assets": {"red": "https://h.example/?token=canary-asset"},
}
SPECS: list[dict[str, Any]] = [
    {"source": {"files": {"scenes": FILES}}, "product": {"index": "NDVI"}},
    {
        "source": {"stac": STAC},
        "minus": {"files": {"scenes": FILES}},
        "product": {"index": "NDVI"},
        "area": {"bbox": [0, 0, 1, 1]},
    },
]
MESSAGE = 'spec.source.files.scenes[0].item: Invalid value: "https://h.example/a?sig=canary-told": https://u:canary@h/a'


def secrets_in(document: Any) -> list[str]:
    return sorted(re.findall(r"canary[-a-z]*", json.dumps(document)))


@pytest.fixture
def installation(settings: Settings) -> Iterator[Installation]:
    port = free_port()
    with serving(replace(settings, public_url=f"http://127.0.0.1:{port}"), port) as made:
        yield made


def submitted(client: httpx.Client, spec: dict[str, Any]) -> str:
    answer = client.post("requests", json={"spec": spec})
    assert answer.status_code == 201, answer.text
    assert client.patch(f"requests/{answer.json()['id']}", json={"shared": True}).status_code == 200
    return answer.json()["id"]


def set_columns(installation: Installation, request: str, **columns: Any) -> None:
    with installation.database.transaction() as session:
        row = session.get(Request, uuid.UUID(request))
        for name, value in columns.items():
            setattr(row, name, value)


def readable_paths(installation: Installation, request: str) -> Iterator[str]:
    """The paths of all GET routes, with the request in each place for an id."""
    filled = {"request_id": request, "content": "item", "z": "0", "x": "0", "y": "0", "index": "0"}
    app = create_app(installation.settings)
    paths = {path for path, methods in app.openapi()["paths"].items() if "get" in methods}
    assert filled.keys() <= {name for path in paths for name in re.findall(r"{(\w+)}", path)}
    for path in sorted(paths | {"/", "/metrics", "/healthz", "/readyz", "/login"}):
        yield re.sub(r"{(\w+)}", lambda found: filled.get(found.group(1), str(uuid.uuid4())), path)


def seen_by(client: httpx.Client, installation: Installation, request: str) -> str:
    """All responses that a client receives, with the first event of each stream."""
    texts = []
    for path in readable_paths(installation, request):
        with client.stream("GET", f"{installation.url}{path}") as answer:
            texts.append(f"{path} {answer.headers}")
            for chunk in answer.iter_text():
                texts.append(chunk)
                if path.endswith("/events") and "\r\n\r\n" in chunk:
                    break
    for method, path, body in [
        ("POST", f"requests/{request}/cancel", None),
        ("PATCH", f"requests/{request}", {"shared": True}),
        ("POST", "requests", {"name": client.get(f"requests/{request}").json().get("name"), "spec": SPECS[1]}),
    ]:
        texts.append(client.request(method, path, json=body).text)
    return "\n".join(texts)


@pytest.mark.parametrize("number", [0, 1])
def test_hides_secrets_in_urls_from_others_on_every_route(installation, number):
    with installation.client(installation.token("ann")) as ann:
        request = submitted(ann, SPECS[number])
        item = {"properties": {"mosaic:scenes": [{"bands": {"red": {"href": "https://h.example/a?key=canary-item"}}}]}}
        set_columns(installation, request, status={"phase": "Failed", "message": MESSAGE}, item=item)
        whole = ann.get(f"requests/{request}").json()
        assert (secrets_in(whole["spec"]), whole["status"]["message"]) == (secrets_in(SPECS[number]), MESSAGE)
        assert whole["redacted"] is False
    callers = {"bob": "editor", "eve": "viewer", "root": "admin", "": ""}
    for name, role in callers.items():
        with installation.client(installation.token(name, role) if name else "") as caller:
            seen = seen_by(caller, installation, request)
            assert CANARY not in seen.replace("/requests/canary", ""), [
                line for line in seen.split("\n") if CANARY in line
            ]
            if name:
                returned = caller.get(f"requests/{request}").json()
                assert returned["redacted"] is True
                assert "h.example" in json.dumps(returned["spec"])
                again = caller.post("scenes", json={name: returned["spec"][name] for name in ("source",)})
                assert CANARY not in again.text


def test_redacts_requests_applied_with_kubectl_for_everyone(installation):
    with (
        installation.client(installation.token("ann")) as ann,
        installation.client(installation.token("root", "admin")) as root,
    ):
        request = submitted(ann, SPECS[0])
        set_columns(installation, request, owner_id=None, origin="cluster")
        for caller in (ann, root):
            returned = caller.get(f"requests/{request}").json()
            assert CANARY not in json.dumps(returned)
            assert (returned["mine"], returned["redacted"]) == (False, True)


def test_redacts_central_requests_for_other_users(central_settings, settings):
    port = free_port()
    central_settings = replace(central_settings, public_url=f"http://127.0.0.1:{port}")
    with serving(central_settings, port) as central:
        there = replace(settings, central_url=central.url, central_token=central.token("lab"))
        here_port = free_port()
        with serving(replace(there, public_url=f"http://127.0.0.1:{here_port}"), here_port) as here:
            with here.client(here.token("ann")) as ann, here.client(here.token("bob")) as bob:
                sent = ann.post("central/requests", json={"spec": SPECS[0]})
                assert sent.status_code == 201, sent.text
                request = sent.json()["id"]
                for path in ("central/requests", f"central/requests/{request}", "central/datasets", "central"):
                    answer = bob.get(path)
                    assert answer.status_code == 200
                    assert CANARY not in answer.text
            with central.database.transaction() as session:
                sent_there = session.get(Request, uuid.UUID(request))
                assert secrets_in(sent_there.spec) == secrets_in(SPECS[0])  # the request needs them


def test_keeps_the_parts_of_urls_that_are_not_secret():
    spec = {
        "source": {"files": {"scenes": [{"item": "https://h.example:8443/a/b.json"}]}},
        "area": {"bbox": [0, 0, 1, 1]},
    }
    request = {"spec": spec, "status": {"message": "published file:///a/b%20c.tif"}, "item": None}
    assert redacted(request) == request | {"redacted": False}
    returned = redacted({"status": {"message": "'https://u:p@h.example/a.tif?x=1' and http://h/b#c, done?"}})
    assert returned["status"]["message"] == "'https://h.example/a.tif' and http://h/b done?"


def test_redacts_long_texts_quickly():
    for text in ("a" * 200_000, "a:" * 100_000, "https:" * 40_000, "//" * 100_000, "@" * 200_000):
        redacted({"spec": {"source": {"files": {"scenes": [{"item": text}]}}}, "status": {"message": text}})
