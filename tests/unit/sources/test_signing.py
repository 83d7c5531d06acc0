"""Signatures in URLs: how they are recognised, when they expire, and how they are renewed."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from mosaic_worker.sources.http.signed_urls import RENEW_SECONDS, Signer, expiry, unsigned

SIGNED = {
    "S3": "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=k%2F20240701&X-Amz-Date=20240701T000000Z"
    "&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Security-Token=t&X-Amz-Signature=abc",
    "S3, older": "AWSAccessKeyId=k&Signature=a%2Bb&Expires=1719792000",
    "CloudFront": "Expires=1719792000&Signature=a-b_&Key-Pair-Id=k",
    "CloudFront, policy": "Policy=abc&Signature=a-b_&Key-Pair-Id=k",
    "Google": "X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=k&X-Goog-Date=20240701T000000Z&X-Goog-Expires=3600"
    "&X-Goog-SignedHeaders=host&X-Goog-Signature=abc",
    "Google, older": "GoogleAccessId=k&Expires=1719792000&Signature=a%2Bb",
    "Azure": "st=2024-06-30T00%3A00%3A00Z&se=2024-07-01T01%3A00%3A00Z&sp=rl&sv=2021-06-08&sr=c&skoid=o&sktid=t"
    "&skt=2024-06-30T00%3A00%3A00Z&ske=2024-07-02T00%3A00%3A00Z&sks=b&skv=2021-06-08&spr=https&sip=1.2.3.4&sig=a%2Bb%3D",
    "Azure, account": "ss=b&srt=o&se=2024-07-01T01%3A00%3A00Z&sp=r&sv=2021-06-08&sig=a",
    "token": "token=abc",
    "key": "api_key=abc",
}


@pytest.mark.parametrize("query", SIGNED.values(), ids=SIGNED)
def test_removes_a_signature_and_keeps_the_rest_of_the_query(query):
    assert unsigned(f"https://h.org/a.tif?{query}") == "https://h.org/a.tif"
    assert unsigned(f"https://h.org/a.tif?file=B04&{query}&v=2#x") == "https://h.org/a.tif?file=B04&v=2"


@pytest.mark.parametrize(
    "query", ["file=B04", "se=4&sp=2", "expires=never", "st=1&sr=b", "p=%2Fdata%2Fa.tif&x=+1", "B04", "a=1&a=2"]
)
def test_a_parameter_that_selects_a_file_is_not_a_signature(query):
    assert unsigned(f"https://h.org/get?{query}") == f"https://h.org/get?{query}"


@pytest.mark.parametrize(
    ("query", "ends"),
    [
        (SIGNED["S3"], 1719792000 + 3600),
        (SIGNED["Google"], 1719792000 + 3600),
        (SIGNED["S3, older"], 1719792000),
        (SIGNED["Azure"], 1719792000 + 3600),
        ("sig=a&se=2024-07-01", 1719792000),
        ("sig=a&se=soon", None),
        ("X-Amz-Expires=60", None),
        ("token=abc", None),
        ("file=B04&expires=1719792000", None),
    ],
)
def test_reads_the_expiry_from_a_signature(query, ends):
    assert expiry(f"https://h.org/a.tif?{query}") == ends


def url(number: int, ends: float, name: str = "a") -> str:
    return f"https://h.org/{name}.tif?AWSAccessKeyId=k&Signature={number}&Expires={ends:.0f}"


class Service:
    """Signs URLs for 1000 seconds."""

    def __init__(self) -> None:
        self.now, self.log = 1000.0, []

    def clock(self) -> float:
        return self.now

    def ask(self, href: str):
        self.log.append(href)
        return [url(len(self.log), self.now + 1000), url(len(self.log), self.now + 1000, "b")]


def test_adds_a_removed_signature_again():
    signer = Signer()
    given = url(1, 5e9)
    assert signer.take(given) == "https://h.org/a.tif"
    assert signer.sign("https://h.org/a.tif") == given
    assert signer.sign("https://h.org/b.tif") == "https://h.org/b.tif"


def test_renews_a_signature_before_it_expires():
    service = Service()
    signer = Signer(service.ask, service.clock)
    href = signer.take(url(0, service.now + 1000))
    assert "Signature=0" in signer.sign(href)
    service.now += 1000 - RENEW_SECONDS - 1
    assert "Signature=0" in signer.sign(href)
    service.now += 2
    assert "Signature=1" in signer.sign(href)
    assert "Signature=1" in signer.sign("https://h.org/b.tif")
    service.now += 900
    assert "Signature=2" in signer.sign("https://h.org/b.tif")
    assert len(service.log) == 2


def test_uses_a_signature_that_cannot_be_renewed_until_it_expires():
    log = []
    signer = Signer(lambda href: log.append(href) or (), lambda: 2000.0)
    href = signer.take(url(0, 1000))
    for _ in range(3):
        assert "Signature=0" in signer.sign(href)
    assert log == [href]
    assert not signer.renew(href)


def test_many_threads_renew_once():
    service, started = Service(), threading.Barrier(8)
    signer = Signer(service.ask, service.clock)
    href = signer.take(url(0, service.now + 1))

    def sign(_: int) -> str:
        started.wait()
        return signer.sign(href)

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(sign, range(8))) == {url(1, service.now + 1000)}
    assert len(service.log) == 1
