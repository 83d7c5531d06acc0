"""One parser reads all JSON from outside, and refuses invalid JSON with its position."""

import json
import time

import pytest
from mosaic_crds.errors import RequestError
from mosaic_crds.json_input import DEEPEST_JSON, ShallowDecoder, check_json, parse_json, storable
from mosaic_crds.names import API_VERSION
from mosaic_crds.validation import parse_request

SMALL = "it"


@pytest.mark.parametrize(
    ("text", "field", "reason"),
    [
        (r'{"a": ["x", "b\u0000"]}', "a[1]", "NUL"),
        (r'{"a": {"b\u0000c": 1}}', r"a.b\x00c", "NUL"),
        (r'{"a": "\ud800"}', "a", "surrogate"),
        ('{"a": {"b": NaN}}', None, "NaN is not a number"),
        ('{"a": -Infinity}', None, "-Infinity is not a number"),
        ('{"a": 1e400}', "a", "finite"),
        ('{"a": [1, ' + "1" + "0" * 400 + "]}", "a[1]", "finite"),
        ('{"a": ' + "1" * 5000 + "}", None, "too many digits"),
        ('{"a": 1, "a": 2}', None, "given twice"),
        ("[" * 300 + "]" * 300, "[0]" * 12, "more than 64 levels"),
        ("[" * 200_000, None, "more than 64 levels"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, None, "more than 64 levels"),
        ("", None, "is not JSON"),
        ("{'a': 1}", None, "is not JSON (line 1"),
    ],
)
def test_invalid_json_is_refused_with_its_position(text: str, field: str | None, reason: str):
    for content in (text, text.encode()):
        with pytest.raises(RequestError) as refused:
            parse_json(content, SMALL)
        assert reason in str(refused.value)
        assert refused.value.field == field
        assert len(str(refused.value)) < 400


def test_refuses_invalid_utf8_and_documents_that_are_too_large():
    for content, reason in (
        (b'{"a": "\xff"}', "UTF-8"),
        (b'"\xed\xa0\x80"', "UTF-8"),
        (b"[" + b" " * 50, "it exceeds 20 bytes"),
    ):
        with pytest.raises(RequestError, match=reason):
            parse_json(content, SMALL, largest=20)


def test_valid_json_is_parsed_unchanged():
    value = {"a": [1, -2.5, 1e308, 2**64, True, None, "å \n 😀"], "b": {"c": {}}}
    assert parse_json(json.dumps(value), SMALL) == value
    assert parse_json(b"\xef\xbb\xbf" + json.dumps(value, ensure_ascii=False).encode(), SMALL) == value
    deepest = "[" * DEEPEST_JSON + "]" * DEEPEST_JSON
    check_json(parse_json(deepest, SMALL), SMALL)


@pytest.mark.slow
def test_a_large_document_is_parsed_in_linear_time():
    features = [{"id": number, "coordinates": [[number / 7, 1.5]] * 10} for number in range(20_000)]
    text = json.dumps(features)
    started = time.process_time()
    json.loads(text)
    plain = time.process_time() - started
    started = time.process_time()
    parse_json(text, SMALL)
    assert time.process_time() - started < 0.5 + 30 * plain


def test_any_value_can_be_made_storable():
    deep: list = []
    for _ in range(200):
        deep = [deep]
    given = {"a\0": ["\ud800", float("inf"), float("nan"), 1.5, None, True, ("x",)], "literal": r"\u0000", "deep": deep}
    kept = storable(given)
    assert kept["a\ufffd"] == ["\ufffd", None, None, 1.5, None, True, ["x"]]
    assert kept["literal"] == r"\u0000"
    json.dumps(kept, allow_nan=False).encode()


@pytest.mark.parametrize(
    "query",
    [
        '{eq: "\\0"}',
        "{lte: .inf}",
        "{lte: .nan}",
        "{lte: 1" + "0" * 400 + "}",
        '{eq: "\\ud800"}',
        "[" * 100 + "]" * 100,
    ],
)
def test_the_same_limits_apply_to_a_request_in_yaml(query: str):
    request = f"""
apiVersion: {API_VERSION}
kind: MosaicRequest
metadata: {{name: x}}
spec:
  area: {{bbox: [15, 45, 16, 46]}}
  source: {{stac: {{url: earth-search, collection: c, datetime: 2024-06-01, query: {{a: {query}}}}}}}
  product: {{index: NDVI}}
"""
    with pytest.raises(RequestError, match=r"spec\.source\.stac\.query\.a|contains binary data"):
        parse_request(request, "x.yaml")


@pytest.mark.parametrize("deep", ["[" * 9990 + "]" * 9990, '{"f:a":' * 9990 + "1" + "}" * 9990])
def test_a_deeply_nested_object_hides_no_other_in_a_list(deep: str):
    other = {"text": 'x [ " { \\', "list": [[[1]], {"a": {"b": []}}]}
    text = f'{{"items": [{json.dumps(other)}, {{"spec": {deep}, "name": "deep"}}, {json.dumps(other)}]}}'
    first, cut, last = ShallowDecoder().decode(text)["items"]
    assert first == last == other
    assert cut["name"] == "deep"
    with pytest.raises(RequestError, match="more than 64 levels"):
        check_json(cut, "it")
