"""`helm test`: checks that the operator responds and that a request would be accepted."""

from collections.abc import Mapping

import aiohttp
from kubernetes.aio.config import ConfigException
from mosaic_crds.request import request_manifest

from mosaic_operator.cluster import Cluster
from mosaic_operator.connection import configuration
from mosaic_operator.kube import ApiError

ENV_URL = "MOSAIC_OPERATOR_URL"
SAMPLE = request_manifest(
    "helm-test",
    {
        "source": {"files": {"scenes": [{"bands": {"green": "https://example.org/B03.tif"}}]}},
        "product": {"bands": ["green"]},
    },
)


class CheckError(Exception):
    """A check failed; the message says what failed and where to look."""


async def check(environment: Mapping[str, str]) -> str:
    """List MosaicRequests, dry-run the creation of one, and check that the operator is ready.

    Raises:
        CheckError: one of these fails.
    """
    namespace, url = environment.get("POD_NAMESPACE", "default"), environment.get(ENV_URL, "")
    try:
        async with Cluster(await configuration()) as cluster:
            await anext(cluster.requests(namespace))
            await cluster.try_request(namespace, SAMPLE)
    except ConfigException as error:
        raise CheckError(f"the API server cannot be reached: {error}") from None
    except ApiError as error:
        raise CheckError(f"MosaicRequests do not work in namespace {namespace}: {error}") from None
    try:
        timeout = aiohttp.ClientTimeout(total=10)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(f"{url}/readyz") as answer:
            if answer.status != 200:
                raise CheckError(f"the operator at {url} is not ready: {(await answer.text()).strip()}")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise CheckError(f"the operator at {url} does not respond: {error or 'timed out'}; see its log") from None
    return "The API server serves MosaicRequests and accepts a sample, and the operator is ready"
