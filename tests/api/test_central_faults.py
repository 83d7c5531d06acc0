"""Failures of the central installation, the network or a process lose, repeat and block nothing."""

import re
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest
from mosaic_api.central.outbox import LEASE, Outbox
from mosaic_api.context import FETCHES
from mosaic_api.database import Dataset
from mosaic_api.database.models import now
from mosaic_api.datasets.purge import purge
from mosaic_api.postgres.server import PrivatePostgres
from mosaic_worker.store import open_store
from sqlalchemy import select

from support.api.central_pair import Pair, keep, shared
from support.api.dataset_files import geotiff
from support.api.installations import PATIENCE_SECONDS, serving, until
from support.databases import new_database
from support.ports import free_port
from support.servers.range_server import serving_by


def test_shares_a_dataset_after_the_central_server_becomes_available(pair: Pair):
    with pair.laptop.client() as laptop:
        dataset = keep(laptop, geotiff(), kind="image")
        assert laptop.post(f"datasets/{dataset['id']}/share").json()["central"]["state"] == "waiting"

        def sharing_with_message() -> dict[str, Any] | None:
            sharing = laptop.get(f"datasets/{dataset['id']}").json()["central"]
            return sharing if sharing["message"] else None

        away = until(sharing_with_message)
        assert (away["state"], away["id"]) == ("waiting", None)
        assert "does not answer" in away["message"]
        assert away["next"] is not None
        state = laptop.get("central").json()
        assert (state["configured"], state["reachable"]) == (True, False)
        requests = laptop.post("central/requests", json={"spec": {}})
        assert (requests.status_code, requests.headers["content-type"]) == (503, "application/problem+json")
        with pair.central_up() as central, central.client(pair.token) as there:
            done = shared(laptop, dataset)
            assert there.get(f"datasets/{done['central']['id']}").json()["shared"] is True
            assert there.get("datasets").json()["total"] == 1


def test_deletes_a_shared_dataset_after_a_long_outage_of_the_central_server(pair: Pair):
    with pair.laptop.client() as laptop:
        with pair.central_up() as central, central.client(pair.token) as there:
            dataset = keep(laptop, geotiff(), kind="image")
            laptop.post(f"datasets/{dataset['id']}/share")
            central_id = shared(laptop, dataset)["central"]["id"]
            assert there.get(f"datasets/{central_id}").status_code == 200
        assert laptop.delete(f"datasets/{dataset['id']}").status_code == 204
        store = open_store(pair.laptop.settings.store)
        # The days in which the dataset can be restored are over. It is skipped while the outbox tries to withdraw it.
        until(lambda: purge(pair.laptop.database, store, 0) == 1)
        assert list(store.list("datasets/")) == []
        assert purge(pair.laptop.database, store, 0) == 0
        with pair.central_up() as central, central.client(pair.token) as there:
            until(lambda: there.get(f"datasets/{central_id}").status_code == 404)
        until(lambda: purge(pair.laptop.database, store, 0) == 1)


def test_a_lost_response_to_an_upload_does_not_duplicate_the_dataset(pair: Pair):
    with pair.central_up() as central, pair.laptop.client() as laptop, central.client(pair.token) as there:
        dataset = keep(laptop, geotiff(), kind="image")
        laptop.post(f"datasets/{dataset['id']}/share")
        first = shared(laptop, dataset)["central"]["id"]
        with pair.laptop.database.transaction() as session:  # as if the process had died before it committed
            row = session.get_one(Dataset, uuid.UUID(dataset["id"]))
            row.central_id = None
            row.sharing = row.sharing | {"state": "waiting", "next": "2024-01-01T00:00:00+00:00"}
        assert shared(laptop, dataset)["central"]["id"] == first
        assert there.get("datasets").json()["total"] == 1


