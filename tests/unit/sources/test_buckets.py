"""Scenes in S3 buckets: which hosts get requests, and which of these are signed."""

import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from mosaic_crds.errors import MosaicError, PassingError, RequestError
from mosaic_worker.sources.access.gate import own_machine, pod
from mosaic_worker.sources.access.s3_names import bucket_and_key, joined
from mosaic_worker.sources.http.client import Client
from mosaic_worker.sources.http.s3 import Access, Buckets, access_from
from mosaic_worker.sources.http.signed_urls import unsigned
from mosaic_worker.store.s3_address import bucket_url, object_url

from support.servers.range_server import RangeHandler, RequestLog, serving_by

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
EMPTY = hashlib.sha256(b"").hexdigest()


def answer(status: int, content: bytes = b"", **headers: str) -> requests.Response:
    response = requests.Response()
    response.status_code, response._content = status, content
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return response


class Service:
    """A fake session that records requests and returns given responses; the last one repeats."""

    def __init__(self, *answers: requests.Response) -> None:
        self.answers, self.log = list(answers), []

    def request(self, method: str, url: str, **named: Any) -> requests.Response:
        prepared = requests.Request(method, url, headers=named["headers"], auth=named["auth"]).prepare()
        self.log.append(SimpleNamespace(request=prepared, follows=named["allow_redirects"]))
        return self.answers[min(len(self.log), len(self.answers)) - 1]

    @property
    def urls(self) -> list[str]:
        return [str(each.request.url) for each in self.log]


def buckets(service: Service, access: Access | None = None, hosts: str | None = None) -> Buckets:
    gate = own_machine(Path("/")) if hosts is None else pod(hosts)
    return Buckets(access or Access(), gate, lambda: service)


def signature_of(request: requests.PreparedRequest, region: str) -> str:
    """The Authorization header for a request without a query, as in AWS' documentation of Signature Version 4."""
    headers = {name.lower(): value for name, value in request.headers.items()} | {"host": urlsplit(request.url).netloc}
    named = sorted(name for name in headers if name == "host" or name.startswith("x-amz-"))
    canonical = "\n".join(
        [request.method, urlsplit(request.url).path, "", *(f"{name}:{headers[name]}" for name in named), "",
         ";".join(named), headers["x-amz-content-sha256"]]
    )  # fmt: skip
    date = headers["x-amz-date"]
    scope = f"{date[:8]}/{region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{SECRET}".encode()
    for step in scope.split("/"):
        key = hmac.digest(key, step.encode(), "sha256")
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    return f"AWS4-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders={';'.join(named)}, Signature={signature}"


@pytest.mark.parametrize(
    ("bucket", "region", "endpoint", "key", "url"),
    [
        ("sentinel-s2-l2a", "eu-central-1", None, "tiles/1/C/B04.jp2",
         "https://sentinel-s2-l2a.s3.eu-central-1.amazonaws.com/tiles/1/C/B04.jp2"),
        ("my.dotted.bucket", "us-west-2", None, "a.tif", "https://s3.us-west-2.amazonaws.com/my.dotted.bucket/a.tif"),
        ("Old_Bucket", "us-east-1", None, "a.tif", "https://s3.us-east-1.amazonaws.com/Old_Bucket/a.tif"),
        ("scenes", "cn-north-1", None, "a.tif", "https://scenes.s3.cn-north-1.amazonaws.com.cn/a.tif"),
        ("scenes", "x", "https://s3.example.org:443", "a.tif", "https://s3.example.org/scenes/a.tif"),
        ("scenes", "x", "http://s3.example.org:8080/s3/", "a.tif", "http://s3.example.org:8080/s3/scenes/a.tif"),
        ("eodata", "default", "https://eodata.example.org/", "Sentinel-2/B 04+#%20?.jp2",
         "https://eodata.example.org/eodata/Sentinel-2/B%2004%2B%23%2520%3F.jp2"),
    ],
)  # fmt: skip
def test_a_name_becomes_a_url_at_the_endpoint_of_its_bucket(bucket, region, endpoint, key, url):
    assert object_url(bucket_url(bucket, region, endpoint), key) == url


@pytest.mark.parametrize(
    "name", ["s3://", "s3://bucket", "s3://bucket/", "s3:///a.tif", "s3://b/a.tif", "s3://bucket/../other/a.tif",
             "s3://bucket/a/./b", "s3://bucket//a.tif", "s3://user:secret@bucket/a.tif", "s3://a b/c", "s3://bucket/a/",
             "s3://evil.example.org:443/a.tif"],
)  # fmt: skip
def test_refuses_names_that_are_not_objects_in_a_bucket(name):
    with pytest.raises(RequestError, match=r"invalid object name .*; use s3://bucket/key"):
        bucket_and_key(name)
    with pytest.raises(RequestError, match=r"^spec\.x: "):
        own_machine(Path("/")).admit(name, "spec.x")


