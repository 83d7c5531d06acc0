"""The URLs of buckets and objects of an S3 service."""

import re
from urllib.parse import quote, urlsplit

from mosaic_crds.errors import RequestError

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""A bucket's name that can be a part of a host's name. A certificate for *.s3... does not hold for one with a dot."""
_USUAL_PORTS = {"http": ":80", "https": ":443"}


def bucket_url(bucket: str, region: str, endpoint: str | None = None) -> str:
    """The URL of a bucket, without a slash at its end.

    Args:
        bucket: its name.
        region: of AWS, in which it is.
        endpoint: the URL of a service that is not AWS', in which a bucket is a part of the path; AWS if None.

    Raises:
        RequestError: the endpoint is no URL.
    """
    if endpoint:
        parts = urlsplit(endpoint)
        if parts.scheme not in _USUAL_PORTS or not parts.hostname or "@" in parts.netloc or parts.query:
            raise RequestError("AWS_ENDPOINT_URL is written https://host or https://host:port")
        host = parts.netloc.removesuffix(_USUAL_PORTS[parts.scheme])  # HTTP leaves it out of Host, which is signed
        return f"{parts.scheme}://{host}{parts.path.rstrip('/')}/{bucket}"
    host = f"s3.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"
    return f"https://{bucket}.{host}" if _LABEL.fullmatch(bucket) else f"https://{host}/{bucket}"


def object_url(bucket_at: str, key: str) -> str:
    """The URL of an object in a bucket at a URL; that of the bucket itself for no key."""
    return f"{bucket_at}/{quote(key, safe='/~')}"
