"""The MosaicRequest as a whole."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict

from mosaic_crds.fields import DnsName, Model, Text
from mosaic_crds.names import API_VERSION, KIND
from mosaic_crds.spec import MosaicRequestSpec
from mosaic_crds.status import MosaicRequestStatus

LONGEST_NAME = 52
"""Characters. Kubernetes allows 63 for the name of a pod, which has up to 11 more than that of its Job."""


class Metadata(Model):
    """The used metadata of an object."""

    model_config = ConfigDict(extra="ignore")

    name: Annotated[
        str,
        Text(
            r"[a-z0-9]([-a-z0-9]*[a-z0-9])?",
            LONGEST_NAME,
            f"at most {LONGEST_NAME} lower-case letters, digits and hyphens, such as my-mosaic",
        ),
    ]
    """The name of the request."""
    namespace: DnsName = "default"
    """The namespace of the request."""
    uid: Annotated[str, Text(r"[0-9a-zA-Z-]+", 63, "letters, digits and hyphens")] | None = None
    """The uid from the API server; absent outside Kubernetes."""


class MosaicRequest(Model):
    """A request for a mosaic of satellite scenes."""

    api_version: Literal[API_VERSION]  # type: ignore[valid-type]  # defined in one place
    """The API's group and version."""
    kind: Literal[KIND]  # type: ignore[valid-type]
    """MosaicRequest."""
    metadata: Metadata
    """Name and namespace."""
    spec: MosaicRequestSpec
    """The requested mosaic."""
    status: MosaicRequestStatus | None = None
    """The observed state; written by the operator."""


def request_manifest(
    name: str, spec: Mapping[str, Any], *, api_version: str = API_VERSION, **metadata: str | Mapping[str, str] | None
) -> dict[str, Any]:
    """A MosaicRequest as JSON; it is not validated.

    Args:
        name: of the request.
        spec: what is requested.
        api_version: the group and version of the API for which the spec is written.
        metadata: further fields of the metadata, such as the namespace; None leaves one out.
    """
    given = {key: value for key, value in metadata.items() if value is not None}
    return {"apiVersion": api_version, "kind": KIND, "metadata": {"name": name} | given, "spec": dict(spec)}
