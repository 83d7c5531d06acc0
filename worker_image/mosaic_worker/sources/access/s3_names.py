"""Names of objects in S3 buckets, s3://bucket/key, as AWS' programs write them: nothing in a key is percent-encoded."""

import re
from urllib.parse import quote, unquote, urljoin, urlsplit

from mosaic_crds.errors import RequestError

_NAME = re.compile(r"s3://([A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9])/(.*[^/])", re.IGNORECASE | re.DOTALL)


def is_object(reference: str) -> bool:
    """Whether a reference names an object in a bucket."""
    return reference[:5].lower() == "s3://"


def bucket_and_key(reference: str) -> tuple[str, str]:
    """The bucket and the key that a name holds.

    Raises:
        RequestError: it is malformed, or its key has steps such as `..`, which would lead out of the bucket in a URL.
    """
    found = _NAME.fullmatch(reference)
    if found is None or {".", ".."} & set(found[2].split("/")) or found[2].startswith("/"):
        raise RequestError(f"{reference!r} is no name of the form s3://bucket/key")
    return found[1], found[2]


def joined(base: str, reference: str) -> str:
    """The name that a relative reference has in a document whose own name is `base`.

    Args:
        base: an s3:// name.
        reference: a relative URI reference, in which special characters are percent-encoded.
    """
    bucket, key = bucket_and_key(base)
    parts = urlsplit(urljoin(f"https://{bucket.lower()}/{quote(key)}", reference))
    if parts.netloc != bucket.lower():
        raise RequestError(f"{reference!r} names no object in the bucket {bucket}")
    return f"s3://{bucket}/{unquote(parts.path.removeprefix('/'))}"
