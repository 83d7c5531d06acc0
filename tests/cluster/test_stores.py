"""Requests with scenes from a catalogue and a store over the network: S3 and Azure Blob Storage."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from mosaic_crds import names
from mosaic_worker.store import Store, open_store
from mosaic_worker.synthetic import write_scenes

from support.cluster.cluster import Cluster, Document, Release
from support.cluster.node import kill_worker
from support.cluster.store_front import StoreFront
from support.scenes.served_items import COLLECTION, around, served_item
from support.servers import running
from support.servers.containers import forget_credentials, new_container
from support.servers.forwarding import serving
from support.servers.real_catalogue import median_request, write_cogs

REAL_SCENES = "MOSAIC_TEST_IMAGERY"
SYNTHETIC = frozenset(f"S2_SYNTHETIC_{number}" for number in (1, 2, 3))
SECRET = "store"
WRONG = "wrong" * 8
ENDPOINTS = {"s3": "AWS_ENDPOINT_URL", "az": "AZURE_STORAGE_SERVICE_ENDPOINT"}
FILES = {"mosaic.tif", "mosaic.png", "thumbnail.png", "mosaic.json"}


@pytest.fixture(scope="module")
def servers() -> None:
    """Skip or fail if the servers are not installed."""
    reason = running.missing("azurite", "versitygw")
    if reason:
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


@pytest.fixture(scope="module")
def known(scenes) -> dict[str, list[Document]]:
    """The Items in the catalogue: of overlapping synthetic scenes, and of real ones if they are available."""
    paths = {"synthetic": list(write_scenes(scenes.folder / "catalogue", count=3, side=1280)), "real": []}
    if os.environ.get(REAL_SCENES):
        collection = Path(os.environ[REAL_SCENES]) / "sentinel2-l2a" / "sentinel-2-l2a"
        paths["real"] = write_cogs(collection, scenes.folder / "real")
    return {kind: [served_item(path, scenes.folder, scenes.address) for path in some] for kind, some in paths.items()}


@pytest.fixture(scope="module")
def catalogue(cluster: Cluster, known, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Document]:
    """A request for the median of the synthetic scenes from a STAC API (rustac)."""
    with running.stac_api(known["synthetic"] + known["real"], tmp_path_factory.mktemp("rustac"), cluster.host) as url:
        yield {
            "area": {"bbox": around(known["synthetic"])},
            "source": {"stac": {"url": url, "collection": COLLECTION, "datetime": "2024-07-01/2024-07-31"}},
            "product": {"index": "NDVI"},
            "composite": {"method": "median", "mask": ["cloud", "shadow"]},
            "grid": {"resolution": 10},
        }


@dataclass(frozen=True)
class Account:
    """A container on a service. Pods reach it through a proxy, and this process directly.

    Attributes:
        uri: URI of a folder in the container.
        front: Proxy of the service.
        endpoint: Endpoint for pods.
        secret: Contents of the chart's Secret.
    """

    uri: str
    front: StoreFront
    endpoint: str
    secret: dict[str, str] = field(repr=False)

    @property
    def scheme(self) -> str:
        return self.uri.partition("://")[0]

    @property
    def secrets(self) -> list[str]:
        """The values that must not appear in output."""
        return [value for name, value in self.secret.items() if name.endswith(("KEY", "KEY_ID"))]

    def values(self, catalogue: Document, scenes: str) -> Document:
        """Values for the chart."""
        hosts = [scenes, catalogue["source"]["stac"]["url"].removeprefix("http://")]
        store = {"uri": self.uri, "secretName": SECRET}
        if self.scheme == "s3":
            return {"store": store | {"endpoint": self.endpoint}, "allowedHosts": hosts}
        endpoint = {"name": ENDPOINTS[self.scheme], "value": self.endpoint}
        hosts.append(self.front.address)  # opens its port in the network policy
        return {"store": store, "allowedHosts": hosts, "worker": {"env": [endpoint]}}


@pytest.fixture(scope="module")
def accounts(cluster: Cluster, servers: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Account]]:
    """One account of each kind; the credentials of both are in the environment of this process."""
    with ExitStack() as stack:
        environment = stack.enter_context(pytest.MonkeyPatch.context())
        forget_credentials(environment)
        found = {}
        for scheme, start in (("s3", running.versitygw), ("az", running.azurite)):
            service = stack.enter_context(start(tmp_path_factory.mktemp(scheme), cluster.host))
            for name, value in service.environment.items():
                environment.setenv(name, value)
            uri = new_container(scheme, service)
            front = stack.enter_context(serving(StoreFront(service.address, cluster.host)))
            revealed = service.at(front.address)
            endpoint = revealed.pop(ENDPOINTS[scheme])
            found[scheme] = Account(uri, front, endpoint, revealed)
        yield found


@pytest.fixture(scope="module", autouse=True)
def refused(install, accounts: dict[str, Account], catalogue: Document, scenes) -> Release:
    """A request whose Secret is wrong. It starts first, because its retries take longest."""
    account = accounts["s3"]
    values = account.values(catalogue, scenes.address)
    values["store"]["uri"] += "/refused"
    release = install("refused", values, {SECRET: account.secret | {"AWS_SECRET_ACCESS_KEY": WRONG}})
    release.submit("refused", catalogue)
    return release


@pytest.fixture(scope="module")
def releases(install, accounts: dict[str, Account], catalogue: Document, scenes) -> dict[str, Release]:
    """The chart with each kind of store, in separate namespaces, with a running request."""
    found = {}
    for scheme, account in accounts.items():
        values = account.values(catalogue, scenes.address)
        found[scheme] = install(f"store-{scheme}", values, {SECRET: account.secret})
        found[scheme].submit("median", catalogue | {"execution": {"parallelism": 2}})
    return found


def assert_whole_in_store(
    account: Account, release: Release, name: str, spec: Document, expected, used: frozenset[str] = SYNTHETIC
) -> None:
    """Assert that a mosaic is in the store once, is complete and described, and equals that of `mosaic run`."""
    status = release.wait_for(name, "Succeeded", "Failed")
    assert status["phase"] == "Succeeded", status["message"]
    uid = release.get("mosaic", name)["metadata"]["uid"]
    store = open_store(account.uri)
    folder = f"mosaics/{release.namespace}/{name}/{uid}"
    assert {stored.key for stored in store.list(f"{folder}/")} == {f"{folder}/{file}" for file in FILES}
    assert list(store.list(names.work_prefix(uid))) == []
    named = {"cog": "mosaic.tif", "png": "mosaic.png", "item": "mosaic.json"}
    assert {kind: status["result"][kind] for kind in named} == {
        kind: f"{account.uri}/{folder}/{file}" for kind, file in named.items()
    }
    cog, png = expected(spec)
    for file, content in (("mosaic.tif", cog), ("mosaic.png", png)):
        assert hashlib.sha256(read(store, f"{folder}/{file}")).digest() == hashlib.sha256(content).digest()
    assert_described(store, folder, used)


def assert_described(store: Store, folder: str, used: frozenset[str]) -> None:
    """Assert that the Item names the scenes, and the other files with their sizes and checksums."""
    item = json.loads(read(store, f"{folder}/mosaic.json"))
    assert {asset["href"] for asset in item["assets"].values()} == {f"./{file}" for file in FILES - {"mosaic.json"}}
    for asset in item["assets"].values():
        content = read(store, f"{folder}/{asset['href'].removeprefix('./')}")
        assert asset["file:size"] == len(content)
        assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()
    scenes = [scene["id"] for scene in item["properties"]["mosaic:scenes"]]
    assert (len(scenes), set(scenes)) == (len(used), used)


def read(store: Store, key: str) -> bytes:
    content = store.read(key)
    assert content is not None, f"{key} is not there"
    return content


def shown(release: Release) -> str:
    """Everything that Kubernetes shows of a release except Secrets: objects, Events, and logs of its pods."""
    objects = release.kubectl("get", "mosaics,jobs,pods,events,deployments,configmaps", "--output", "yaml")
    flags = ["--prefix", "--tail=-1", "--max-log-requests=50", "--ignore-errors"]  # a pod may not have started
    logs = [
        release.kubectl("logs", f"--selector={selector}", *flags)
        for selector in (names.LABEL_STEP, "app.kubernetes.io/component=operator")
    ]
    return "\n".join([objects, *logs])


def revealed(secrets: Sequence[str], *texts: bytes) -> list[str]:
    return [secret for secret in secrets for text in texts if secret.encode() in text]


@pytest.mark.parametrize("scheme", ["s3", "az"])
def test_publishes_a_mosaic_of_scenes_in_a_catalogue(
    releases: dict[str, Release], accounts: dict[str, Account], catalogue: Document, expected, scheme: str
):
    account, release = accounts[scheme], releases[scheme]
    uid = release.get("mosaic", "median")["metadata"]["uid"]
    assert_whole_in_store(account, release, "median", catalogue, expected)
    plan = release.status("median")["plan"]
    assert (plan["scenes"], plan["tiles"], plan["ranges"]) == (3, 6, 6)
    for job in release.jobs("median").values():
        (container,) = job["spec"]["template"]["spec"]["containers"]
        assert container["envFrom"] == [{"secretRef": {"name": SECRET}}]
        assert not {variable["name"] for variable in container["env"]} & account.secret.keys()
    written = account.front.writes()
    everything = shown(release)
    assert [write for write in written if write.path.endswith(f"/{names.plan_key(uid)}")]
    for pod in ("median-plan", "median-tiles-5", "median-finalize", release.name):
        assert f"[pod/{pod}-" in everything, f"{pod} has no log"
    assert not revealed(account.secrets, everything.encode(), *(write.content for write in written))


@pytest.mark.parametrize("scheme", ["s3", "az"])
def test_the_median_of_the_ten_real_scenes_equals_that_of_one_machine(
    releases: dict[str, Release], accounts: dict[str, Account], catalogue: Document, known, expected, scheme: str
):
    """The tests of real imagery compare the same median with numpy's."""
    if not known["real"]:
        pytest.skip(f"{REAL_SCENES} is not set: no real imagery on this machine")
    spec = median_request(known["real"], catalogue["source"]["stac"]["url"])
    releases[scheme].submit("real", spec | {"execution": {"parallelism": 2}})
    used = frozenset(item["id"] for item in known["real"])
    assert len(used) == 10
    assert_whole_in_store(accounts[scheme], releases[scheme], "real", spec, expected, used)


