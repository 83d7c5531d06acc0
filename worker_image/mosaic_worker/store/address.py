"""The URIs of network stores: abfss://, az:// and s3://."""

import re
from dataclasses import dataclass

from mosaic_crds.errors import RequestError

_FORMS = {
    "abfss": "abfss://<filesystem>@<account>.dfs.core.windows.net/<folder>",
    "az": "az://<container>/<folder>",
    "s3": "s3://<bucket>/<folder>",
}
SCHEMES = frozenset(_FORMS)
"""The URI schemes of network stores."""
_CONTAINER = re.compile(r"[a-z0-9$][a-z0-9.-]{1,61}[a-z0-9]")
_DATA_LAKE = re.compile(r"([a-z0-9$][a-z0-9-]{1,61}[a-z0-9])@([a-z0-9]{3,24})\.(dfs\.[a-z0-9.-]+)")


@dataclass(frozen=True)
class Address:
    """The address of a network store.

    Attributes:
        scheme: abfss, az or s3.
        container: the file system, container or bucket.
        account, domain: the Azure account, and the rest of its host name; only for abfss.
        prefix: the prefix of all object names; empty, or with a trailing `/`.
        uri: its URI, with a trailing `/`.
    """

    scheme: str
    container: str
    account: str
    domain: str
    prefix: str
    uri: str


def parse_address(uri: str) -> Address:
    """Parse a URI.

    Raises:
        RequestError: it is malformed, or contains credentials, which the message does not repeat.
    """
    scheme, _, rest = uri.partition("://")
    authority, _, path = rest.partition("/")
    if set("?#:") & set(rest) or (scheme != "abfss" and "@" in authority):
        raise RequestError(
            f"invalid {scheme}:// URI of the store: it contains more than names ('?', '#', ':' or '@'); use "
            f"{_FORMS[scheme]}, and set credentials in the environment"
        )
    parts = [part for part in path.split("/") if part]
    container, account, domain = authority, "", ""
    if scheme == "abfss" and (found := _DATA_LAKE.fullmatch(authority)):
        container, account, domain = found.groups()
    if (scheme == "abfss") != bool(account) or not _CONTAINER.fullmatch(container) or {".", ".."} & set(parts):
        raise RequestError(f"invalid store URI {uri!r}; expected {_FORMS[scheme]}")
    prefix = "".join(f"{part}/" for part in parts)
    return Address(scheme, container, account, domain, prefix, f"{scheme}://{authority}/{prefix}")
