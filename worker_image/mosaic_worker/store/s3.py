"""S3: buckets of AWS, Ceph and other services with its protocol.

The few calls are made here, because the Python library of AWS conflicts with that of Kubernetes, and other libraries
have no create-only uploads in parts (docs/decisions/0013).
"""

import mimetypes
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree  # it only writes; defusedxml reads  # nosec B405

import requests
from defusedxml.ElementTree import fromstring
from mosaic_crds.times import moment
from requests.adapters import HTTPAdapter

from mosaic_worker.store.s3_address import bucket_url, object_url
from mosaic_worker.store.s3_signing import Signature
from mosaic_worker.store.service import CONNECTIONS, Fault, Head, Page, ServiceError
from mosaic_worker.store.stored import Stored

UPLOAD = "x-amz-meta-mosaicupload"
CREATE_ONLY = {"If-None-Match": "*"}
TIMEOUT = (10, 60)
"""Timeouts to connect, and between two packets of a response, seconds."""
CREDENTIALS = "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN (or a profile, or a role)"

_FAULTS = {
    "PreconditionFailed": Fault.EXISTS,
    "NoSuchUpload": Fault.LOST,
    "NoSuchBucket": Fault.NO_CONTAINER,
    "ConditionalRequestConflict": Fault.PASSING,
    "OperationAborted": Fault.PASSING,
    "RequestTimeout": Fault.PASSING,
    "ExpiredToken": Fault.DENIED,
    "InvalidToken": Fault.DENIED,
    "TokenRefreshRequired": Fault.DENIED,
    "XAdminUserNotFound": Fault.DENIED,  # versitygw's InvalidAccessKeyId, with 404
}
"""By the error code of the service, if the status is not sufficient."""


def open_bucket(bucket: str, environment: Mapping[str, str]) -> "S3":
    """A bucket of the service in the environment, by default AWS.

    Raises:
        RequestError: AWS_ENDPOINT_URL is not a URL.
    """
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    return S3(bucket_url(bucket, region, endpoint), bucket, region)


