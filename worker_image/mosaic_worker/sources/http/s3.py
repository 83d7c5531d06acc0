"""Reads S3 objects by HTTPS from the endpoint of their bucket, signed if there are credentials.

Environment variables, as in the tools of AWS and in GDAL:

AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN: credentials; without them requests are not signed.
AWS_REGION or AWS_DEFAULT_REGION: the default region; the actual region of a bucket comes from the responses of AWS.
AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL: another service than AWS.
AWS_REQUEST_PAYER=requester: the account pays for what it reads from requester-pays buckets.
AWS_NO_SIGN_REQUEST=YES: do not sign.

On the machine of the user, credentials may also come from a profile or a role. In a pod and on a server for many users,
these variables belong to the store, whose credentials must not be used for sources. There, sources use the same names
with the prefix MOSAIC_SOURCES_. If any prefixed variable is set, only the prefixed ones count.
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
"""Its endpoint knows the regions of all buckets."""
_REGION = re.compile(r"[a-z]{2,8}(-[a-z0-9]{1,16}){1,4}")
_REGION_ELEMENT = re.compile(rb"<Region>([a-z0-9-]{1,40})</Region>")
_CODE = re.compile(rb"<Code>([A-Za-z0-9]{1,64})</Code>")
_BAD_CREDENTIALS = {
    b"ExpiredToken", b"InvalidAccessKeyId", b"InvalidToken", b"SignatureDoesNotMatch", b"TokenRefreshRequired"
}  # fmt: skip
_TRUE = {"1", "yes", "true", "on"}


@dataclass(frozen=True)
class Access:
    """How buckets are read.

    Attributes:
        key, secret, token: credentials from the environment; empty if there are none.
        own: whether this is the machine of the user, where credentials may also come from a profile or a role.
        region: the default region.
        endpoint: the URL of another service than AWS.
        requester_pays: whether the account pays for what it reads.
        unsigned: whether signing is turned off.
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
    """How buckets are read, from an environment; `own` as in `Access`.

    Raises:
        RequestError: only one of key and secret is set.
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
    """Reads objects. It is thread-safe."""

    def __init__(self, access: Access, gate: Gate, session: "Callable[[], requests.Session]") -> None:
        """Set up without a request; `session` returns the session to use, which passes each URL to the gate."""
        self._access, self._gate, self._session = access, gate, session
        self._regions: dict[str, str] = {}

    def ask(self, method: str, name: str, headers: Mapping[str, str]) -> "requests.Response":
        """Send GET or HEAD for s3://bucket/key; return a successful response.

        Raises:
            RequestError: the object does not exist, or cannot be read.
            PassingError: the service did not respond.
        """
        bucket, key = bucket_and_key(name)
        region = self._region(bucket)
        response = self._answer(method, bucket, key, region, headers)
        actual = _actual_region(response)
        if actual and actual != region:
            self._regions[bucket] = actual
            response = self._answer(method, bucket, key, actual, headers)
        if response.ok and not 300 <= response.status_code < 400:
            return response
        raise self._refusal(response, name)

    def _region(self, bucket: str) -> str:
        """The region of a bucket: from AWS, from its host in the list of allowed hosts, or the default."""
        if bucket not in self._regions:
            host = re.compile(rf"{re.escape(bucket)}\.s3\.({_REGION.pattern})\.amazonaws\.com(\.cn)?")
            listed = [found[1] for found in map(host.fullmatch, self._gate.hosts or ()) if found]
            self._regions[bucket] = listed[0] if listed else self._access.region or FIRST_REGION
        return self._regions[bucket]

    def _answer(
        self, method: str, bucket: str, key: str, region: str, headers: Mapping[str, str]
    ) -> "requests.Response":
        """The response of the endpoint of a bucket; redirects are not followed, so no other host gets credentials."""
        from mosaic_worker.store.s3_signing import Signature  # noqa: PLC0415
        from mosaic_worker.store.service import ServiceError  # noqa: PLC0415 (slow to import)

        paying = {"x-amz-request-payer": "requester"} if self._credentials and self._access.requester_pays else {}
        auth = Signature(region, self._credentials) if self._credentials else _unsigned
        url = object_url(bucket_url(bucket, region, self._access.endpoint), key)
        try:
            return self._session().request(method, url, headers={**headers, **paying}, auth=auth, allow_redirects=False)
        except ServiceError as error:
            raise PassingError(f"the credentials for s3://{bucket} cannot be renewed ({error.code})") from None

    @cached_property
    def _credentials(self) -> "AwsCredentialsProvider | None":
        """The credentials; None if requests are not signed."""
        if self._access.unsigned:
            return None
        from awscrt.auth import AwsCredentialsProvider  # noqa: PLC0415

        from mosaic_worker.store.s3_signing import found_credentials  # noqa: PLC0415

        if self._access.key:
            return AwsCredentialsProvider.new_static(self._access.key, self._access.secret, self._access.token or None)
        return found_credentials() if self._access.own else None

    def _refusal(self, response: "requests.Response", name: str) -> RequestError | PassingError:
        """The error of an unsuccessful response."""
        status = response.status_code
        found = _CODE.search(response.content)
        code = f" ({found[1].decode()})" if found else ""
        place = f" at {urlsplit(self._access.endpoint).netloc}" if self._access.endpoint else ""
        problem = f"the server answered {status}{code} for {redacted(name)}{place}"
        if status in RETRYABLE:
            return PassingError(problem)
        return RequestError(problem + (self._advice(found[1] if found else b"") if status in {400, 401, 403} else ""))

    def _advice(self, code: bytes) -> str:
        """What to do if an object cannot be read, by the error code of the service."""
        if code in _BAD_CREDENTIALS:
            return "; the credentials are wrong, or have expired"
        prefix = "" if self._access.own else PREFIX
        if self._credentials is None:
            return (
                f"; the bucket is not public, or the object does not exist: set {prefix}AWS_ACCESS_KEY_ID and "
                f"{prefix}AWS_SECRET_ACCESS_KEY of an account with read access in the environment"
                + ("" if self._access.own else "; on Kubernetes set sourceBuckets.secretName of the chart")
            )
        if not self._access.requester_pays:
            return (
                f"; the account has no read access, or the bucket is requester-pays: with {prefix}AWS_REQUEST_PAYER="
                "requester the account pays for what it reads"
            )
        return "; the account has no read access, or the object does not exist"


def _unsigned(request: "requests.PreparedRequest") -> "requests.PreparedRequest":
    """Send a request unchanged, even if .netrc has a password for the host."""
    return request


def _actual_region(response: "requests.Response") -> str | None:
    """The region of the bucket, if the response states that it is another one."""
    if response.ok and not 300 <= response.status_code < 400:
        return None
    found = _REGION_ELEMENT.search(response.content)
    region = response.headers.get("x-amz-bucket-region") or (found[1].decode() if found else "")
    return region if _REGION.fullmatch(region) else None
