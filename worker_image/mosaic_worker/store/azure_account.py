"""The storage account of Azure and its credentials, from the environment variables of `az storage`."""

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
        key, token: the account's key, or a shared access signature; with neither the identity of whoever runs this.
    """

    name: str
    endpoint: str
    key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        """The name under which the Blob service is asked."""
        return urlsplit(self.endpoint).netloc

    @cached_property
    def credential(self) -> Any:
        """As Azure's libraries take it.

        Raises:
            PassingError: none is there for an endpoint without TLS.
        """
        if self.key:
            return AzureNamedKeyCredential(self.name, self.key)
        if self.token:
            return AzureSasCredential(self.token)
        if self.endpoint.startswith("http://"):  # no identity is told to whoever listens in
            raise PassingError(f"there are no credentials for the store at {self.host}: set {CREDENTIALS}")
        from azure.identity import DefaultAzureCredential  # it takes long to import

        logging.getLogger("azure.identity").setLevel(logging.ERROR)  # it warns in many lines of what is not there
        return DefaultAzureCredential()


def account_from(environment: Mapping[str, str], name: str = "", domain: str = BLOB_DOMAIN) -> Account:
    """The account that the environment describes: a connection string goes before a key, and that before a signature.

    Args:
        environment: where AZURE_STORAGE_ACCOUNT, _CONNECTION_STRING, _KEY, _SAS_TOKEN and _SERVICE_ENDPOINT are.
        name: of the account, where the store's URI says it.
        domain: what follows the account's name in the host name of its Blob service.

    Raises:
        RequestError: no account is named, or two.
        PassingError: a credential is malformed.
    """
    connection = _connection(environment.get("AZURE_STORAGE_CONNECTION_STRING", ""))
    told = connection.get("accountname") or environment.get("AZURE_STORAGE_ACCOUNT", "")
    if name and connection.get("accountname", name) != name:
        raise RequestError(
            f"the store is in the account {name}, and AZURE_STORAGE_CONNECTION_STRING is of {connection['accountname']}"
        )
    name = name or told
    endpoint = connection.get("blobendpoint") or environment.get("AZURE_STORAGE_SERVICE_ENDPOINT")
    if not endpoint:
        if not name:
            raise RequestError(
                "the account of an az:// store is not known: set AZURE_STORAGE_ACCOUNT or "
                "AZURE_STORAGE_CONNECTION_STRING"
            )
        suffix = connection.get("endpointsuffix")
        endpoint = f"https://{name}.{f'blob.{suffix}' if suffix else domain}"
    if connection:
        key, token = connection.get("accountkey", ""), connection.get("sharedaccesssignature", "")
    else:
        key, token = environment.get("AZURE_STORAGE_KEY", ""), environment.get("AZURE_STORAGE_SAS_TOKEN", "")
    if key and not _is_base64(key):
        raise PassingError(
            "the account key of the store is malformed: check AZURE_STORAGE_KEY, and that all of it is there"
        )
    if not key and token and "sig=" not in token:
        raise PassingError(
            "the SAS of the store is malformed: check AZURE_STORAGE_SAS_TOKEN, and that all of it is there"
        )
    return Account(name, endpoint.rstrip("/"), key, "" if key else token.removeprefix("?"))


def _connection(text: str) -> dict[str, str]:
    """The parts of a connection string, by their names in small letters."""
    pairs = [part.partition("=") for part in text.strip().split(";") if part]
    if any(not separator for _, separator, _ in pairs):
        raise PassingError(
            "the connection string of the store is malformed: check AZURE_STORAGE_CONNECTION_STRING, and that all of "
            "it is there"
        )
    return {name.strip().lower(): value for name, _, value in pairs}


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except binascii.Error:
        return False
