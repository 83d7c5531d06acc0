"""What a process may touch that reads files from strangers: pure lists, applied by `sealing`."""

import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_LIBRARIES = ("/usr", "/lib", "/lib64", "/bin", "/opt/conda", "/nix/store")
_SETTINGS = ("/etc/ld.so.cache", "/etc/localtime", "/etc/mime.types", "/etc/passwd", "/etc/group")
_MACHINE = (
    "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems", "/proc/sys", "/proc/version",
    "/sys/devices/system", "/sys/fs/cgroup", "/dev/random", "/dev/urandom", "/dev/zero",
)  # fmt: skip
_NETWORK = (
    "/etc/resolv.conf", "/run/systemd/resolve", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf",
    "/etc/services", "/etc/protocols", "/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs", "/etc/pki/tls/cert.pem", "/etc/pki/ca-trust", "/etc/ca-certificates",
)  # fmt: skip
_OF_USER = ("~/.netrc", "~/_netrc", "~/.azure", "~/.aws")
_VARIABLES = ("NETRC", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR",
              "AZURE_FEDERATED_TOKEN_FILE", "AZURE_CLIENT_CERTIFICATE_PATH", "AWS_WEB_IDENTITY_TOKEN_FILE",
              "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")  # fmt: skip
"""Of the environment: each names a file that libraries read when they ask servers."""


@dataclass(frozen=True)
class Rules:
    """What is left to a process.

    Attributes:
        readable: files and folders that it may read.
        writable: those that it may change too.
        network: whether it may ask servers.
        alone: whether it starts no other process.
    """

    readable: Sequence[Path]
    writable: Sequence[Path]
    network: bool = False
    alone: bool = True


def code_files(environment: Mapping[str, str]) -> list[Path]:
    """Python, the packages, the C library, and what these read of the machine."""
    own = [sys.prefix, sys.base_prefix, sys.exec_prefix, sysconfig.get_path("stdlib"), *sys.path]
    named = environment.get("LD_LIBRARY_PATH", "").split(":")
    return [Path(place) for place in dict.fromkeys((*own, *named, *_LIBRARIES, *_SETTINGS, *_MACHINE)) if place]


def network_files(environment: Mapping[str, str], *, of_user: bool) -> list[Path]:
    """What it takes to look hosts up, to check certificates and to log in to a store.

    Args:
        environment: of the process.
        of_user: with what the person at this machine has for servers, such as ~/.netrc.
    """
    named = [environment[name] for name in _VARIABLES if environment.get(name)]
    own = [str(Path(place).expanduser()) for place in _OF_USER] if of_user and environment.get("HOME") else []
    return [Path(place) for place in (*_NETWORK, *named, *own)]