def test_survives_a_worker_killed_between_a_part_and_its_record(
    cluster: Cluster, releases: dict[str, Release], accounts: dict[str, Account], catalogue: Document, expected
):
    """The worker is at the second of two tiles: only the second is computed again."""
    if not cluster.lab:
        pytest.skip("faults are made on the node, which is this machine only in the lab")
    account, release = accounts["s3"], releases["s3"]
    uid = release.submit("killed", catalogue | {"execution": {"parallelism": 1}})
    held = account.front.hold_next(names.record_key(uid, 2, 3))
    held.wait()
    plan: dict[str, Any] = json.loads(read(open_store(account.uri), names.plan_key(uid)))
    assert plan["ranges"][2] == [2, 4]
    kill_worker(uid, "tiles", 2)
    held.dropped.set()
    assert_whole_in_store(account, release, "killed", catalogue, expected)
    assert release.jobs("killed")["tiles"]["status"]["failed"] == 1
    written = account.front.writes(names.work_prefix(uid))
    records = [write.path.rpartition("/")[2] for write in written if write.path.endswith(".json")]
    assert sorted(records) == [*(f"{tile}.json" for tile in range(6)), "plan.json"]
    parts = [write for write in written if write.path.endswith(".tif")]
    tiles = [int(write.path.rpartition("/")[2].partition("-")[0]) for write in parts]
    assert sorted(zip(tiles, (write.status for write in parts), strict=True)) == [
        (0, 200),
        (1, 200),
        (2, 200),
        (3, 200),
        (3, 412),
        (4, 200),
        (5, 200),
    ]


