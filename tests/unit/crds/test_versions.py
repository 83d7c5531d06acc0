"""One table lists the API versions; everything that contains a version agrees with it."""

import re
from pathlib import Path

import pytest
from mosaic_crds.crd import VERSIONS, custom_resource_definition
from mosaic_crds.names import API_VERSION, GROUP, KIND, VERSION
from mosaic_crds.request import MosaicRequest, request_manifest

ROOT = Path(__file__).parents[3]
SPELT = re.compile(rf"{re.escape(GROUP)}/(v[0-9][a-z0-9]*)")
SPEC = {
    "source": {"files": {"scenes": [{"bands": {"green": "https://example.org/g.tif"}}]}},
    "product": {"bands": ["green"]},
}


def test_python_writes_the_one_stored_version():
    assert [version.name for version in VERSIONS if version.storage] == [VERSION]
    assert all(version.served for version in VERSIONS if version.storage)
    rendered = custom_resource_definition()["spec"]["versions"]
    assert [version["name"] for version in rendered] == [version.name for version in VERSIONS]


def read_by_users() -> list[Path]:
    """Files that show requests to users."""
    chart = ROOT / "charts/mosaic-operator/templates/NOTES.txt"
    return [ROOT / "README.md", chart, *ROOT.glob("docs/**/*.md"), *ROOT.glob("crds/samples/*.yaml")]


def test_documents_name_only_versions_of_the_table():
    found = {path: SPELT.findall(path.read_text()) for path in read_by_users()}
    served = {version.name for version in VERSIONS if version.served}
    assert {path: names for path, names in found.items() if not served.issuperset(names)} == {}
    assert sum(map(len, found.values())) > 6


def test_python_contains_the_version_literal_once():
    folders = ("api", "crds", "operator", "worker_image", "tests", "docs")
    sources = {path for folder in folders for path in (ROOT / folder).rglob("*.py") if "_build" not in path.parts}
    sources -= {ROOT / "tests/unit/operator/test_worker_contract.py"}  # a literal, because it is what older images read
    assert [path for path in sources if VERSION in path.read_text()] == [ROOT / "crds/mosaic_crds/names.py"]


@pytest.mark.parametrize("metadata", [{}, {"namespace": "team", "uid": "u1"}, {"namespace": None}])
def test_a_manifest_is_a_request(metadata):
    found = request_manifest("a", SPEC, **metadata)
    assert (found["apiVersion"], found["kind"]) == (API_VERSION, KIND)
    assert found["metadata"] == {"name": "a"} | {key: value for key, value in metadata.items() if value}
    assert MosaicRequest.model_validate(found).spec.product.bands == ["green"]
    assert request_manifest("a", SPEC, api_version=f"{GROUP}/v0")["apiVersion"] == f"{GROUP}/v0"
