"""Signs requests for S3 with the library of AWS, which also finds credentials."""

import hashlib
from typing import cast
from urllib.parse import urlsplit

from awscrt.auth import (
    AwsCredentialsProvider,
    AwsSignatureType,
    AwsSignedBodyHeaderType,
    AwsSigningAlgorithm,
    AwsSigningConfig,
    aws_sign_request,
)
from awscrt.exceptions import AwsCrtError
from awscrt.http import HttpHeaders, HttpRequest
from requests import PreparedRequest
from requests.auth import AuthBase

from mosaic_worker.store.service import Fault, ServiceError

SEARCH_SECONDS = 30
"""Timeout of the metadata service of a cloud."""


def found_credentials() -> AwsCredentialsProvider | None:
    """The credentials from the default chain of AWS; None if there are none."""
    found = AwsCredentialsProvider.new_default_chain()
    try:
        found.get_credentials().result(SEARCH_SECONDS)
    except (AwsCrtError, TimeoutError):
        return None
    return found


class Signature(AuthBase):
    """Signs requests, with the SHA-256 of the body, which the service verifies.

    The default chain of AWS finds credentials in variables, profiles, web identity, and roles of containers and
    instances, and renews them.
    """

    def __init__(self, region: str, credentials: AwsCredentialsProvider | None = None) -> None:
        """Sign for a region, with these credentials or the default chain."""
        self._region = region
        self._credentials = credentials or AwsCredentialsProvider.new_default_chain()

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the headers of a signature."""
        named = [(name, value) for name, value in request.headers.items() if name.startswith("x-amz-")]
        headers = HttpHeaders([("Host", urlsplit(request.url).netloc), *named])
        unsigned = HttpRequest(request.method, request.path_url, headers)
        config = AwsSigningConfig(
            algorithm=AwsSigningAlgorithm.V4,
            signature_type=AwsSignatureType.HTTP_REQUEST_HEADERS,
            credentials_provider=self._credentials,
            region=self._region,
            service="s3",
            use_double_uri_encode=False,
            should_normalize_uri_path=False,
            signed_body_value=hashlib.sha256(cast("bytes", request.body or b"")).hexdigest(),
            signed_body_header_type=AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256,
        )
        try:
            signed = aws_sign_request(unsigned, config).result(SEARCH_SECONDS)
        except (AwsCrtError, TimeoutError) as error:
            raise ServiceError(Fault.NO_CREDENTIALS, getattr(error, "name", "no answer")) from None
        request.headers.update(signed.headers)
        return request
