"""Requests signed for S3 by AWS' own library, which also finds the credentials."""

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
"""For the metadata service of a cloud to answer."""


def given_credentials(key: str, secret: str, token: str | None) -> AwsCredentialsProvider:
    """Credentials that do not change: an access key, its secret and, of temporary ones, the session's token."""
    return AwsCredentialsProvider.new_static(key, secret, token or None)


def found_credentials() -> AwsCredentialsProvider | None:
    """The credentials that are found where AWS' programs find them; None if there are none."""
    found = AwsCredentialsProvider.new_default_chain()
    try:
        found.get_credentials().result(SEARCH_SECONDS)
    except (AwsCrtError, TimeoutError):
        return None
    return found


class Signature(AuthBase):
    """Signs each request, with its body's SHA-256, which the service then verifies.

    Credentials are found where AWS' programs find them: variables, profiles, web identity, and the roles of containers
    and instances, of which the latter are renewed in time.
    """

    def __init__(self, region: str, credentials: AwsCredentialsProvider | None = None) -> None:
        """Sign for a region, with given credentials or those that are found."""
        self._region = region
        self._credentials = credentials or AwsCredentialsProvider.new_default_chain()

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the headers that sign a request."""
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
