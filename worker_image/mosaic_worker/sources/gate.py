"""The gate: what a request may make this process open. Every source passes here, and nothing else opens one.

A request is untrusted. GDAL would gladly open a VRT that reads any file, a `/vsicurl/` path or a driver prefix, so
references are admitted by form and host first, and then opened with the few drivers that only read the file itself.
"""

import ipaddress
import os
import re
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import numpy as np
import rasterio
from mosaic_crds.errors import PassingError, RequestError
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
from rasterio.io import DatasetReader

from mosaic_worker.sources.archives import file_of, gdal_name

DRIVERS = ("GTiff", "JP2OpenJPEG", "PNG")
LARGEST_BLOCK = 512 * 2**20
"""Bytes that decoding one block of a file may take; a file in one huge strip would fill the memory of a pod."""

CACHE_BYTES = 256 * 2**20
"""For decoded blocks of all sources of a process. In bytes: rasterio takes a number so, where GDAL itself would not."""

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")
_DRIVER_PREFIX = re.compile(r"^[A-Za-z][A-Za-z0-9_]*:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Gate:
    """What may be read.

    Attributes:
        folder: relative paths start here; None where local files are not to be read at all (in a pod).
        hosts: host or host:port names that may be asked; `*.example.org` stands for the hosts below it and `*` for any,
            and what only a star admits must have public addresses. None admits every host (the user's own machine).
    """

    folder: Path | None
    hosts: frozenset[str] | None

    def admit(self, reference: str, where: str, base: str | None = None) -> str:
        """Give the absolute path or the URL that a reference stands for.

        Args:
            reference: a path, file:// or http(s):// URI, as it stands in a request or a STAC Item.
            where: the field that holds it, for the message.
            base: an admitted path or URL of the document that holds a relative reference; the gate's folder if None.

        Raises:
            RequestError: the form, scheme or host is not admitted.
        """
        if _CONTROL.search(reference) or not reference:
            raise RequestError(f"{where}: {reference!r} is no path or URL")
        scheme = _SCHEME.match(reference)
        if scheme is None and _DRIVER_PREFIX.match(reference):
            raise RequestError(f"{where}: {reference!r} names a GDAL driver; give the path or URL of the file itself")
        if scheme is None and base is not None and _is_url(base):
            return self._admit_url(urljoin(base, reference), where)
        if scheme is None:
            return self._admit_path(reference, where, base)
        kind = scheme.group(1).lower()
        if kind == "file":
            parts = urlsplit(reference)
            if parts.netloc not in {"", "localhost"}:
                raise RequestError(f"{where}: {reference!r} names another machine; use file:///path")
            return self._admit_path(unquote(parts.path), where, base)
        if kind in {"http", "https"}:
            return self._admit_url(reference, where)
        raise RequestError(
            f"{where}: {kind}:// in {reference!r} cannot be read; use a path, file://, http:// or https://"
        )

    def _admit_path(self, reference: str, where: str, base: str | None) -> str:
        if self.folder is None:
            raise RequestError(f"{where}: {reference!r} is a local file, and only `mosaic run` reads those; give a URL")
        folder = Path(base).parent if base is not None else self.folder
        path = os.path.normpath(folder / Path(reference).expanduser())
        if path.lower().lstrip("/").startswith("vsi"):
            raise RequestError(
                f"{where}: {reference!r} is a GDAL virtual path; give the path or URL of the file itself"
            )
        return path

    def _admit_url(self, reference: str, where: str) -> str:
        try:
            parts = urlsplit(reference)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or parts.username is not None or parts.password is not None:
            raise RequestError(f"{where}: {reference!r} is no URL of the form https://host/path without a user name")
        if self.hosts is None:
            return reference
        if host in self.hosts or f"{host}:{port}" in self.hosts:
            return reference
        if "*" not in self.hosts and not any(
            pattern.startswith("*.") and host.endswith(pattern[1:]) for pattern in self.hosts
        ):
            raise RequestError(f"{where}: the host {host} is not among those this installation reads from")
        private = [address for address in _addresses(host) if not ipaddress.ip_address(address).is_global]
        if private:
            raise RequestError(f"{where}: {host} has the private address {private[0]}, which must be listed to be read")
        return reference


def own_machine(folder: Path) -> Gate:
    """The gate of the command line: the user's own files, relative to a folder, and any host."""
    return Gate(folder=folder, hosts=None)


def pod(hosts: str) -> Gate:
    """The gate of a pod: no local files, and the hosts of a comma-separated list."""
    return Gate(folder=None, hosts=frozenset(host.strip().lower() for host in hosts.split(",") if host.strip()))


def _is_url(reference: str) -> bool:
    return _SCHEME.match(reference) is not None


def _addresses(host: str) -> list[str]:
    try:
        return [str(info[4][0]) for info in socket.getaddrinfo(host, None)]
    except OSError as error:
        raise PassingError(f"the host {host} was not found: {error.strerror}") from None


@contextmanager
def raster_environment(remote: bool = False) -> Iterator[None]:
    """GDAL's settings for opening and reading sources.

    One thread, because GDAL 3.10 loses the errors of JPEG 2000 tiles that it decodes in others and gives zeros for a
    truncated file. Remote files are opened without looking for files beside them.
    """
    options: dict[str, object] = {"GDAL_NUM_THREADS": "1", "GDAL_CACHEMAX": CACHE_BYTES}
    if remote:
        options |= {
            "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
            "GDAL_HTTP_CONNECTTIMEOUT": "10",
            "GDAL_HTTP_TIMEOUT": "60",
            "GDAL_HTTP_MAX_RETRY": "3",
            "GDAL_HTTP_RETRY_DELAY": "0.5",
            "GDAL_INGESTED_BYTES_AT_OPEN": "32768",
            "VSI_CACHE": "TRUE",
        }
    with rasterio.Env(**options):
        yield


def open_raster(admitted: str, where: str) -> DatasetReader:
    """Open an admitted path or URL with the drivers that read nothing but the file.

    Raises:
        RequestError: there is no such file, or it is no image that can be used.
        PassingError: a server did not give it.
    """
    remote = _is_url(admitted)
    if not remote:
        _require_file(file_of(admitted), where)
    failures = []
    with raster_environment(remote), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # refused with a sentence where it matters
        for driver in DRIVERS:
            try:
                dataset = rasterio.open(gdal_name(admitted), driver=driver)
            except RasterioIOError as error:
                failures.append(str(error))
                if remote and ("HTTP response code" in str(error) or "CURL" in str(error)):
                    break  # the next driver would only say that there is no such file
            else:
                return _checked(dataset, where)
    raise _not_opened(admitted, where, failures[-1])


def _require_file(path: str, where: str) -> None:
    if not Path(path).exists():
        raise RequestError(f"{where}: there is no file {path}")
    if not Path(path).is_file():
        raise RequestError(f"{where}: {path} is no file")
    if not os.access(path, os.R_OK):
        raise RequestError(f"{where}: {path} may not be read by this user")


def _not_opened(admitted: str, where: str, failure: str) -> RequestError | PassingError:
    shown = without_query(admitted)
    status = re.search(r"HTTP response code: (\d+)", failure)
    if status and status.group(1) in {"401", "403", "404", "410"}:
        return RequestError(f"{where}: the server answered {status.group(1)} for {shown}")
    if status or "CURL" in failure:
        return PassingError(f"{where}: {shown} could not be fetched ({failure})")
    return RequestError(f"{where}: {shown} is no GeoTIFF, JPEG 2000 or PNG image, or is damaged")


def _checked(dataset: DatasetReader, where: str) -> DatasetReader:
    """Refuse what opens but may not be used: a file that points to other files, or whose blocks are too large."""
    name = without_query(dataset.name)
    problem = None
    if dataset.count == 0 or dataset.subdatasets:
        problem = "holds several datasets instead of one image"
    elif "OVERVIEW_FILE" in dataset.tags(ns="OVERVIEWS"):
        problem = "refers to another file for its overviews"
    else:
        rows, columns = dataset.block_shapes[0]
        if rows * columns * np.dtype(dataset.dtypes[0]).itemsize > LARGEST_BLOCK:
            problem = f"is stored in blocks of {columns} x {rows} pixels, too large to decode"
    if problem:
        dataset.close()
        raise RequestError(f"{where}: {name} {problem}")
    return dataset


def without_query(reference: str) -> str:
    """A reference as it may be shown and stored: signatures live in the query, so it goes."""
    return reference.split("?", 1)[0]
