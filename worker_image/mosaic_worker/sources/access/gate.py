"""The gate: what a request may make this process open. Every source passes here, and nothing else opens one.

A request is untrusted. GDAL would gladly open a VRT that reads any file, a `/vsicurl/` path or a driver prefix, so
references are admitted by form and host first; `connections.py` lets each host's addresses pass here before it connects
to them, and `opening.py` opens with the few drivers that only read the file itself.
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
"""Of a file: URI without an authority (RFC 8089)."""
_DRIVER_PREFIX = re.compile(r"^[A-Za-z][A-Za-z0-9_]*:")
_VIRTUAL = re.compile(r"^/+vsi", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")


@dataclass(frozen=True)
class Gate:
    """What may be read.

    Attributes:
        folder: relative paths start here; None where local files are not to be read at all (in a pod).
        hosts: host or host:port names that may be asked; `*.example.org` stands for the hosts below it and `*` for any.
            A host without a port may be asked on 80 and 443, and what only a star admits must have public addresses.
            None admits every host and port (the user's own machine).
        below: folders that local files must lie in, links followed; anywhere if None.
        budget: what may be asked of servers in all, and until when; None where nobody waits for an answer.
    """

    folder: Path | None
    hosts: frozenset[str] | None
    below: tuple[Path, ...] | None = None
    budget: Budget | None = field(default=None, compare=False)

    def admit(self, reference: str, where: str, base: str | None = None) -> str:
        """Give the absolute path or the URL that a reference stands for.

        Args:
            reference: a path, or a file://, http(s):// or s3:// URI, as it stands in a request or a STAC Item.
            where: the field that holds it, for the message.
            base: an admitted path or URL of the document that holds the reference, from which a relative one starts;
                the gate's folder if None. A document at a URL may only name URLs. In a document a relative reference
                is a URI reference: `B%2004.tif` is the file `B 04.tif`, unless there is only one of the literal name.

        Raises:
            RequestError: the form, scheme, host or port is not admitted.
        """
        if _CONTROL.search(reference) or not reference:
            raise RequestError(f"{where}: {redacted(reference)!r} is no path or URL")
        reference = _ONE_SLASH.sub("file:///", reference)
        scheme = _SCHEME.match(reference)
        if scheme is None and _DRIVER_PREFIX.match(reference):
            raise RequestError(
                f"{where}: {redacted(reference)!r} names a GDAL driver; give the path or URL of the file itself"
            )
        if scheme is None and _VIRTUAL.match(reference):
            raise RequestError(
                f"{where}: {redacted(reference)!r} is a GDAL virtual path; give the path or URL of the file itself"
            )
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
                raise RequestError(
                    f"{where}: {redacted(reference)!r} is a local file, and a document of a server may only name URLs"
                )
            host, slash, path = reference[scheme.end() :].partition("/")
            if host.lower() not in {"", "localhost"} or not slash:
                raise RequestError(f"{where}: {redacted(reference)!r} names another machine; use file:///path")
            return self._admit_path(reference, decoded(f"/{path}"), where, base)
        if kind in STANDARD_PORTS:
            return self._admit_url(reference, where)
        if kind == "s3":
            return _admitted_object(reference, where)
        raise RequestError(
            f"{where}: {kind}:// in {redacted(reference)!r} cannot be read; use a path, file://, http://, https:// or s3://"
        )

    def admit_addresses(self, host: str, port: int, addresses: Sequence[str]) -> None:
        """Refuse a host of which an address is private, unless the host itself is listed.

        Raises:
            RequestError: it has a private address.
        """
        if self.hosts is None or self._is_listed(host, port):
            return
        private = [address for address in addresses if not is_public(address)]
        if private:
            raise RequestError(f"{host} has the private address {private[0]}, which must be listed to be read")

    def admit_opened(self, real: str, path: str) -> None:
        """Refuse a file that was opened and is outside the folders, whatever links have led to it.

        Args:
            real: where the open file is.
            path: by which it was opened, for the message.

        Raises:
            RequestError: it is outside.
        """
        if self.folder is None:
            raise RequestError(f"{path!r} is a local file, and only `mosaic run` reads those; give a URL")
        if self.below is not None and not self._is_below(Path(real)):
            raise RequestError(
                f"{path!r} leads outside the folders that this was started with (`mosaic serve --scenes`)"
            )

    def _is_below(self, real: Path) -> bool:
        return any(real.is_relative_to(folder.resolve()) for folder in self.below or ())

    def _admit_path(self, reference: str, candidates: Iterator[str], where: str, base: str | None) -> str:
        """The path of a local file.

        Args:
            reference: as it was given, for messages.
            candidates: the paths that it may mean, the most likely one first.
            where: the field that holds it.
            base: as of `admit`.
        """
        if self.folder is None:
            raise RequestError(
                f"{where}: {redacted(reference)!r} is a local file, and only `mosaic run` reads those; give a URL"
            )
        folder = Path(base).parent if base is not None else self.folder
        places = (os.path.normpath(folder / _expanded(path)) for path in candidates if not _CONTROL.search(path))
        path = chosen(places, self._may_read)
        if _VIRTUAL.match(path):
            raise RequestError(
                f"{where}: {redacted(reference)!r} is a GDAL virtual path; give the path or URL of the file itself"
            )
        return path if self.below is None else self._below(path, reference, where)

    def _may_read(self, path: str) -> bool:
        """Whether there is a file or folder that may be read; of others nobody is told whether they exist."""
        place = Path(path)
        try:
            return (self.below is None or self._is_below(place.resolve())) and place.exists()
        except (OSError, RuntimeError):  # too long a name, or links in a circle
            return False

    def _below(self, path: str, reference: str, where: str) -> str:
        """The file itself, behind all links; `admit_opened` checks it once more when it is opened."""
        real = Path(path).resolve()
        if not self._is_below(real):
            raise RequestError(
                f"{where}: {redacted(reference)!r} is a local file, and only those in folders that this was started "
                "with (`mosaic serve --scenes FOLDER`) are read; give a URL"
            )
        return str(real)

    def _admit_url(self, reference: str, where: str) -> str:
        try:
            parts = urlsplit(reference)
            host, port = parts.hostname, STANDARD_PORTS[parts.scheme] if parts.port is None else parts.port
        except (ValueError, KeyError):
            host, port = None, 0
        if not host or not _HOST.fullmatch(host) or "@" in parts.netloc:
            raise RequestError(
                f"{where}: {redacted(reference)!r} is no URL of the form https://host/path without a user name"
            )
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


def _expanded(path: str) -> Path:
    """A path, of which `~` may be the first part; one of a user who is not known is a name like others."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def _admitted_object(reference: str, where: str, base: str | None = None) -> str:
    """The name of an object in a bucket; the URL by which it is asked for passes the gate when it is read."""
    try:
        bucket, key = bucket_and_key(reference if base is None else joined(base, reference))
    except RequestError as error:
        raise RequestError(f"{where}: {error}") from None
    return f"s3://{bucket}/{key}"


def own_machine(folder: Path) -> Gate:
    """The gate of the command line: the user's own files, relative to a folder, and any host."""
    return Gate(folder=folder, hosts=None)


def own_folders(folders: Sequence[Path]) -> Gate:
    """The gate of a user's own server: any host, and of local files those in some folders; relative to the first."""
    below = tuple(folder.absolute() for folder in folders)
    return Gate(folder=below[0] if below else Path("/"), hosts=None, below=below)


def pod(hosts: str) -> Gate:
    """The gate of a pod: no local files, and the hosts of a comma-separated list."""
    return Gate(folder=None, hosts=frozenset(host.strip().lower() for host in hosts.split(",") if host.strip()))


def origin(url: str) -> tuple[str, str, int | None]:
    """The scheme, host and port of a URL: who gets what is sent there, such as a token."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port or STANDARD_PORTS.get(parts.scheme)
    except ValueError:
        return "", url, None


def is_url(admitted: str) -> bool:
    """Whether what was admitted is a URL, and no path."""
    return _SCHEME.match(admitted) is not None


def redacted(reference: str) -> str:
    """A reference as it may be shown: without user name and password, and without a query, where signatures are.

    A reference without a scheme may be a URL that somebody misspelt; of a path, what looks like a query goes too.
    """
    if "://" in reference:
        place = re.split(r"[?#]", reference, maxsplit=1)[0]
        return re.sub(r"^([A-Za-z][A-Za-z0-9+.-]*:/*)[^/]*@", r"\1", place)
    place = re.split(r"[?#](?=[^?#]*=)", reference, maxsplit=1)[0]
    return re.sub(r"^((?:https?:)?/*)[^/@]*:[^/@]*@", r"\1", place)