def test_many_outboxes_share_each_dataset_once(pair: Pair):
    with pair.laptop.client() as laptop:
        datasets = [keep(laptop, kind="point", name=f"p{number}", longitude=0, latitude=0) for number in range(12)]
        for dataset in datasets:
            laptop.post(f"datasets/{dataset['id']}/share")
        until(lambda: all(laptop.get(f"datasets/{dataset['id']}").json()["central"]["message"] for dataset in datasets))
        with pair.laptop.database.transaction() as session:
            for row in session.scalars(select(Dataset)):
                row.sharing = row.sharing | {"next": "2024-01-01T00:00:00+00:00"}
        with pair.central_up() as central, central.client(pair.token) as there:
            settings = pair.laptop.settings
            outbox = Outbox(settings, pair.laptop.database, open_store(settings.store))
            threads = [threading.Thread(target=outbox.process) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for dataset in datasets:
                shared(laptop, dataset)
            assert there.get("datasets").json()["total"] == 12


def test_another_process_takes_over_after_the_lease_expires(pair: Pair, monkeypatch):
    with pair.laptop.client() as laptop, monkeypatch.context() as dying:
        attempts: list[uuid.UUID] = []
        dying.setattr(Outbox, "_try", lambda _, dataset: attempts.append(dataset.id))  # as if the process died here
        dataset = keep(laptop, kind="point", longitude=0, latitude=0)
        laptop.post(f"datasets/{dataset['id']}/share")
        until(lambda: attempts)
        settings, database = pair.laptop.settings, pair.laptop.database
        outbox = Outbox(settings, database, open_store(settings.store))
        assert (outbox.process(), len(attempts)) == (0, 1)
        with database.transaction() as session:
            row = session.get_one(Dataset, uuid.UUID(dataset["id"]))
            leased = datetime.fromisoformat(row.sharing["next"]) - now()
            assert timedelta(0) < leased <= LEASE
            row.sharing = row.sharing | {"next": (now() - timedelta(seconds=1)).isoformat()}
        until(lambda: outbox.process() or len(attempts) > 1)
        assert attempts == [uuid.UUID(dataset["id"])] * 2


def test_processes_a_change_made_while_a_dataset_is_being_shared(pair: Pair, monkeypatch: pytest.MonkeyPatch):
    share = Outbox._share
    withdrawals: list[int] = []

    with pair.central_up() as central, pair.laptop.client() as laptop, central.client(pair.token) as there:

        def share_and_withdraw(outbox: Outbox, *arguments: Any) -> uuid.UUID:
            outcome = share(outbox, *arguments)
            withdrawals.append(laptop.delete(f"datasets/{dataset['id']}/share").status_code)
            return outcome

        monkeypatch.setattr(Outbox, "_share", share_and_withdraw)
        dataset = keep(laptop, kind="point", longitude=0, latitude=0)
        laptop.post(f"datasets/{dataset['id']}/share")
        until(lambda: withdrawals and laptop.get(f"datasets/{dataset['id']}").json()["central"] is None)
        assert withdrawals == [202]
        assert there.get("datasets").json()["total"] == 0


@contextmanager
def unreliable(target: str, cut_after: int) -> Iterator[str]:
    """A proxy that cuts off the first two responses with files, each a bit later."""
    ranges: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name: self.headers[name] for name in ("Authorization", "Range") if self.headers[name]}
            answer = httpx.get(f"{target}{self.path}", headers=headers)
            self.send_response(answer.status_code)
            for name in ("Content-Type", "Content-Range", "Content-Length"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.end_headers()
            cut = "/files/" in self.path and len(ranges) < 2
            if "/files/" in self.path:
                ranges.append(self.headers["Range"])
            self.wfile.write(answer.content[: cut_after if cut else None])
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    with serving_by(Handler) as address:
        yield f"http://{address}"
        assert ranges == [None, f"bytes={cut_after}-", f"bytes={2 * cut_after}-"]


def test_resumes_an_interrupted_download(pair: Pair, postgres: PrivatePostgres, template: str, tmp_path: Path):
    with pair.central_up() as central, central.client(pair.token) as there:
        dataset = keep(there, geotiff(), kind="image", shared=True)
        with new_database(postgres) as url, unreliable(central.url, 70_000) as way:
            local = replace(pair.laptop.settings, database=url, store=str(tmp_path / "x"), central_url=way)
            with serving(local, free_port()) as installation, installation.client() as laptop:
                fetched = laptop.post(f"central/datasets/{dataset['id']}/fetch")
                assert fetched.status_code == 201, fetched.text
                assert laptop.get(f"datasets/{fetched.json()['id']}/files/original").content == geotiff()


@contextmanager
def altering(target: str, alter: Callable[[bytes], bytes]) -> Iterator[str]:
    """A proxy that changes the content of every file."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = httpx.get(f"{target}{self.path}", headers={"Authorization": self.headers["Authorization"]})
            content = alter(answer.content) if "/files/" in self.path else answer.content
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with serving_by(Handler) as address:
        yield f"http://{address}"


@contextmanager
def laptop_by(way: str, pair: Pair, postgres: PrivatePostgres, folder: Path) -> Iterator[httpx.Client]:
    """Another laptop, which reaches the central installation through a proxy."""
    with new_database(postgres) as url:
        local = replace(pair.laptop.settings, database=url, store=str(folder / "x"), central_url=way)
        with serving(local, free_port()) as installation, installation.client() as client:
            client.get("me")
            yield client


def test_does_not_store_a_file_that_was_damaged_in_transit(pair: Pair, postgres: PrivatePostgres, tmp_path: Path):
    with pair.central_up() as central, central.client(pair.token) as there:
        dataset = keep(there, geotiff(), kind="image", shared=True)["id"]
        with altering(central.url, lambda content: content[:-1] + bytes([content[-1] ^ 1])) as way:
            with laptop_by(way, pair, postgres, tmp_path) as laptop:
                fetched = laptop.post(f"central/datasets/{dataset}/fetch")
                assert (fetched.status_code, "damaged" in fetched.json()["detail"]) == (503, True)
                assert laptop.get("datasets").json()["total"] == 0


def test_stuck_fetches_are_limited_and_do_not_block_uploads(pair: Pair, postgres: PrivatePostgres, tmp_path: Path):
    waiting, end = [], threading.Event()

    def wait(content: bytes) -> bytes:
        waiting.append(content)
        end.wait(PATIENCE_SECONDS)
        return content

    with pair.central_up() as central, central.client(pair.token) as there:
        datasets = [keep(there, geotiff(), kind="image", shared=True)["id"] for _ in range(FETCHES.at_once + 1)]
        with altering(central.url, wait) as way, laptop_by(way, pair, postgres, tmp_path) as laptop:
            with ThreadPoolExecutor() as others:
                try:
                    fetches = [others.submit(laptop.post, f"central/datasets/{each}/fetch") for each in datasets[1:]]
                    until(lambda: len(waiting) == FETCHES.at_once)
                    refused = laptop.post(f"central/datasets/{datasets[0]}/fetch")
                    assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
                    for _ in range(2):
                        keep(laptop, geotiff(), kind="image")
                finally:
                    end.set()
                assert {fetch.result().status_code for fetch in fetches} == {201}
                assert laptop.post(f"central/datasets/{datasets[0]}/fetch").status_code == 201


STRANGE = [b'{"ok": true}', b"[]", b"null", b'{"id": 1, "files": null}', b"[" * 100_000, b'{"details": NaN}', b"<html>"]


@pytest.mark.parametrize("content", STRANGE)
def test_reports_unexpected_responses_of_the_central_server(
    pair: Pair, postgres: PrivatePostgres, tmp_path: Path, content: bytes
):
    with strange(content) as (way, requests), laptop_by(way, pair, postgres, tmp_path) as laptop:
        datasets = [keep(laptop, kind="point", longitude=0, latitude=0, name=f"p{number}") for number in range(2)]
        for dataset in datasets:
            laptop.post(f"datasets/{dataset['id']}/share")
            sharing = until(
                lambda dataset=dataset: (
                    found if (found := laptop.get(f"datasets/{dataset['id']}").json()["central"])["message"] else None
                )
            )
            assert (sharing["state"], sharing["attempts"]) == ("waiting", 1)
            assert re.search("not a mosaic-operator|unsupported response", sharing["message"])
        assert len([path for path in requests if path.endswith("/datasets")]) >= 2
        for path in ("datasets", "requests", f"datasets/{uuid.uuid4()}", f"requests/{uuid.uuid4()}"):
            answer = laptop.get(f"central/{path}")
            assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json"), path
        assert laptop.post(f"central/requests/{uuid.uuid4()}/fetch").status_code == 503
        assert laptop.get("central").json()["reachable"] is False
        assert httpx.get(str(laptop.base_url.copy_with(path="/readyz"))).status_code == 200


@contextmanager
def strange(content: bytes) -> Iterator[tuple[str, list[str]]]:
    """A server that gives every request the same response, and the paths of the requests."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 (the interface's)

        def log_message(self, *_: object) -> None:
            pass

    with serving_by(Handler) as address:
        yield f"http://{address}", requests
