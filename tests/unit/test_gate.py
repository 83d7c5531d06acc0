"""The gate: what a request may open, and the error for everything else."""

import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import rasterio
from mosaic_crds.errors import MosaicError, RequestError
from mosaic_worker.sources.access.gate import Gate, own_folders, own_machine, pod
from mosaic_worker.sources.readers.opening import open_raster
from rasterio.transform import from_origin


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=20, height=10, count=1, dtype="uint16", crs="EPSG:32633",
        transform=from_origin(500000, 5000000, 10, 10),
    ) as dataset:  # fmt: skip
        dataset.write(np.arange(200, dtype=np.uint16).reshape(1, 10, 20))
    return path


@pytest.mark.parametrize(
    "reference",
    [
        "/vsicurl/https://example.org/a.tif",
        "//vsicurl/https://example.org/a.tif",
        "/VSIS3/bucket/a.tif",
        "../../../../../../../../../../../vsizip/a.zip/a.tif",
        "vrt:///etc/passwd",
        "GTIFF_DIR:1:/etc/passwd",
        "NETCDF:/etc/passwd:x",
        "s3://bucket",
        "gs://bucket/a.tif",
        "ftp://example.org/a.tif",
        "file://otherhost/a.tif",
        "https:///nohost.tif",
        "https://user:secret@example.org/a.tif",
        "https://example.org:port/a.tif",
        "a\nb.tif",
        "a\x00.tif",
        "",
    ],
)
def test_refuses_other_kinds_of_references_even_on_the_users_machine(reference, tmp_path):
    with pytest.raises(RequestError, match=r"^spec\.x: "):
        own_machine(tmp_path).admit(reference, "spec.x")


def test_relative_paths_start_at_the_folder_of_the_request_on_the_users_machine(tmp_path):
    gate = own_machine(tmp_path)
    assert gate.admit("a/b.tif", "x") == str(tmp_path / "a/b.tif")
    assert gate.admit("file:///data/with%20space.tif", "x") == "/data/with space.tif"
    assert gate.admit("https://example.org/a.tif?sig=1", "x") == "https://example.org/a.tif?sig=1"


def in_item(gate: Gate, folder: Path, reference: str) -> str:
    return Path(gate.admit(reference, "x", base=str(folder / "item.json"))).name


@pytest.mark.parametrize(
    ("href", "name"),
    [
        ("B%2004.tif", "B 04.tif"),
        ("B 04.tif", "B 04.tif"),
        ("./B%2004.tif", "B 04.tif"),
        ("%C3%A9t%C3%A9.tif", "été.tif"),
        ("été.tif", "été.tif"),
        ("a%23b.tif", "a#b.tif"),
        ("a#b.tif", "a#b.tif"),
        ("a%3Fb.tif", "a?b.tif"),
        ("a?b.tif", "a?b.tif"),
        ("a+b.tif", "a+b.tif"),
        ("a%2Bb.tif", "a+b.tif"),
        ("plain.tif?size=1#top", "plain.tif"),
        ("50%.tif", "50%.tif"),
        ("literal%20name.tif", "literal%20name.tif"),
        ("twice%2520.tif", "twice%20.tif"),
        ("%FF%20.tif", "%FF%20.tif"),
    ],
)
def test_an_href_in_a_local_item_is_a_uri_reference_or_a_literal_name(tmp_path, href, name):
    (tmp_path / name).touch()
    assert in_item(own_machine(tmp_path), tmp_path, href) == name
    assert in_item(own_folders([tmp_path]), tmp_path, href) == name
    uri = f"file://{tmp_path}/{href}"
    assert Path(own_machine(Path("/")).admit(uri, "x")).name == name


def test_an_href_prefers_the_decoded_name_and_a_path_in_a_request_the_literal_one(tmp_path):
    for name in ("a b.tif", "a%20b.tif"):
        (tmp_path / name).touch()
    gate = own_machine(tmp_path)
    assert in_item(gate, tmp_path, "a%20b.tif") == "a b.tif"
    assert gate.admit("a%20b.tif", "x") == str(tmp_path / "a%20b.tif")
    (tmp_path / "a%20b.tif").unlink()
    assert gate.admit("a%20b.tif", "x") == str(tmp_path / "a b.tif")


