"""What a process that reads untrusted files may access; `sealing` applies it."""

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
"""Environment variables with paths of files that HTTP libraries read."""


@dataclass(frozen=True)
class Rules:
    """What a process may access.

    Attributes:
        readable: files and folders that it may read.
        writable: files and folders that it may also change.
        network: whether it may use the network.
        alone: whether it must not start other processes.
    """

    readable: Sequence[Path]
    writable: Sequence[Path]
    network: bool = False
    alone: bool = True


def code_files(environment: Mapping[str, str]) -> list[Path]:
    """Files of Python, of its packages and of the C library, and system files that they read."""
    own = [sys.prefix, sys.base_prefix, sys.exec_prefix, sysconfig.get_path("stdlib"), *sys.path]
    named = environment.get("LD_LIBRARY_PATH", "").split(":")
    return [Path(place) for place in dict.fromkeys((*own, *named, *_LIBRARIES, *_SETTINGS, *_MACHINE)) if place]


def network_files(environment: Mapping[str, str], *, of_user: bool) -> list[Path]:
    """Files to resolve hosts, check certificates and log in to a store; `of_user` adds files such as ~/.netrc."""
    named = [environment[name] for name in _VARIABLES if environment.get(name)]
    own = [str(Path(place).expanduser()) for place in _OF_USER] if of_user and environment.get("HOME") else []
    return [Path(place) for place in (*_NETWORK, *named, *own)]
