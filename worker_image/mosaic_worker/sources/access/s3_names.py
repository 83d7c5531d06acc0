"""Names of S3 objects, s3://bucket/key, as in the tools of AWS: keys are not percent-encoded."""

import re
from urllib.parse import quote, unquote, urljoin, urlsplit

from mosaic_crds.errors import RequestError

_NAME = re.compile(r"s3://([A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9])/(.*[^/])", re.IGNORECASE | re.DOTALL)


def is_object(reference: str) -> bool:
    """Whether a reference names an S3 object."""
    return reference[:5].lower() == "s3://"


def bucket_and_key(reference: str) -> tuple[str, str]:
    """The bucket and the key of a name.

    Raises:
        RequestError: it is malformed, or its key has a step such as `..`, which leaves the bucket in a URL.
    """
    found = _NAME.fullmatch(reference)
    if found is None or {".", ".."} & set(found[2].split("/")) or found[2].startswith("/"):
        raise RequestError(f"invalid object name {reference!r}; use s3://bucket/key")
    return found[1], found[2]


def joined(base: str, reference: str) -> str:
    """The name of a relative URI reference, with percent-encoding, in the S3 object `base`."""
    bucket, key = bucket_and_key(base)
    parts = urlsplit(urljoin(f"https://{bucket.lower()}/{quote(key)}", reference))
    if parts.netloc != bucket.lower():
        raise RequestError(f"{reference!r} is not an object in the bucket {bucket}")
    return f"s3://{bucket}/{unquote(parts.path.removeprefix('/'))}"
