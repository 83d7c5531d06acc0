"""Scenes in buckets of a real S3 service (versitygw), which requires a valid signature."""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import requests
from mosaic_crds import names
from mosaic_crds.errors import RequestError
from mosaic_worker.sources.access.gate import Gate, own_machine, pod
from mosaic_worker.sources.http.client import Client
from mosaic_worker.sources.http.remote_files import RemoteFiles
from mosaic_worker.store.s3 import open_bucket
from mosaic_worker.store.s3_signing import Signature

from support.scenes.rasters import write_raster
from support.servers import running

NUMBERS = np.arange(1, 64 * 64 + 1, dtype=np.uint16).reshape(64, 64)
KEY = "tiles/33 T+WL/B04 #1~%20.tif"
CONTENT = np.random.default_rng(0).bytes(300_000)


@pytest.fixture
def bucket(versitygw: running.Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A bucket with an Item, its file and some bytes; the environment has its credentials."""
    for name, value in versitygw.environment.items():
        monkeypatch.setenv(name, value)
    name = f"scenes-{uuid.uuid4().hex[:12]}"
    requests.put(f"http://{versitygw.address}/{name}", auth=Signature(running.REGION), timeout=30).raise_for_status()
    service = open_bucket(name, versitygw.environment)
    image = write_raster(tmp_path / "B04.tif", NUMBERS, nodata=0).read_bytes()
    service.put(KEY, image, "test")
    service.put("bytes", CONTENT, "test")
    service.put("tiles/item.json", json.dumps(item("./33%20T+WL/B04%20%231~%2520.tif")).encode(), "test")
    return name


def item(href: str) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "SCENE",
        "geometry": None,
        "properties": {"datetime": "2024-07-01T10:00:00Z"},
        "links": [],
        "assets": {"red": {"href": href, "raster:bands": [{"scale": 0.0001, "offset": 0, "nodata": 0}]}},
    }


def read(gate: Gate, name: str, start: int, count: int) -> bytes:
    files = RemoteFiles(Client(gate))
    try:
        return files.get(gate.admit(name, "x")).read(start, count)
    finally:
        files.close()


@pytest.mark.parametrize("way", ["item in the bucket", "local item", "file"])
def test_a_mosaic_of_a_scene_in_a_bucket_has_its_values(bucket, tmp_path, way):
    local = tmp_path / "item.json"
    local.write_text(json.dumps(item(f"s3://{bucket}/{KEY}")))
    scene = {
        "item in the bucket": {"item": f"s3://{bucket}/tiles/item.json"},
        "local item": {"item": str(local)},
        "file": {"bands": {"red": {"href": f"s3://{bucket}/{KEY}", "scale": 0.0001}}},
    }[way]
    spec = {
        "source": {"files": {"scenes": [scene]}},
        "product": {"bands": ["red"]},
        "grid": {"crs": "source"},
        "execution": {"parallelism": 1},
    }
    request = {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": {"name": "test"}, "spec": spec}
    (tmp_path / "request.yaml").write_text(json.dumps(request))
    command = [Path(sys.executable).parent / "mosaic", "run", tmp_path / "request.yaml", "--store", tmp_path / "store"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # inherited by its processes
    assert done.returncode == 0, done.stderr
    (made,) = (tmp_path / "store").glob("mosaics/*/*/*/mosaic.tif")
    with rasterio.open(made) as dataset:
        np.testing.assert_allclose(dataset.read(1), NUMBERS * 0.0001, rtol=1e-4)
    kept = [path.read_text(errors="ignore") for path in (tmp_path / "store").rglob("*.json")]
    assert kept
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        assert not any(os.environ[name] in text for text in (*kept, done.stdout, done.stderr))


@pytest.mark.parametrize("region", [running.REGION, "", "eu-central-1"])
def test_reads_ranges_of_an_object_in_any_region(bucket, monkeypatch, region):
    monkeypatch.setenv("AWS_REGION", region)
    assert read(own_machine(Path("/")), f"s3://{bucket}/bytes", 123_456, 100_000) == CONTENT[123_456:223_456]


def test_a_pod_uses_credentials_for_sources_and_requires_a_listed_endpoint(bucket, versitygw, monkeypatch):
    gate = pod(versitygw.address)
    monkeypatch.setenv("MOSAIC_SOURCES_AWS_ENDPOINT_URL", versitygw.environment["AWS_ENDPOINT_URL"])
    with pytest.raises(
        RequestError, match=r"403 .*MOSAIC_SOURCES_AWS_ACCESS_KEY_ID"
    ):  # the credentials of the store are ignored
        read(gate, f"s3://{bucket}/bytes", 0, 10)
    for name, value in versitygw.environment.items():
        monkeypatch.setenv(f"MOSAIC_SOURCES_{name}", value)
    assert read(gate, f"s3://{bucket}/bytes", 0, 10) == CONTENT[:10]
    with pytest.raises(RequestError, match=r"the host 127\.0\.0\.1:\d+ is not among those"):
        read(pod("example.org"), f"s3://{bucket}/bytes", 0, 10)


def test_reports_wrong_credentials_and_missing_objects(bucket, versitygw, monkeypatch):
    gate = own_machine(Path("/"))
    with pytest.raises(RequestError, match=rf"404 \(NoSuchKey\) for s3://{bucket}/none"):
        read(gate, f"s3://{bucket}/none", 0, 10)
    secret = "wrong" * 8
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    with pytest.raises(RequestError, match=r"403 \(SignatureDoesNotMatch\)") as caught:
        read(gate, f"s3://{bucket}/bytes", 0, 10)
    assert secret not in str(caught.value)
    monkeypatch.setenv("AWS_NO_SIGN_REQUEST", "YES")
    with pytest.raises(RequestError, match=r"403 .*the bucket is not public"):
        read(gate, f"s3://{bucket}/bytes", 0, 10)


def test_reads_a_public_bucket_without_credentials(bucket, versitygw, monkeypatch):
    policy = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*",
    }]}  # fmt: skip
    place = f"http://{versitygw.address}/{bucket}?policy="
    requests.put(place, json.dumps(policy).encode(), auth=Signature(running.REGION), timeout=30).raise_for_status()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    assert read(own_machine(Path("/")), f"s3://{bucket}/bytes", 0, 10) == CONTENT[:10]