class S3:
    """A bucket."""

    credentials = CREDENTIALS

    def __init__(self, url: str, bucket: str, region: str) -> None:
        self.container = f"bucket {bucket!r}"
        self.host = urlsplit(url).netloc
        self._url = url
        self._session = requests.Session()
        self._session.auth = Signature(region)
        self._session.headers["Accept-Encoding"] = "identity"
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS))

    def url(self, path: str) -> str:
        """The URL of an object, or of the bucket for an empty path."""
        return object_url(self._url, path)

    def put(self, path: str, content: bytes, upload: str) -> None:
        """PutObject."""
        self._ask("PUT", path, headers=CREATE_ONLY | _described(path, upload), body=content)

    def begin(self, path: str, upload: str) -> str:
        """CreateMultipartUpload."""
        answer = self._ask("POST", path, {"uploads": ""}, _described(path, upload))
        return _text(_xml(answer.content), "UploadId")

    def put_part(self, path: str, begun: str, number: int, content: bytes) -> str:
        """UploadPart; returns the ETag."""
        query = {"partNumber": str(number + 1), "uploadId": begun}
        return str(self._ask("PUT", path, query, body=content).headers["ETag"])

    def commit(self, path: str, begun: str, parts: Sequence[str], upload: str) -> None:  # noqa: ARG002 (used in begin)
        """CompleteMultipartUpload; some services ignore that it is create-only."""
        document = ElementTree.Element("CompleteMultipartUpload")
        for number, tag in enumerate(parts, 1):
            part = ElementTree.SubElement(document, "Part")
            ElementTree.SubElement(part, "PartNumber").text = str(number)
            ElementTree.SubElement(part, "ETag").text = tag
        body = ElementTree.tostring(document)
        answer = self._ask("POST", path, {"uploadId": begun}, CREATE_ONLY, body)
        if _xml(answer.content).tag.endswith("Error"):  # it failed after the status 200
            raise ServiceError(Fault.PASSING, "InternalError")

    def abort(self, path: str, begun: str) -> None:
        """AbortMultipartUpload."""
        self._ask("DELETE", path, {"uploadId": begun})

    def forget_abandoned(self, prefix: str, seconds: float) -> None:
        """ListMultipartUploads, at most 1000, and AbortMultipartUpload for old ones."""
        listed = _xml(self._ask("GET", "", {"prefix": prefix, "uploads": ""}).content)
        before = datetime.now(UTC) - timedelta(seconds=seconds)
        for found in listed.iterfind("{*}Upload"):
            if moment(_text(found, "Initiated")) < before:
                self.abort(_text(found, "Key"), _text(found, "UploadId"))

    def head(self, path: str) -> Head | None:
        """HeadObject."""
        answer = self._ask("HEAD", path, allowed={404})
        if answer.status_code == 404:
            return None
        return Head(int(answer.headers["Content-Length"]), answer.headers.get(UPLOAD, ""))

    def get(self, path: str, start: int, stop: int | None) -> bytes | None:
        """GetObject."""
        headers = {} if (start, stop) == (0, None) else {"Range": f"bytes={start}-{'' if stop is None else stop - 1}"}
        answer = self._ask("GET", path, headers=headers, allowed={404, 416})
        if answer.status_code == 404:
            _missing(answer)
            return None
        return b"" if answer.status_code == 416 else answer.content  # 416: it starts after the end

    def page(self, prefix: str, token: str | None) -> Page:
        """ListObjectsV2."""
        query = {"list-type": "2", "prefix": prefix} | ({"continuation-token": token} if token else {})
        listed = _xml(self._ask("GET", "", query).content)
        found = [
            Stored(_text(each, "Key"), moment(_text(each, "LastModified")).timestamp(), int(_text(each, "Size")))
            for each in listed.iterfind("{*}Contents")
        ]
        return Page(found, listed.findtext("{*}NextContinuationToken") or None)

    def delete(self, path: str) -> None:
        """DeleteObject."""
        answer = self._ask("DELETE", path, allowed={404})
        if answer.status_code == 404:  # AWS returns 204
            _missing(answer)

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        allowed: Collection[int] = (),
    ) -> requests.Response:
        """A response with the status 2xx or an allowed one."""
        url = self.url(path) + (f"?{urlencode(query, quote_via=quote)}" if query else "")
        try:
            answer = self._session.request(
                method, url, data=body, headers=dict(headers or {}), timeout=TIMEOUT, allow_redirects=False
            )
        except requests.exceptions.SSLError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise ServiceError(Fault.OTHER, "its certificate is not trusted") from None
            raise ServiceError(Fault.PASSING, type(error).__name__) from None
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            raise ServiceError(Fault.PASSING, type(error).__name__) from None
        except requests.RequestException as error:
            raise ServiceError(Fault.OTHER, type(error).__name__) from None
        if answer.status_code < 300 or answer.status_code in allowed:
            return answer
        raise _error(answer)


def _missing(answer: requests.Response) -> None:
    """Raise ServiceError unless it is the object that is missing."""
    error = _error(answer)
    if error.code != "NoSuchKey":
        raise error


def _error(answer: requests.Response) -> ServiceError:
    """The error of an unsuccessful response."""
    status = answer.status_code
    try:
        code = fromstring(answer.content, forbid_dtd=True).findtext("{*}Code") or ""
    except (ElementTree.ParseError, ValueError):
        code = ""
    if status in {408, 429} or status >= 500:
        fault = Fault.PASSING
    else:
        fault = _FAULTS.get(code, {401: Fault.DENIED, 403: Fault.DENIED, 412: Fault.EXISTS}.get(status, Fault.OTHER))
    return ServiceError(fault, code if code.isalnum() else f"status {status}")


def _described(path: str, upload: str) -> dict[str, str]:
    kind, _ = mimetypes.guess_type(path)
    return {UPLOAD: upload, "Content-Type": kind or "application/octet-stream"}


def _xml(content: bytes) -> ElementTree.Element:
    try:
        return fromstring(content, forbid_dtd=True)  # type: ignore[no-any-return]
    except (ElementTree.ParseError, ValueError):
        raise ServiceError(Fault.OTHER, "its response is not S3") from None


def _text(element: ElementTree.Element, name: str) -> str:
    return element.findtext(f"{{*}}{name}") or ""
