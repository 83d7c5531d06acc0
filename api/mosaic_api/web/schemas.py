"""The base of all REST schemas, and types that they share."""

from dataclasses import dataclass
from typing import Annotated, Any, Self

from mosaic_crds.area import Area as AreaOfContract
from mosaic_crds.minus import Minus as MinusOfContract
from mosaic_crds.source import Source as SourceOfContract
from mosaic_crds.spec import MosaicRequestSpec
from mosaic_crds.status import MosaicRequestStatus
from pydantic import BaseModel, BeforeValidator, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class ApiModel(BaseModel):
    """A JSON document of the REST API; docstrings of fields are their descriptions in OpenAPI."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    @classmethod
    def from_row(cls, row: object, **others: Any) -> Self:
        """A row as JSON: its columns, except `others`."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields if name not in others}, **others)


@dataclass(frozen=True)
class _DescribedAs:
    """Describes JSON as a model without validating it: the contract's own check has better messages."""

    model: type[BaseModel]

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(self.model.__pydantic_core_schema__)


def _without_fraction(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


INTEGRAL = BeforeValidator(_without_fraction)
"""For strict integers: JSON does not distinguish 1.0 from 1. Without strict, texts and truth values would pass."""
NO_NUL = r"^[^\x00]*$"
"""Pattern of text that PostgreSQL can store."""
Spec = Annotated[dict[str, Any], _DescribedAs(MosaicRequestSpec)]
"""The spec of a MosaicRequest."""
Status = Annotated[dict[str, Any], _DescribedAs(MosaicRequestStatus)]
Source = Annotated[dict[str, Any], _DescribedAs(SourceOfContract)]
Minus = Annotated[dict[str, Any], _DescribedAs(MinusOfContract)]
Area = Annotated[dict[str, Any], _DescribedAs(AreaOfContract)]
