"""The gate: it decides which files and URLs a request may open. All sources pass through it.

Requests are untrusted. GDAL opens VRTs that read any file, `/vsicurl/` paths and driver prefixes. So the gate checks
the form and the host of a reference first. `http/pinned_connections.py` asks it about the addresses of each host before
it connects, and `readers/gdal_opening.py` uses only drivers that read nothing but the file itself.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from mosaic_crds.errors import RequestError

from mosaic_worker.sources.access.budget import Budget
from mosaic_worker.sources.access.file_references import as_written, chosen, decoded
from mosaic_worker.sources.access.ip_addresses import address_of, is_public
from mosaic_worker.sources.access.s3_names import bucket_and_key, is_object, joined

STANDARD_PORTS = {"http": 80, "https": 443}

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")
_ONE_SLASH = re.compile(r"^file:/(?!/)", re.IGNORECASE)
"""The start of a file: URI without an authority (RFC 8089)."""
_DRIVER_PREFIX = re.compile(r"^[A-Za-z][A-Za-z0-9_]*:")
_VIRTUAL = re.compile(r"^/+vsi", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")


@dataclass(frozen=True)
class Gate:
    """What may be read.

    Attributes:
        folder: where relative paths start; None if local files must not be read (in a pod).
        hosts: allowed names, as host or host:port; `*.example.org` allows all hosts below it, and `*` any host. Without
            a port, 80 and 443 are allowed. A host that only a star allows must have public addresses. None allows all
            hosts and ports (the machine of the user).
        below: the folders that may be read, after symbolic links are resolved; all if None.
        budget: limits of time and bytes; None for no limits.
    """

    folder: Path | None
    hosts: frozenset[str] | None
    below: tuple[Path, ...] | None = None
    budget: Budget | None = field(default=None, compare=False)

    def admit(self, reference: str, where: str, base: str | None = None) -> str:
        """The absolute path or the URL that a reference means.

        Args:
            reference: a path, or a file://, http(s):// or s3:// URI, from a request or a STAC Item.
            where: the field of the request, for messages.
            base: the admitted path or URL of the document with the reference, to resolve a relative reference; if None,
                the gate's folder. A document at a URL may contain only URLs. In a document, a relative reference is a
                URI reference: `B%2004.tif` means the file `B 04.tif`, unless only a file of the literal name exists.

        Raises:
            RequestError: its form, scheme, host or port is not allowed.
        """
        if _CONTROL.search(reference) or not reference:
            raise _refusal(where, reference, "is not a path or URL")
        reference = _ONE_SLASH.sub("file:///", reference)
        scheme = _SCHEME.match(reference)
        if scheme is None and _DRIVER_PREFIX.match(reference):
            raise _refusal(where, reference, "names a GDAL driver; give the path or URL of the file itself")
        if scheme is None and _VIRTUAL.match(reference):
            raise _refusal(where, reference, _NO_VIRTUAL)
        if scheme is None and base is not None and is_object(base):
            return _admitted_object(reference, where, base)
        if scheme is None and base is not None and is_url(base):
            return self._admit_url(urljoin(base, reference), where)
        if scheme is None:
            candidates = decoded(reference) if base is not None else as_written(reference)
            return self._admit_path(reference, candidates, where, base)
        kind = scheme.group(1).lower()
        if kind == "file":
            if base is not None and is_url(base):
                raise _refusal(where, reference, "is a local file, and a document on a server may contain only URLs")
            host, slash, path = reference[scheme.end() :].partition("/")
            if host.lower() not in {"", "localhost"} or not slash:
                raise _refusal(where, reference, "is on another machine; use file:///path")
            return self._admit_path(reference, decoded(f"/{path}"), where, base)
        if kind in STANDARD_PORTS:
            return self._admit_url(reference, where)
        if kind == "s3":
            return _admitted_object(reference, where)
        raise _refusal(
            where, reference, f"has the unknown scheme {kind}://; use a path, file://, http://, https:// or s3://"
        )

    def admit_addresses(self, host: str, port: int, addresses: Sequence[str]) -> None:
        """Check the addresses of a host.

        Raises:
            RequestError: one is private, and the host itself is not listed.
        """
        if self.hosts is None or self._is_listed(host, port):
            return
        private = [address for address in addresses if not is_public(address)]
        if private:
            raise RequestError(f"{host} has the private address {private[0]}; list the host itself to allow it")

    def admit_opened(self, real: str, path: str) -> None:
        """Check an open file, after symbolic links are resolved.

        Args:
            real: its real path.
            path: the path that was opened, for the message.

        Raises:
            RequestError: it is outside the folders.
        """
        if self.folder is None:
            raise RequestError(f"{path!r} {_NO_LOCAL}")
        if self.below is not None and not self._is_below(Path(real)):
            raise RequestError(f"{path!r} is outside the folders of `mosaic serve --scenes`")

    def _is_below(self, real: Path) -> bool:
        return any(real.is_relative_to(folder.resolve()) for folder in self.below or ())

    def _admit_path(self, reference: str, candidates: Iterator[str], where: str, base: str | None) -> str:
        """The path of a local file; `candidates` are the paths that the reference may mean, the most likely first."""
        if self.folder is None:
            raise _refusal(where, reference, _NO_LOCAL)
        folder = Path(base).parent if base is not None else self.folder
        places = (os.path.normpath(folder / _expanded(path)) for path in candidates if not _CONTROL.search(path))
        path = chosen(places, self._may_read)
        if _VIRTUAL.match(path):
            raise _refusal(where, reference, _NO_VIRTUAL)
        if self.below is None:
            return path
        real = Path(path).resolve()
        if not self._is_below(real):  # checked again when the file is open
            raise _refusal(
                where, reference, "is outside the folders of `mosaic serve --scenes FOLDER`; move it or give a URL"
            )
        return str(real)

    def _may_read(self, path: str) -> bool:
        """Whether a path exists and may be read. For other paths nobody learns whether they exist."""
        place = Path(path)
        try:
            return (self.below is None or self._is_below(place.resolve())) and place.exists()
        except (OSError, RuntimeError):  # the name is too long, or links form a circle
            return False

    def _admit_url(self, reference: str, where: str) -> str:
        try:
            parts = urlsplit(reference)
            host, port = parts.hostname, STANDARD_PORTS[parts.scheme] if parts.port is None else parts.port
        except (ValueError, KeyError):
            host, port = None, 0
        if not host or not _HOST.fullmatch(host) or "@" in parts.netloc:
            raise _refusal(where, reference, "is not a valid URL; use https://host/path without a user name")
        if self.hosts is None or self._is_listed(host, port):
            return reference
        starred = "*" in self.hosts or any(
            pattern.startswith("*.") and host.endswith(pattern[1:]) for pattern in self.hosts
        )
        if not starred or port not in STANDARD_PORTS.values():
            named = host if port in STANDARD_PORTS.values() else f"{host}:{port}"
            raise RequestError(f"{where}: the host {named} is not among those this installation reads from")
        address = address_of(host)
        if address is not None:
            try:
                self.admit_addresses(host, port, [address])
            except RequestError as error:
                raise RequestError(f"{where}: {error}") from None
        return reference

    def _is_listed(self, host: str, port: int) -> bool:
        name = f"[{host}]" if ":" in host else host
        return self.hosts is not None and (
            f"{name}:{port}" in self.hosts or (name in self.hosts and port in STANDARD_PORTS.values())
        )


_NO_VIRTUAL = "is a GDAL virtual path; give the path or URL of the file itself"
_NO_LOCAL = "is a local file, which only `mosaic run` reads; give a URL"


def _refusal(where: str, reference: str, why: str) -> RequestError:
    return RequestError(f"{where}: {redacted(reference)!r} {why}")


def _expanded(path: str) -> Path:
    """A path with `~` expanded, if its user exists."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def _admitted_object(reference: str, where: str, base: str | None = None) -> str:
    """The name of an S3 object; the gate checks its URL when it is read."""
    try:
        bucket, key = bucket_and_key(reference if base is None else joined(base, reference))
    except RequestError as error:
        raise RequestError(f"{where}: {error}") from None
    return f"s3://{bucket}/{key}"


