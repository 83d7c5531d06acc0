"""A real Kubernetes with the chart installed, scenes that its pods can read, and the results of `mosaic run`."""

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from mosaic_crds.names import API_VERSION

from support.cluster.cluster import ROOT, Cluster, Document, Release, in_store, merged, the_cluster
from support.cluster.postgres import Postgres, reachable_postgres
from support.cluster.rest import Api
from support.cluster.scene_server import Gate, serving
from support.scenes.rasters import noise, write_raster

SIDE = 1024
"""Width and height of a scene in pixels: one tile, and so one range."""
SCENES = 4
LONGEST = [
    "test_faults", "test_api", "test_scale", "test_stores", "test_operator_faults",
    "test_two_replicas", "test_requests", "test_ends", "test_queues", "test_trust", "test_lost_node",
]  # fmt: skip
"""The slowest modules, the slowest first."""
PREFIX = re.compile(r"(http://[\w.:]+)/[\w-]+(/scene\d\.tif)")
"""The address of a scene with a prefix."""


def pytest_configure(config: pytest.Config) -> None:
    """Start the lab once, before a parallel run starts its processes."""
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    wanted = any("tests/cluster" in argument for argument in config.args)
    if alone and wanted and not config.option.collectonly:
        the_cluster()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest modules first, so that the processes of a parallel run end at about the same time."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster; without one the tests are skipped, and fail in continuous integration."""
    found = the_cluster()
    if isinstance(found, str):
        if os.environ.get("CI"):
            pytest.fail(f"no cluster: {found}")
        pytest.skip(f"no cluster: {found}")
    crd = ROOT / "crds" / "mosaicrequest.yaml"
    found.kubectl("apply", "--server-side", "--force-conflicts", "--filename", str(crd))
    return found


@dataclass(frozen=True)
class Scenes:
    """Scenes side by side, each with a green and a shortwave infrared band, and their server.

    Attributes:
        folder: Folder of the files.
        address: Address of the server.
        gate: Gate that makes readers of a file wait.
    """

    folder: Path
    address: str
    gate: Gate

    def spec(self, count: int = SCENES, prefix: str = "", **changes: Any) -> Document:
        """A request for the NDSI of the first scenes; each scene is a range."""
        scenes = [
            {
                "bands": {
                    band: {"href": f"http://{self.address}{self.path(number, prefix)}", "band": index, "nodata": 0}
                    for index, band in enumerate(("green", "swir16"), 1)
                }
            }
            for number in range(count)
        ]
        return {"source": {"files": {"scenes": scenes}}, "product": {"index": "NDSI"}} | changes

    def path(self, number: int, prefix: str = "") -> str:
        """The path of a scene. With a prefix it is the same file, and a test can make its readers wait."""
        folder = self.folder / prefix
        if not folder.exists():
            folder.symlink_to(self.folder, target_is_directory=True)
        return f"/{prefix}{'/' if prefix else ''}scene{number}.tif"


@pytest.fixture(scope="session")
def scenes(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenes]:
    """The scenes."""
    folder = tmp_path_factory.mktemp("scenes")
    for number in range(SCENES):
        values = np.stack([noise(SIDE, SIDE, 2 * number), noise(SIDE, SIDE, 2 * number + 1)])
        left = 500_000 + 10 * SIDE * number
        blocks = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate"}
        write_raster(folder / f"scene{number}.tif", values, left=left, **blocks)
    gate = Gate()
    with serving(folder, cluster.host, gate) as address:
        yield Scenes(folder, address, gate)


@pytest.fixture(scope="session")
def worker_name() -> str:
    """A name for the objects of this process of this test run."""
    return f"{os.environ.get('PYTEST_XDIST_WORKER', 'main')}-{os.getpid()}"


Install = Callable[..., Release]


@pytest.fixture(scope="session")
def install(cluster: Cluster, scenes: Scenes, worker_name: str) -> Iterator[Install]:
    """A function that installs the chart in a new namespace, which is deleted at the end of the session."""
    releases: list[Release] = []

    def installed(
        purpose: str, values: Document | None = None, secrets: Mapping[str, Mapping[str, str]] | None = None
    ) -> Release:
        release = Release(cluster, f"{purpose}-{worker_name}", scenes.address)
        releases.append(release)
        release.install(values, secrets=secrets)
        return release

    yield installed
    for release in releases:
        cluster.kubectl("delete", "namespace", release.namespace, "--wait=false")