def test_a_relative_href_of_an_item_in_a_bucket_is_a_uri_reference():
    base = "s3://scenes/a b/item.json"
    assert joined(base, "./B04.tif") == "s3://scenes/a b/B04.tif"
    assert joined(base, "../B%2004%23.tif?x=1") == "s3://scenes/B 04#.tif"
    assert joined(base, "/top/B04.tif") == "s3://scenes/top/B04.tif"
    with pytest.raises(RequestError):
        joined(base, "//elsewhere.example.org/a.tif")
    gate = own_machine(Path("/"))
    assert gate.admit("B04.tif", "x", base) == "s3://scenes/a b/B04.tif"
    assert gate.admit("https://example.org/B04.tif", "x", base) == "https://example.org/B04.tif"
    with pytest.raises(RequestError, match="local file"):
        gate.admit("file:///etc/passwd", "x", base)


def test_a_key_is_literal_even_if_it_resembles_a_query():
    assert unsigned("s3://scenes/a?b=1#c&X-Amz-Signature=d") == "s3://scenes/a?b=1#c&X-Amz-Signature=d"


def test_signs_nothing_without_credentials():
    service = Service(answer(206, b"x"))
    buckets(service).ask("GET", "s3://scenes/a.tif", {"Range": "bytes=0-0"})
    assert service.urls == ["https://scenes.s3.us-east-1.amazonaws.com/a.tif"]
    assert {"Authorization", "x-amz-request-payer"}.isdisjoint(service.log[0].request.headers)
    assert service.log[0].request.headers["Range"] == "bytes=0-0"


@pytest.mark.parametrize("pays", [False, True])
@pytest.mark.parametrize("key", ["tiles/B04.jp2", "a b/B+04#~%20.tif"])
def test_signs_requests_as_documented_by_aws(pays, key):
    service = Service(answer(200, b"x"))
    access = access_from(CREDENTIALS | ({"AWS_REQUEST_PAYER": "requester"} if pays else {}), own=True)
    buckets(service, access).ask("GET", f"s3://scenes/{key}", {"Range": "bytes=0-0"})
    (request,) = (each.request for each in service.log)
    assert request.headers["Authorization"] == signature_of(request, "us-east-1")
    assert request.headers["x-amz-content-sha256"] == EMPTY
    assert request.headers.get("x-amz-request-payer") == ("requester" if pays else None)
    assert ("x-amz-request-payer" in request.headers["Authorization"]) is pays
    assert not service.log[0].follows


def test_the_region_of_a_bucket_is_looked_up_once():
    moved = answer(301, b"<Error><Code>PermanentRedirect</Code></Error>", x_amz_bucket_region="eu-central-1")
    service = Service(moved, answer(200, b"x"))
    asking = buckets(service, access_from(CREDENTIALS | {"AWS_REGION": "ca-west-1"}, own=True))
    for _ in range(2):
        assert asking.ask("GET", "s3://scenes/a.tif", {}).content == b"x"
    hosts = [urlsplit(url).netloc.split(".")[2] for url in service.urls]
    assert hosts == ["ca-west-1", "eu-central-1", "eu-central-1"]
    last = service.log[-1].request
    assert last.headers["Authorization"] == signature_of(last, "eu-central-1")