def test_a_wrong_secret_fails_with_a_message_and_the_right_one_works(
    refused: Release, accounts: dict[str, Account], catalogue: Document, expected
):
    account = accounts["s3"]
    status = refused.wait_for("refused", "Failed", "Succeeded")
    assert status["message"] == (
        f"the store {account.uri}/refused/ refuses the credentials (SignatureDoesNotMatch); check that "
        "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN (or a profile, or a role) are right, have not "
        "expired and allow to read, write, list and delete, and run again; finished tiles are kept (tried 4 times)"
    )
    assert {c["type"]: c["reason"] for c in status["conditions"]}["Planned"] == "SourceOrStore"
    jobs = refused.jobs("refused")
    assert jobs.keys() == {"plan"}
    assert jobs["plan"]["status"]["failed"] == 4
    assert {c["type"]: c["reason"] for c in jobs["plan"]["status"]["conditions"]}["Failed"] == "BackoffLimitExceeded"
    everything = shown(refused)
    assert "[pod/refused-plan-" in everything
    assert not revealed([WRONG, *account.secrets], everything.encode())
    refused.keep_secret(SECRET, account.secret)
    refused.delete("refused")
    refused.submit("refused", catalogue)
    assert_whole_in_store(replace(account, uri=f"{account.uri}/refused"), refused, "refused", catalogue, expected)
