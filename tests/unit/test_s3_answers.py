"""Responses of an S3 server are untrusted input."""

import pytest
import requests
from mosaic_worker.store import s3
from mosaic_worker.store.service import Fault, ServiceError

LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE e [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<Error><Code>&b;</Code></Error>"""


def test_refuses_a_response_with_nested_entities():
    with pytest.raises(ServiceError, match="its response is not S3") as error:
        s3._xml(LAUGHS)
    assert error.value.fault is Fault.OTHER


def test_an_error_response_with_nested_entities_has_no_code():
    answer = requests.Response()
    answer.status_code, answer._content = 409, LAUGHS
    assert s3._error(answer).code == "status 409"