def test_a_region_in_the_body_of_a_response_is_used_too():
    wrong = answer(400, b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>ca-west-1</Region></Error>")
    service = Service(wrong, answer(200, b"x"))
    access = access_from(CREDENTIALS | {"AWS_ENDPOINT_URL": "https://s3.example.org"}, own=True)
    buckets(service, access).ask("GET", "s3://scenes/a.tif", {})
    assert set(service.urls) == {"https://s3.example.org/scenes/a.tif"}
    last = service.log[-1].request
    assert last.headers["Authorization"] == signature_of(last, "ca-west-1")


@pytest.mark.parametrize("region", ["evil.example.org/", "eu-central-1.evil.example.org/x#", "EU", "", "a" * 500])
def test_ignores_an_invalid_region(region):
    service = Service(answer(301, x_amz_bucket_region=region, Location="https://evil.example.org/"))
    with pytest.raises(RequestError, match=r"the server answered 301 for s3://scenes/a\.tif"):
        buckets(service, access_from(CREDENTIALS, own=True)).ask("GET", "s3://scenes/a.tif", {})
    assert {urlsplit(url).netloc for url in service.urls} == {"scenes.s3.us-east-1.amazonaws.com"}


def test_the_region_of_a_bucket_whose_host_is_listed_is_known():
    service = Service(answer(200, b"x"))
    listed = "earth-search.aws.element84.com,sentinel-s2-l2a.s3.eu-central-1.amazonaws.com"
    buckets(service, hosts=listed).ask("GET", "s3://sentinel-s2-l2a/a.tif", {})
    assert service.urls == ["https://sentinel-s2-l2a.s3.eu-central-1.amazonaws.com/a.tif"]


def test_the_host_of_a_bucket_must_be_listed(monkeypatch):
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(f"MOSAIC_SOURCES_{name}", value)
    client = Client(pod("scenes.s3.eu-central-1.amazonaws.com,example.org"))
    with pytest.raises(RequestError, match=r"the host others\.s3\.us-east-1\.amazonaws\.com is not among those"):
        client.document("s3://others/item.json")


@pytest.mark.parametrize(
    ("environment", "own", "expected"),
    [
        (CREDENTIALS, True, Access(KEY, SECRET, own=True)),
        (CREDENTIALS | {"AWS_REGION": "x", "AWS_ENDPOINT_URL": "https://store.example.org"}, False, Access()),
        ({f"MOSAIC_SOURCES_{name}": value for name, value in CREDENTIALS.items()}, False, Access(KEY, SECRET)),
        ({"AWS_ACCESS_KEY_ID": "store", "MOSAIC_SOURCES_AWS_REGION": "eu-west-1"}, True, Access(region="eu-west-1")),
        ({"AWS_NO_SIGN_REQUEST": "YES"} | CREDENTIALS, True, Access(KEY, SECRET, own=True, unsigned=True)),
        ({"AWS_REQUEST_PAYER": "bucket-owner"}, True, Access(own=True)),
        ({"AWS_DEFAULT_REGION": "a-b", "AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_S3": "http://b"}, True,
         Access(own=True, region="a-b", endpoint="http://b")),
    ],
)  # fmt: skip
def test_a_server_with_many_users_does_not_read_scenes_with_the_credentials_of_its_store(environment, own, expected):
    assert access_from(environment, own=own) == expected


def test_refuses_incomplete_credentials():
    with pytest.raises(RequestError, match="set both MOSAIC_SOURCES_AWS_ACCESS_KEY_ID and MOSAIC_SOURCES_AWS_SECRET"):
        access_from({"MOSAIC_SOURCES_AWS_ACCESS_KEY_ID": KEY}, own=False)


def denied(code: str) -> requests.Response:
    return answer(403, f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{SECRET}</Message></Error>".encode())


@pytest.mark.parametrize(
    ("environment", "own", "given", "sentence"),
    [
        ({"AWS_NO_SIGN_REQUEST": "1"}, True, denied("AccessDenied"),
         r"403 \(AccessDenied\) for s3://scenes/a\.tif; the bucket is not public.*AWS_ACCESS_KEY_ID"),
        ({}, False, denied("AccessDenied"), r"MOSAIC_SOURCES_AWS_ACCESS_KEY_ID.*sourceBuckets\.secretName"),
        (CREDENTIALS, True, denied("AccessDenied"), r"requester-pays: with AWS_REQUEST_PAYER=requester"),
        (CREDENTIALS | {"AWS_REQUEST_PAYER": "requester"}, True, denied("InvalidAccessKeyId"),
         r"403 \(InvalidAccessKeyId\) .*; the credentials are wrong, or have expired"),
        (CREDENTIALS | {"AWS_REQUEST_PAYER": "requester"}, True, denied("AccessDenied"),
         r"403 \(AccessDenied\) .*; the account has no read access, or the object does not exist"),
        (CREDENTIALS, True, answer(404, b"<Error><Code>NoSuchKey</Code></Error>"), r"404 \(NoSuchKey\) for s3://s[^;]*$"),
    ],
)  # fmt: skip
def test_the_error_about_denied_access_suggests_a_solution_and_shows_no_secret(
    environment: Mapping[str, str], own, given, sentence
):
    with pytest.raises(RequestError, match=sentence) as caught:
        buckets(Service(given), access_from(environment, own=own)).ask("GET", "s3://scenes/a.tif", {})
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(access_from(environment, own=own))


def test_the_error_about_denied_access_names_a_service_other_than_aws():
    access = access_from({"AWS_ENDPOINT_URL": "https://s3.example.org"}, own=True)
    with pytest.raises(RequestError, match=r"404 for s3://scenes/a\.tif at s3\.example\.org$"):
        buckets(Service(answer(404)), access).ask("GET", "s3://scenes/a.tif", {})


def test_a_busy_service_is_a_temporary_fault():
    with pytest.raises(PassingError, match="503 "):
        buckets(Service(answer(503))).ask("GET", "s3://scenes/a.tif", {})


def test_a_redirect_never_receives_the_credentials(monkeypatch):
    for name, value in (CREDENTIALS | {"AWS_SESSION_TOKEN": "token", "AWS_REGION": "ca-west-1"}).items():
        monkeypatch.setenv(name, value)
    elsewhere = RequestLog()
    kind = type("Elsewhere", (RangeHandler,), {"log": elsewhere})
    with serving_by(kind) as other:
        away = type(
            "Away", (RangeHandler,), {"do_GET": lambda handler: handler.answer(307, Location=f"http://{other}/a")}
        )
        with serving_by(away) as address:
            monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{address}")
            with pytest.raises(MosaicError, match="the server answered 307"):
                Client(own_machine(Path("/"))).document("s3://scenes/a.json")
    assert elsewhere.requests == []
