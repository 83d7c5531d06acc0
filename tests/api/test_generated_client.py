"""A client that openapi-python-client generates from the API's description does what people need."""

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from mosaic_api.app import create_app
from mosaic_api.settings import Settings

from support.api.executors import executor, spec_of
from support.api.installations import serving
from support.servers.running import free_port

NAME = "generated_mosaic_client"


@pytest.fixture
def generated(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The generated package."""
    document, config = tmp_path / "openapi.json", tmp_path / "config.json"
    document.write_text(json.dumps(create_app(settings).openapi()))
    config.write_text(json.dumps({"post_hooks": []}))  # they only format the code
    program = Path(sys.executable).with_name("openapi-python-client")
    options = ["--path", document, "--config", config, "--meta", "none", "--output-path", tmp_path / NAME]
    done = subprocess.run([program, "generate", *options], capture_output=True, text=True, check=True)
    assert "WARNING" not in done.stdout + done.stderr
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module(NAME)
    for name in [name for name in sys.modules if name.split(".")[0] == NAME]:
        del sys.modules[name]


def part(name: str) -> ModuleType:
    return importlib.import_module(f"{NAME}.{name}")


def test_it_submits_a_request_watches_it_until_it_is_published_and_fetches_a_file(generated, settings, serve):
    port, address = free_port(), serve(0)
    here = replace(settings, public_url=f"http://127.0.0.1:{port}", allowed_hosts=address)
    models = part("models")
    with serving(here, port) as installation, executor(here):
        with generated.AuthenticatedClient(installation.url, installation.token("ann"), timeout=60) as client:
            body = models.RequestCreate.from_dict({"name": "snow", "spec": spec_of(f"http://{address}")})
            made = part("api.requests.create_request").sync(client=client, body=body)
            assert isinstance(made, models.Request)
            assert (made.name, made.phase, made.mine) == ("snow", models.Phase.PENDING, True)

            watch = part("api.requests.watch_request")._get_kwargs(request_id=made.id)
            with client.get_httpx_client().stream(**watch) as events:
                assert events.headers["content-type"].startswith("text/event-stream")
                told = (line.removeprefix("data: ") for line in events.iter_lines() if line.startswith("data: "))
                seen = (models.Request.from_dict(json.loads(each)) for each in told)
                done = next(each for each in seen if each.completed)
            assert done.phase == models.Phase.SUCCEEDED

            found = part("api.requests.get_request").sync(client=client, request_id=made.id)
            get_file = part("api.results.get_request_file")
            cog = get_file.sync(client=client, request_id=made.id, content=models.GetRequestFileContent.COG)
            published = Path(found.status.result.cog.removeprefix("file://"))
            assert cog.payload.read() == published.read_bytes()

            refused = part("api.requests.create_request").sync(client=client, body=body)
            assert isinstance(refused, models.Problem)
            assert refused.field == "name"
