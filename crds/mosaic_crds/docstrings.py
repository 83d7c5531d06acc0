"""Reads the docstrings below the fields of a model.

pydantic can do this too, but then it reads the source of every model on import. That took half of the time in which a
worker imports the contract, and only schemas need the docstrings.
"""

import ast
from enum import StrEnum
from inspect import cleandoc, getsource
from itertools import pairwise
from textwrap import dedent
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema


def field_docstrings(model: type) -> dict[str, str]:
    """The docstrings of the attributes of a class, also inherited ones, by name."""
    found: dict[str, str] = {}
    for owner in model.__mro__:
        if owner.__module__.partition(".")[0] in {"pydantic", "enum", "builtins", "typing", "abc"}:
            continue
        body = ast.parse(dedent(getsource(owner))).body[0]
        if not isinstance(body, ast.ClassDef):
            raise TypeError(f"{owner} is not the class in its source")
        for field, after in pairwise(body.body):
            match field, after:
                case (
                    ast.AnnAssign(target=ast.Name(name)) | ast.Assign(targets=[ast.Name(name)]),
                    ast.Expr(ast.Constant(str(text))),
                ):
                    found.setdefault(name, cleandoc(text))
    return found


class DocumentedEnum(StrEnum):
    """An enumeration that schemas describe with the docstrings of its members."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: "CoreSchema", handler: "GetJsonSchemaHandler") -> "JsonSchemaValue":
        schema = handler.resolve_ref_schema(handler(core))
        schema["description"] = " ".join(field_docstrings(cls).values())
        return schema