def own_machine(folder: Path) -> Gate:
    """The gate of the command line: all local files, relative to a folder, and all hosts."""
    return Gate(folder=folder, hosts=None)


def own_folders(folders: Sequence[Path]) -> Gate:
    """The gate of a server on the machine of the user: all hosts, and local files in some folders."""
    below = tuple(folder.absolute() for folder in folders)
    return Gate(folder=below[0] if below else Path("/"), hosts=None, below=below)


def pod(hosts: str) -> Gate:
    """The gate of a pod: no local files, and the hosts of a comma-separated list."""
    return Gate(folder=None, hosts=frozenset(host.strip().lower() for host in hosts.split(",") if host.strip()))


def origin(url: str) -> tuple[str, str, int | None]:
    """The scheme, host and port of a URL."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port or STANDARD_PORTS.get(parts.scheme)
    except ValueError:
        return "", url, None


def is_url(admitted: str) -> bool:
    """Whether an admitted reference is a URL, not a path."""
    return _SCHEME.match(admitted) is not None


def redacted(reference: str) -> str:
    """A reference for messages: without user name, password and query, which may contain a signature.

    A reference without a scheme may be a misspelt URL, so an apparent query of a path is removed too.
    """
    if "://" in reference:
        place = re.split(r"[?#]", reference, maxsplit=1)[0]
        return re.sub(r"^([A-Za-z][A-Za-z0-9+.-]*:/*)[^/]*@", r"\1", place)
    place = re.split(r"[?#](?=[^?#]*=)", reference, maxsplit=1)[0]
    return re.sub(r"^((?:https?:)?/*)[^/@]*:[^/@]*@", r"\1", place)
