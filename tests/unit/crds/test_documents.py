"""Parse a file that contains one request; any other content gets an error that explains it."""

import json
import time

import pytest
from mosaic_crds.errors import RequestError
from mosaic_crds.names import API_VERSION
from mosaic_crds.validation import parse_request

from support.contract_table import BASE

REQUEST = f"""
apiVersion: {API_VERSION}
kind: MosaicRequest
metadata: {{name: test}}
spec:
  source: {{files: {{scenes: [{{bands: {{green: g.tif, swir16: s.tif}}}}]}}}}
  product: {{index: NDSI}}
"""
HAS = "a MosaicRequest has apiVersion, kind, metadata and spec"


def refusal(text: str) -> str:
    with pytest.raises(RequestError) as refused:
        parse_request(text, "r.yaml")
    return str(refused.value)


def test_yaml_and_json_of_a_request_are_the_same():
    assert parse_request(json.dumps(BASE), "r.json").spec.product.index == "NDSI"
    assert (
        parse_request(REQUEST, "r.yaml").spec
        == parse_request(json.dumps(BASE).replace("green.tif", "g.tif").replace("swir.tif", "s.tif"), "r.json").spec
    )


def test_a_time_needs_no_quotes():
    text = REQUEST.replace("s.tif}", "s.tif}, datetime: 2024-07-01T19:03:11Z")
    assert parse_request(text, "r.yaml").spec.source.files.scenes[0].datetime.hour == 19


def test_a_number_may_have_an_exponent_without_a_point():
    assert parse_request(REQUEST + "  grid: {resolution: 1e-6}\n", "r.yaml").spec.grid.resolution == 1e-6


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", f"r.yaml is empty; {HAS}"),
        ("# only a comment\n", f"r.yaml is empty; {HAS}"),
        ("just words", f"r.yaml is not a mapping of fields; {HAS}"),
        ("- a\n- b\n", f"r.yaml is not a mapping of fields; {HAS}"),
        ("a: [", "r.yaml is neither YAML nor JSON (line 1: expected the node content, but found '<stream end>')"),
        ("a: 1\n---\nb: 2\n", "r.yaml has several documents; put each MosaicRequest into its own file"),
        ("kind: a\nkind: b\n", "r.yaml is neither YAML nor JSON (line 2: kind is given twice)"),
        ("a: &x 1\nb: *x\n", "r.yaml: aliases (*name) are not allowed in a request"),
        ("a: \x00\n", "r.yaml is neither YAML nor JSON (it contains binary data)"),
        ("a: " + "9" * 5000, "r.yaml contains a number with too many digits"),
        ("[" * 100_000, "r.yaml is nested too deeply for a MosaicRequest"),
        ("a: " + "x" * 2**20, "r.yaml is larger than 1 MiB, the limit of a MosaicRequest"),
    ],
)
def test_a_file_without_a_request_gets_the_expected_error(text, sentence):
    assert refusal(text) == sentence


def test_yaml_never_creates_python_objects():
    assert "could not determine a constructor" in refusal("a: !!python/object/apply:os.getcwd []")


def test_refuses_aliases_that_expand_to_a_billion_nodes():
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    began = time.monotonic()
    assert refusal("a0: &a0 [x]\n" + "\n".join(levels)) == "r.yaml: aliases (*name) are not allowed in a request"
    assert time.monotonic() - began < 5


def test_an_error_names_the_file():
    assert refusal(REQUEST.replace("NDSI", "1")) == (
        "r.yaml: spec.product.index is 1; use the name of an index, such as NDVI"
    )
