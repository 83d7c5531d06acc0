"""The URIs of stores over the network: abfss://, az:// and s3://."""

import re
from dataclasses import dataclass

from mosaic_crds.errors import RequestError

_FORMS = {
    "abfss": "abfss://<filesystem>@<account>.dfs.core.windows.net/<folder>",
    "az": "az://<container>/<folder>",
    "s3": "s3://<bucket>/<folder>",
}
SCHEMES = frozenset(_FORMS)
"""Of stores over the network."""
_CONTAINER = re.compile(r"[a-z0-9$][a-z0-9.-]{1,61}[a-z0-9]")
_DATA_LAKE = re.compile(r"([a-z0-9$][a-z0-9-]{1,61}[a-z0-9])@([a-z0-9]{3,24})\.(dfs\.[a-z0-9.-]+)")


@dataclass(frozen=True)
class Address:
    """Where a store over the network is.

    Attributes:
        scheme: abfss, az or s3.
        container: the file system, container or bucket.
        account: of Azure, and `domain`, the rest of its host name after it; both only in abfss.
        prefix: what the names of all its objects begin with: empty, or with a `/` at its end.
        uri: the URI by which people name it, with a `/` at its end.
    """

    scheme: str
    container: str
    account: str
    domain: str
    prefix: str
    uri: str


def parse_address(uri: str) -> Address:
    """The address that a URI names.

    Raises:
        RequestError: it is malformed, or holds credentials, which the message does not repeat.
    """
    scheme, _, rest = uri.partition("://")
    authority, _, path = rest.partition("/")
    if set("?#:") & set(rest) or (scheme != "abfss" and "@" in authority):
        raise RequestError(
            f"the {scheme}:// URI of the store has more in it than names ('?', '#', ':' or '@'): it is written "
            f"{_FORMS[scheme]}, and credentials are given by the environment"
        )
    parts = [part for part in path.split("/") if part]
    container, account, domain = authority, "", ""
    if scheme == "abfss" and (found := _DATA_LAKE.fullmatch(authority)):
        container, account, domain = found.groups()
    if (scheme == "abfss") != bool(account) or not _CONTAINER.fullmatch(container) or {".", ".."} & set(parts):
        raise RequestError(f"the store {uri!r} is written {_FORMS[scheme]}")
    prefix = "".join(f"{part}/" for part in parts)
    return Address(scheme, container, account, domain, prefix, f"{scheme}://{authority}/{prefix}")
