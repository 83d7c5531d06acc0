"""Malicious forms are refused with a message and break neither the parser nor the database."""

import pytest
from fastapi.testclient import TestClient

from support.api.clients import Client
from support.api.dataset_files import geotiff

FORM = (
    b'--x\r\nContent-Disposition: form-data; name="token"\r\n\r\n\\ud800\r\n'
    b'--x\r\nContent-Disposition: form-data; name="\\ud801"\r\n\r\none\r\n--x--\r\n'
)


CODECS = ("undefined", "unicode_escape", "utf-7", "idna", "punycode", "no-such-codec")
"""Python has the first five. Some decode to text that cannot be encoded again, and some raise unexpected errors."""


@pytest.mark.parametrize("path", ["/login", "/api/v1/datasets"])
def test_refuses_a_form_in_another_encoding(client: Client, path: str):
    ann = client("ann")
    for codec in CODECS:
        headers = {"Content-Type": f"multipart/form-data; boundary=x; charset={codec}"}
        answer = ann.post(path, content=FORM, headers=headers)
        assert answer.status_code == 415, (codec, answer.text)
        assert "UTF-8" in answer.json()["detail"]


def test_accepts_a_form_declared_as_utf_8(client: Client):
    form = (
        b'--x\r\nContent-Disposition: form-data; name="kind"\r\n\r\npoint\r\n'
        b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nl\xc3\xa0\r\n'
        b'--x\r\nContent-Disposition: form-data; name="longitude"\r\n\r\n1\r\n'
        b'--x\r\nContent-Disposition: form-data; name="latitude"\r\n\r\n2\r\n--x--\r\n'
    )
    headers = {"Content-Type": 'multipart/form-data; boundary=x; charset="UTF-8"'}
    answer = client("ann").post("/api/v1/datasets", content=form, headers=headers)
    assert (answer.status_code, answer.json()["name"]) == (201, "là")


def test_refuses_an_invalid_file_name(laptop: TestClient):
    for name in (b"a\0b.tif", b"a\x1bb.tif", b"n" * 300 + b".tif"):
        form = (
            b'--x\r\nContent-Disposition: form-data; name="kind"\r\n\r\nimage\r\n'
            b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\none\r\n'
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="' + name + b'"\r\n\r\n'
        )
        content = form + geotiff() + b"\r\n--x--\r\n"
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = laptop.post("/api/v1/datasets", content=content, headers=headers)
        assert (answer.status_code, answer.json().get("field")) == (422, "file"), (name, answer.text)
