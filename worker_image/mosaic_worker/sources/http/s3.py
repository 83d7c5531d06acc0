"""Objects in S3 buckets, read by https from the endpoint of the bucket, signed where there are credentials.

The environment says how, by the names that AWS' programs and GDAL know:

AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN: credentials. Without any, requests are not signed.
AWS_REGION or AWS_DEFAULT_REGION: the region of buckets of which none is known; others are learnt from AWS' answers.
AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL: a service that is not AWS'.
AWS_REQUEST_PAYER=requester: the account of the credentials pays for what it reads from requester-pays buckets.
AWS_NO_SIGN_REQUEST=YES: nothing is signed.

On a user's own machine these are the user's, and credentials may also be in a profile or come from a role. In a pod and
in a server for many users the same names are those of the store, which requests must not read with; so there each name
has the prefix MOSAIC_SOURCES_. Where one of the prefixed names is set, it is these alone that count.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mosaic_crds.errors import PassingError, RequestError
from mosaic_crds.worker_pod import SOURCES_PREFIX as PREFIX

from mosaic_worker.sources.access.gate import Gate, redacted
from mosaic_worker.sources.access.s3_names import bucket_and_key
from mosaic_worker.sources.http.retries import RETRYABLE
from mosaic_worker.store.s3_address import bucket_url, object_url

if TYPE_CHECKING:
    import requests
    from awscrt.auth import AwsCredentialsProvider

FIRST_REGION = "us-east-1"
"""Whose endpoint knows the regions of all buckets."""
_REGION = re.compile(r"[a-z]{2,8}(-[a-z0-9]{1,16}){1,4}")
_TOLD = re.compile(rb"<Region>([a-z0-9-]{1,40})</Region>")
_CODE = re.compile(rb"<Code>([A-Za-z0-9]{1,64})</Code>")
_CREDENTIALS_AT_FAULT = {
    b"ExpiredToken", b"InvalidAccessKeyId", b"InvalidToken", b"SignatureDoesNotMatch", b"TokenRefreshRequired"
}  # fmt: skip
_TRUE = {"1", "yes", "true", "on"}


@dataclass(frozen=True)
class Access:
    """How buckets are read.

    Attributes:
        key, secret, token: credentials that the environment gives; `key` and `secret` are empty if it gives none.
        own: whether it is the user's own environment, in which credentials may also be in a profile, or of a role.
        region: of buckets whose region is not known yet.
        endpoint: of a service that is not AWS'.
        requester_pays: whether the account of the credentials pays for what it reads.
        unsigned: whether nothing is signed.
    """

    key: str = ""
    secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    own: bool = False
    region: str = ""
    endpoint: str = ""
    requester_pays: bool = False
    unsigned: bool = False


def access_from(environment: Mapping[str, str], *, own: bool) -> Access:
    """How the environment says that buckets are read.

    Args:
        environment: of this process.
        own: whether it is that of the user on the user's own machine.

    Raises:
        RequestError: it gives half of the credentials.
    """
    prefixed = {name.removeprefix(PREFIX): value for name, value in environment.items() if name.startswith(PREFIX)}
    own = own and not any(prefixed.values())
    given = environment if own else prefixed

    def first(*names: str) -> str:
        return next((given[name] for name in names if given.get(name)), "")

    key, secret = first("AWS_ACCESS_KEY_ID"), first("AWS_SECRET_ACCESS_KEY")
    if bool(key) != bool(secret):
        prefix = "" if own else PREFIX
        raise RequestError(f"set both {prefix}AWS_ACCESS_KEY_ID and {prefix}AWS_SECRET_ACCESS_KEY, or neither")
    return Access(
        key=key,
        secret=secret,
        token=first("AWS_SESSION_TOKEN"),
        own=own,
        region=first("AWS_REGION", "AWS_DEFAULT_REGION"),
        endpoint=first("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
        requester_pays=first("AWS_REQUEST_PAYER").lower() == "requester",
        unsigned=first("AWS_NO_SIGN_REQUEST").lower() in _TRUE,
    )


class Buckets:
    """Reads objects; safe to use from several threads."""

    def __init__(self, access: Access, gate: Gate, session: "Callable[[], requests.Session]") -> None:
        """Ask nothing yet.

        Args:
            access: how.
            gate: what may be read; it sees the URL of each request.
            session: gives what asks.
        """
        self._access, self._gate, self._session = access, gate, session
        self._regions: dict[str, str] = {}

    def ask(self, method: str, name: str, headers: Mapping[str, str]) -> "requests.Response":
        """An answer of 2xx.

        Args:
            method: GET or HEAD.
            name: s3://bucket/key.
            headers: of the request.

        Raises:
            RequestError: there is no such object, or it may not be read.
            PassingError: the service did not give it.
        """
        bucket, key = bucket_and_key(name)
        region = self._region(bucket)
        response = self._answer(method, bucket, key, region, headers)
        told = _told_region(response)
        if told and told != region:
            self._regions[bucket] = told
            response = self._answer(method, bucket, key, told, headers)
        if response.ok and not 300 <= response.status_code < 400:
            return response
        raise self._refusal(response, name)

    def _region(self, bucket: str) -> str:
        """The region of a bucket: as AWS told, as the host in the list of allowed ones says, or as is set."""
        if bucket not in self._regions:
            host = re.compile(rf"{re.escape(bucket)}\.s3\.({_REGION.pattern})\.amazonaws\.com(\.cn)?")
            listed = [found[1] for found in map(host.fullmatch, self._gate.hosts or ()) if found]
            self._regions[bucket] = listed[0] if listed else self._access.region or FIRST_REGION
        return self._regions[bucket]

    def _answer(
        self, method: str, bucket: str, key: str, region: str, headers: Mapping[str, str]
    ) -> "requests.Response":
        """What the endpoint of a bucket answers; a redirect is not followed, so that no other host gets credentials."""
        from mosaic_worker.store.s3_signing import Signature  # noqa: PLC0415
        from mosaic_worker.store.service import ServiceError  # noqa: PLC0415 (this and what signs take long to import)

        paying = {"x-amz-request-payer": "requester"} if self._credentials and self._access.requester_pays else {}
        auth = Signature(region, self._credentials) if self._credentials else _unsigned
        url = object_url(bucket_url(bucket, region, self._access.endpoint), key)
        try:
            return self._session().request(method, url, headers={**headers, **paying}, auth=auth, allow_redirects=False)
        except ServiceError as error:
            raise PassingError(f"the credentials for s3://{bucket} cannot be renewed ({error.code})") from None

    @cached_property
    def _credentials(self) -> "AwsCredentialsProvider | None":
        """What signs requests; None where they are not signed."""
        if self._access.unsigned:
            return None
        from mosaic_worker.store.s3_signing import found_credentials, given_credentials  # noqa: PLC0415

        if self._access.key:
            return given_credentials(self._access.key, self._access.secret, self._access.token)
        return found_credentials() if self._access.own else None

    def _refusal(self, response: "requests.Response", name: str) -> RequestError | PassingError:
        """The error for an answer that is no success."""
        status = response.status_code
        found = _CODE.search(response.content)
        code = f" ({found[1].decode()})" if found else ""
        place = f" at {urlsplit(self._access.endpoint).netloc}" if self._access.endpoint else ""
        told = f"the server answered {status}{code} for {redacted(name)}{place}"
        if status in RETRYABLE:
            return PassingError(told)
        return RequestError(f"{told}{self._advice(found[1] if found else b'')}" if status in {400, 401, 403} else told)

    def _advice(self, code: bytes) -> str:
        """What may help where an object may not be read; the code is the service's word for why."""
        if code in _CREDENTIALS_AT_FAULT:
            return "; the credentials are wrong, or are no longer valid"
        prefix = "" if self._access.own else PREFIX
        if self._credentials is None:
            return (
                f"; the bucket is not public, or there is no such object: {prefix}AWS_ACCESS_KEY_ID and "
                f"{prefix}AWS_SECRET_ACCESS_KEY of an account that may read it must be in the environment"
                + ("" if self._access.own else "; on Kubernetes set sourceBuckets.secretName of the chart")
            )
        if not self._access.requester_pays:
            return (
                f"; the account may not read it, or the bucket is requester-pays: with {prefix}AWS_REQUEST_PAYER="
                "requester the account pays for what it reads"
            )
        return "; the account may not read it, or there is no such object"


def _unsigned(request: "requests.PreparedRequest") -> "requests.PreparedRequest":
    """Send a request as it is, also where .netrc has a password for the host."""
    return request


def _told_region(response: "requests.Response") -> str | None:
    """The region of the bucket, if the answer is that it is another one."""
    if response.ok and not 300 <= response.status_code < 400:
        return None
    found = _TOLD.search(response.content)
    told = response.headers.get("x-amz-bucket-region") or (found[1].decode() if found else "")
    return told if _REGION.fullmatch(told) else None
