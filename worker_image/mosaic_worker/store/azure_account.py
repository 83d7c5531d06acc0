"""The Azure storage account and its credentials, from the environment variables of `az storage`."""

import base64
import binascii
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from mosaic_crds.errors import PassingError, RequestError

CREDENTIALS = (
    "AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_CONNECTION_STRING (or a managed or workload identity)"
)
BLOB_DOMAIN = "blob.core.windows.net"


@dataclass(frozen=True)
class Account:
    """A storage account.

    Attributes:
        name: its name.
        endpoint: the URL of its Blob service.
        key, token: the account key, or a shared access signature; without both, the identity of the process.
    """

    name: str
    endpoint: str
    key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        """The host of the Blob service."""
        return urlsplit(self.endpoint).netloc

    @cached_property
    def credential(self) -> Any:
        """The credential for Azure libraries.

        Raises:
            PassingError: there is none, and the endpoint has no TLS.
        """
        if self.key:
            return AzureNamedKeyCredential(self.name, self.key)
        if self.token:
            return AzureSasCredential(self.token)
        if self.endpoint.startswith("http://"):  # never send the token of an identity without TLS
            raise PassingError(f"there are no credentials for the store at {self.host}: set {CREDENTIALS}")
        from azure.identity import DefaultAzureCredential  # slow to import

        logging.getLogger("azure.identity").setLevel(logging.ERROR)  # it logs long warnings about missing credentials
        return DefaultAzureCredential()


def account_from(environment: Mapping[str, str], name: str = "", domain: str = BLOB_DOMAIN) -> Account:
    """The account in the environment: a connection string overrides a key, and a key a signature.

    Args:
        environment: has AZURE_STORAGE_ACCOUNT, _CONNECTION_STRING, _KEY, _SAS_TOKEN and _SERVICE_ENDPOINT.
        name: the account in the URI of the store, if any.
        domain: the host of its Blob service without the account.

    Raises:
        RequestError: there is no account, or two.
        PassingError: a credential is malformed.
    """
    connection = _connection(environment.get("AZURE_STORAGE_CONNECTION_STRING", ""))
    if name and connection.get("accountname", name) != name:
        raise RequestError(
            f"the store is in the account {name}, but AZURE_STORAGE_CONNECTION_STRING has {connection['accountname']}"
        )
    name = name or connection.get("accountname") or environment.get("AZURE_STORAGE_ACCOUNT", "")
    endpoint = connection.get("blobendpoint") or environment.get("AZURE_STORAGE_SERVICE_ENDPOINT")
    if not endpoint:
        if not name:
            raise RequestError(
                "the account of the store is unknown; set AZURE_STORAGE_ACCOUNT or AZURE_STORAGE_CONNECTION_STRING"
            )
        suffix = connection.get("endpointsuffix")
        endpoint = f"https://{name}.{f'blob.{suffix}' if suffix else domain}"
    if connection:
        key, token = connection.get("accountkey", ""), connection.get("sharedaccesssignature", "")
    else:
        key, token = environment.get("AZURE_STORAGE_KEY", ""), environment.get("AZURE_STORAGE_SAS_TOKEN", "")
    if key and not _is_base64(key):
        raise _malformed("account key", "AZURE_STORAGE_KEY")
    if not key and token and "sig=" not in token:
        raise _malformed("SAS", "AZURE_STORAGE_SAS_TOKEN")
    return Account(name, endpoint.rstrip("/"), key, "" if key else token.removeprefix("?"))


def _connection(text: str) -> dict[str, str]:
    """The parts of a connection string by lower-case name."""
    pairs = [part.partition("=") for part in text.strip().split(";") if part]
    if any(not separator for _, separator, _ in pairs):
        raise _malformed("connection string", "AZURE_STORAGE_CONNECTION_STRING")
    return {name.strip().lower(): value for name, _, value in pairs}


def _malformed(credential: str, variable: str) -> PassingError:
    return PassingError(f"the {credential} of the store is malformed; check that {variable} is complete")


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except binascii.Error:
        return False
