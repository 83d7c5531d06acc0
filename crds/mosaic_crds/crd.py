"""The CustomResourceDefinition of MosaicRequest, rendered from the models."""

from dataclasses import dataclass
from functools import cache
from inspect import cleandoc
from typing import Any, get_args

from pydantic import BaseModel

from mosaic_crds.names import GROUP, KIND, PLURAL, VERSION
from mosaic_crds.request import Metadata, MosaicRequest
from mosaic_crds.schema import RULES, structural


@dataclass(frozen=True)
class ApiVersion:
    """A version of the API.

    Attributes:
        name: without the group.
        request: the model of a MosaicRequest of this version.
        served: whether clients may use it.
        storage: whether the API server stores objects in it; one version is the storage version.
    """

    name: str
    request: type[BaseModel]
    served: bool = True
    storage: bool = False


VERSIONS = (ApiVersion(VERSION, MosaicRequest, storage=True),)
"""All versions of the API, oldest first. Adding one needs a conversion webhook, or equal schemas."""
CHANGEABLE = {"suspend", "parallelism", "cancel"}
"""Fields of spec.execution that may change; all other fields of the spec are immutable."""
UNSEEN = {
    "type": "Ready",
    "status": "Unknown",
    "reason": "Pending",
    "message": "Waiting for the operator",
    "lastTransitionTime": "1970-01-01T00:00:00Z",
    "observedGeneration": 0,
}
"""The condition of a request that no operator has seen. Without one, tools that follow kstatus take it for ready."""
COLUMNS = (
    ("Phase", "string", ".status.phase", 0),
    ("Progress", "integer", ".status.progress.percent", 0),
    ("Ranges", "integer", ".status.progress.rangesTotal", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Message", "string", ".status.message", 1),
)


def custom_resource_definition() -> dict[str, Any]:
    """The CRD as it is applied."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["mosaic", "mosaics"],
            },
            "versions": [_version(version) for version in VERSIONS],
        },
    }


@cache
def spec_schema() -> dict[str, Any]:
    """The structural schema of spec, without the rules on changes."""
    return _structural(_part(MosaicRequest, "spec"))


def _version(version: ApiVersion) -> dict[str, Any]:
    return {
        "name": version.name,
        "served": version.served,
        "storage": version.storage,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {"name": name, "type": kind, "jsonPath": path, "priority": priority}
            for name, kind, path, priority in COLUMNS
        ],
        "schema": {"openAPIV3Schema": _schema(version.request)},
    }


def _schema(request: type[BaseModel]) -> dict[str, Any]:
    spec = _structural(_part(request, "spec"))
    spec[RULES] += [_unchanged(name) for name in spec["properties"] if name != "execution"]
    execution = spec["properties"]["execution"]
    execution[RULES] = [
        *(_unchanged(name) for name in execution["properties"] if name not in CHANGEABLE),
        {"rule": "!oldSelf.cancel || self.cancel", "message": "this cannot be undone", "fieldPath": ".cancel"},
    ]
    status = _structural(_part(request, "status"))
    status["default"] = {"conditions": [UNSEEN]}
    status["properties"]["conditions"] |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
    name = _structural(Metadata)["properties"]["name"]
    named = [  # a rule of the whole object, because the API server only documents rules there about its metadata
        rule | {"rule": rule["rule"].replace("self.", "self.metadata.name."), "fieldPath": ".metadata.name"}
        for rule in name.pop(RULES)
    ]
    return {
        "description": cleandoc(request.__doc__ or ""),
        "type": "object",
        "required": ["spec"],
        RULES: named,
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "properties": {"name": name}},
            "spec": spec,
            "status": status,
        },
    }


def _part(request: type[BaseModel], field: str) -> type[BaseModel]:
    """The model of a field of a request, which may be optional."""
    annotation = request.model_fields[field].annotation
    found: type[BaseModel] = (get_args(annotation) or (annotation,))[0]
    return found


def _structural(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True)
    return structural(schema, schema.get("$defs", {}))


def _unchanged(name: str) -> dict[str, str]:
    same = f"(!has(self.{name}) || self.{name} == oldSelf.{name})"
    return {
        "rule": f"has(self.{name}) == has(oldSelf.{name}) && {same}",
        "message": "it cannot be changed; delete the request and apply it again",
        "fieldPath": f".{name}",
    }
