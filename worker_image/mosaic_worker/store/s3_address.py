"""The URLs of buckets and objects of an S3 service."""

import re
from urllib.parse import quote, urlsplit

from mosaic_crds.errors import RequestError

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""A bucket name that can be part of a host name. A certificate for *.s3… is not valid for a name with a dot."""
_USUAL_PORTS = {"http": ":80", "https": ":443"}


def bucket_url(bucket: str, region: str, endpoint: str | None = None) -> str:
    """The URL of a bucket, without a trailing slash.

    Args:
        bucket: its name.
        region: its AWS region.
        endpoint: the URL of another service, where the bucket is in the path; None for AWS.

    Raises:
        RequestError: the endpoint is not a URL.
    """
    if endpoint:
        parts = urlsplit(endpoint)
        if parts.scheme not in _USUAL_PORTS or not parts.hostname or "@" in parts.netloc or parts.query:
            raise RequestError("invalid AWS_ENDPOINT_URL; expected https://host or https://host:port")
        host = parts.netloc.removesuffix(_USUAL_PORTS[parts.scheme])  # the signed header Host has no standard port
        return f"{parts.scheme}://{host}{parts.path.rstrip('/')}/{bucket}"
    host = f"s3.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"
    return f"https://{bucket}.{host}" if _LABEL.fullmatch(bucket) else f"https://{host}/{bucket}"


def object_url(bucket_at: str, key: str) -> str:
    """The URL of an object, from the URL of its bucket."""
    return f"{bucket_at}/{quote(key, safe='/~')}"
