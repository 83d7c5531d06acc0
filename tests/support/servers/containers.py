"""Empty containers on the servers that tests start, and the environment of their clients."""

import os
import uuid

import pytest
import requests
from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import ContainerClient
from mosaic_worker.store.s3_signing import Signature

from support.servers import running

CREDENTIALS = ("AWS_", "AZURE_", "MOSAIC_STORE", "MOSAIC_SOURCES_")


def forget_credentials(environment: pytest.MonkeyPatch) -> None:
    """Remove the settings of this machine's user from the environment."""
    for name in list(os.environ):
        if name.startswith(CREDENTIALS):
            environment.delenv(name)
    environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
    environment.setenv("AWS_CONFIG_FILE", "/nowhere")
    environment.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")


def new_container(scheme: str, service: running.Service) -> str:
    """Create a container on a service, set its credentials in the environment, and return the URI of a folder in it."""
    name = f"tests-{uuid.uuid4().hex[:12]}"
    if scheme == "s3":
        requests.put(f"http://{service.address}/{name}", auth=Signature(running.REGION)).raise_for_status()
        return f"s3://{name}/a/folder"
    key = AzureNamedKeyCredential(running.ACCOUNT, service.environment["AZURE_STORAGE_KEY"])
    ContainerClient(f"http://{service.address}/{running.ACCOUNT}", name, key).create_container()
    authority = name if scheme == "az" else f"{name}@{running.ACCOUNT}.dfs.core.windows.net"
    return f"{scheme}://{authority}/a/folder"