def test_an_error_shows_a_missing_name_decoded(tmp_path):
    assert in_item(own_machine(tmp_path), tmp_path, "no%20where.tif") == "no where.tif"


@pytest.mark.parametrize(
    "uri", ["file:///data/a.tif", "file:/data/a.tif", "FILE:///data/a.tif", "file://localhost/data/a.tif"]
)
def test_all_forms_of_a_file_uri_are_equal(uri):
    assert own_machine(Path("/")).admit(uri, "x") == "/data/a.tif"


def test_an_encoded_href_reaches_only_what_a_plain_one_reaches(tmp_path):
    inside, private = tmp_path / "scenes", tmp_path / "private"
    for folder in (inside, private):
        folder.mkdir()
        (folder / "a.tif").touch()
    gate = own_folders([inside])
    for href in ("..%2Fprivate%2Fa.tif", "%2e%2e/private/a.tif", f"{private}/a.tif".replace("/", "%2F")):
        messages = set()
        for name in ("a.tif", "b.tif"):  # only one of them exists
            with pytest.raises(RequestError) as caught:
                gate.admit(href.replace("a.tif", name), "x", base=str(inside / "item.json"))
            messages.add(str(caught.value).replace(name, "?"))
        assert len(messages) == 1
        assert "outside the folders" in messages.pop()
    with pytest.raises(RequestError, match="virtual path"):
        own_machine(Path("/")).admit("%2Fvsicurl%2Fhttps:%2F%2Fexample.org", "x", base="/item.json")
    assert "\x00" not in own_machine(Path("/")).admit("a%00b.tif", "x", base="/item.json")


def test_a_users_server_reads_only_files_below_its_folders(tmp_path):
    scenes, more, private = (tmp_path / name for name in ("scenes", "more", "private"))
    for folder in (scenes, more, private):
        folder.mkdir()
        (folder / "a.tif").touch()
    (scenes / "inside.tif").symlink_to(more / "a.tif")
    (scenes / "outside.tif").symlink_to(private / "a.tif")
    (scenes / "way-out").symlink_to(private)
    gate = own_folders([scenes, more])
    assert gate.admit("a.tif", "x") == str(scenes / "a.tif")
    assert gate.admit(str(more / "a.tif"), "x") == str(more / "a.tif")
    assert gate.admit("inside.tif", "x") == str(more / "a.tif")
    assert gate.admit("http://127.0.0.1:9000/a.tif", "x") == "http://127.0.0.1:9000/a.tif"
    for reference in (str(private / "a.tif"), "../private/a.tif", "outside.tif", "way-out/a.tif", "/etc/passwd"):
        with pytest.raises(RequestError, match="outside the folders"):
            gate.admit(reference, "x")
    with pytest.raises(RequestError, match="outside the folders"):
        gate.admit("../private/a.tif", "x", base=str(scenes / "item.json"))
    with pytest.raises(RequestError, match="outside the folders"):
        own_folders([]).admit(str(scenes / "a.tif"), "x")


def test_a_relative_reference_starts_at_its_document(tmp_path):
    gate = own_machine(tmp_path)
    assert gate.admit("../B04.tif", "x", base="/data/items/item.json") == "/data/B04.tif"
    assert gate.admit("../B04.tif", "x", base="https://h.org/a/b/item.json?t=1") == "https://h.org/a/B04.tif"


@pytest.mark.parametrize("reference", ["/etc/passwd", "scene.tif", "file:///etc/passwd"])
def test_a_pod_reads_no_local_file(reference):
    with pytest.raises(RequestError, match="is a local file"):
        pod("*").admit(reference, "x")


def test_a_pod_connects_only_to_the_hosts_of_its_list():
    gate = pod("data.example.org, 127.0.0.1:9000")
    assert gate.admit("https://data.example.org/a.tif", "x")
    assert gate.admit("http://127.0.0.1:9000/a.tif", "x")
    for refused in ("https://example.org/a.tif", "http://127.0.0.1:9001/a.tif", "https://evil-data.example.org/a"):
        with pytest.raises(RequestError, match="is not among those"):
            gate.admit(refused, "x")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "[::1]",
        "[::ffff:7f00:1]",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
    ],
)
def test_a_wildcard_admits_no_private_address(host):
    with pytest.raises(RequestError, match="private address"):
        pod("*").admit(f"http://{host}/latest/meta-data", "x")


