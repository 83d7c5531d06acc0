"""The connection to the API server, for the Kubernetes client and for kopf."""

import os

import kopf
from kubernetes.aio import config
from kubernetes.aio.client import Configuration


async def configuration() -> Configuration:
    """The connection: the pod's service account, or the user's kubeconfig outside a cluster."""
    found = Configuration()
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        config.load_incluster_config(client_configuration=found)
    else:
        await config.load_kube_config(client_configuration=found)
    return found


async def connection_of(found: Configuration) -> kopf.ConnectionInfo:
    """The same for kopf, whose own login needs the cluster's DNS."""
    token = await found.get_api_key_with_prefix("BearerToken")
    return kopf.ConnectionInfo(
        server=found.host,
        ca_path=found.ssl_ca_cert,
        certificate_path=found.cert_file,
        private_key_path=found.key_file,
        scheme="Bearer" if token else None,
        token=token.split()[-1] if token else None,
    )