@pytest.fixture(scope="session")
def shared(install: Install) -> Release:
    """The chart as most tests use it."""
    return install("mosaics")


@pytest.fixture(scope="module")
def postgres(cluster: Cluster) -> Iterator[Postgres]:
    """A PostgreSQL with an empty database that pods can reach."""
    with reachable_postgres(cluster.host) as server:
        yield server


@pytest.fixture(scope="module")
def install_api(cluster: Cluster, install: Install, postgres: Postgres) -> Iterator[Callable[..., Api]]:
    """A function that installs the chart with the API and the empty database; the client is the user ann."""
    made: list[Api] = []

    def installed(
        purpose: str, public_url: str, values: Document, secrets: Mapping[str, Mapping[str, str]] | None = None
    ) -> Api:
        secret = {
            "MOSAIC_DATABASE_URL": postgres.url,
            "MOSAIC_DATABASE_PASSWORD": postgres.password,
            "MOSAIC_SESSION_SECRET": "0123456789abcdef" * 2,
        }
        base = {
            "api": {
                "enabled": True,
                "publicUrl": public_url,
                "secretName": "mosaic-api",
                "databasePort": postgres.port,
                "image": {"repository": f"{cluster.registry}mosaic-api", "tag": cluster.tag},
                "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
            },
        }
        release = install(purpose, merged(base, values), {"mosaic-api": secret, **(secrets or {})})
        made.append(Api(release, postgres.token("ann")))
        return made[-1]

    yield installed
    for api in made:
        api.close()


Expected = Callable[[Document], tuple[bytes, bytes]]


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Expected:
    """The result of `mosaic run` for a request on this machine: the bytes of its COG and of its PNG.

    They do not depend on the prefix of the scenes: one run serves all requests for the same scenes.
    """
    made: dict[str, tuple[bytes, bytes]] = {}

    def run(spec: Document) -> tuple[bytes, bytes]:
        written = yaml.safe_dump({name: value for name, value in spec.items() if name != "execution"})
        key = PREFIX.sub(r"\1\2", written)
        if key not in made:
            folder = tmp_path_factory.mktemp("expected")
            request = {
                "apiVersion": API_VERSION,
                "kind": "MosaicRequest",
                "metadata": {"name": "expected"},
                "spec": yaml.safe_load(key),
            }
            (folder / "request.yaml").write_text(yaml.safe_dump(request))
            mosaic = Path(sys.executable).parent / "mosaic"
            subprocess.run(
                [mosaic, "run", folder / "request.yaml", "--store", folder / "store"], check=True, capture_output=True
            )
            (cog,) = (folder / "store").glob("mosaics/*/*/*/mosaic.tif")
            made[key] = (cog.read_bytes(), cog.with_name("mosaic.png").read_bytes())
        return made[key]

    return run


@pytest.fixture
def assert_whole(expected: Expected) -> Callable[..., None]:
    """A function that asserts that a mosaic is published once, is complete, and equals that of `mosaic run`."""

    def whole(release: Release, name: str, spec: Document) -> None:
        status = release.wait_for(name, "Succeeded", "Failed")
        assert status["phase"] == "Succeeded", status["message"]
        result = status["result"]
        cog, png = expected(spec)
        uid = release.get("mosaic", name)["metadata"]["uid"]
        results = f"mosaics/{release.namespace}/{name}/{uid}"
        files = release.files(f"work/{uid}", results)
        assert files[in_store(result["cog"])] == hashlib.sha256(cog).hexdigest()
        assert files[in_store(result["png"])] == hashlib.sha256(png).hexdigest()
        assert [path.rpartition("/")[0] for path in files] == [results] * 4

    return whole


@pytest.fixture(autouse=True)
def _released(request: pytest.FixtureRequest) -> Iterator[None]:
    """Release all files after a test."""
    yield
    if "scenes" in request.fixturenames:
        request.getfixturevalue("scenes").gate.release_all()