@pytest.mark.parametrize("hosts", ["data.example.org", "*.example.org", "*"])
def test_ports_other_than_80_and_443_must_be_listed(hosts):
    gate = pod(hosts)
    for admitted in ("http://data.example.org/a", "https://data.example.org/a", "https://data.example.org:443/a"):
        assert gate.admit(admitted, "x") == admitted
    for refused in ("https://data.example.org:8443/a", "http://data.example.org:22/a", "http://data.example.org:0/a"):
        with pytest.raises(RequestError, match=r"the host data\.example\.org:\d+ is not among those"):
            gate.admit(refused, "x")


@pytest.mark.parametrize(
    "reference",
    [
        "https://user:secret@example.org/a.tif",
        "https://secret@example.org/a.tif",
        "gopher://example.org/a.tif?sig=secret",
        "/vsicurl/https://example.org/a.tif?sig=secret",
        "VRT:https://example.org/a.tif?sig=secret",
        "https://ex ample.org/a.tif?sig=secret",
    ],
)
def test_an_error_shows_no_secret(reference):
    for gate in (pod("example.net"), own_machine(Path("/data"))):
        with pytest.raises(RequestError) as caught:
            gate.admit(reference, "x")
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://good.org\\@evil.org/a",
        "http://evil.org\\.good.org/a",
        "http://evil.org%2f.good.org/a",
        "http://ⓖood.org/a",
    ],
)
def test_refuses_ambiguous_hosts(url):
    with pytest.raises(RequestError, match="is not a valid URL"):
        pod("good.org,*.good.org,*").admit(url, "x")


def test_the_gate_checks_the_hrefs_of_an_item():
    with pytest.raises(RequestError, match="is not among those"):
        pod("data.example.org").admit("https://elsewhere.org/a.tif", "x", base="https://data.example.org/item.json")


def test_an_image_opens_whatever_its_extension(image, tmp_path):
    other = shutil.copy(image, tmp_path / "image.jp2")
    with closing(open_raster(str(other), "x")) as found:
        assert found.dataset.driver == "GTiff"


def test_does_not_open_a_vrt(image, tmp_path):
    vrt = tmp_path / "a.vrt"
    vrt.write_text(
        f"""<VRTDataset rasterXSize="20" rasterYSize="10"><GeoTransform>0, 10, 0, 0, 0, -10</GeoTransform>
        <VRTRasterBand dataType="UInt16" band="1"><SimpleSource>
        <SourceFilename>{image}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"""
    )
    with rasterio.open(vrt) as dataset:
        assert dataset.read(1).max() == 199
    with pytest.raises(RequestError, match="is not a GeoTIFF, JPEG 2000 or PNG image"):
        open_raster(str(vrt), "x")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "there is no file"),
        (b"hello", "is not a GeoTIFF"),
        (b"", "is not a GeoTIFF"),
        (b"II*\0\x08\0\0\0", "is not a GeoTIFF"),
    ],
)
def test_refuses_a_file_that_is_not_an_image(content, sentence, tmp_path):
    path = tmp_path / "x.tif"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RequestError, match=sentence):
        open_raster(str(path), "spec.x")


def test_refuses_a_folder(tmp_path):
    with pytest.raises(RequestError, match="is not a file"):
        open_raster(str(tmp_path), "x")


def test_refuses_a_file_that_refers_to_another_for_its_overviews(image):
    with rasterio.open(image, "r+") as dataset:
        dataset.update_tags(ns="OVERVIEWS", OVERVIEW_FILE="/vsicurl/http://169.254.169.254/a.tif")
    with pytest.raises(RequestError, match="refers to another file"):
        open_raster(str(image), "x")


def test_refuses_a_file_with_one_huge_strip(tmp_path):
    path = tmp_path / "strip.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=40_000, height=8_000, count=1, dtype="uint16", crs="EPSG:32633",
        transform=from_origin(0, 0, 10, 10), blockysize=8_000, sparse_ok=True, compress="deflate",
    ):  # fmt: skip
        pass
    with pytest.raises(RequestError, match="too large to decode"):
        open_raster(str(path), "x")


def test_the_exit_code_distinguishes_faults_of_the_request_and_temporary_ones():
    with pytest.raises(MosaicError) as caught:
        Gate(None, frozenset()).admit("/a", "x")
    assert caught.value.exit_code == 42
