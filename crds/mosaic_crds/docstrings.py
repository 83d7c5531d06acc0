"""What the docstrings below the fields of a model say of them.

pydantic can take them over by itself, but reads the source of every model on import to do so: that was half of the time
that a worker took to import the contract, and only a schema shows them.
"""

import ast
from enum import StrEnum
from inspect import cleandoc, getsource
from itertools import pairwise
from textwrap import dedent

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


def field_docstrings(model: type) -> dict[str, str]:
    """The docstrings of a class's attributes, by name; its bases' where it has none itself."""
    found: dict[str, str] = {}
    for owner in model.__mro__:
        if owner.__module__.partition(".")[0] in {"pydantic", "enum", "builtins", "typing", "abc"}:
            continue
        body = ast.parse(dedent(getsource(owner))).body[0]
        if not isinstance(body, ast.ClassDef):
            raise TypeError(f"{owner} is not the class that its source shows")
        for field, after in pairwise(body.body):
            match field, after:
                case (
                    ast.AnnAssign(target=ast.Name(name)) | ast.Assign(targets=[ast.Name(name)]),
                    ast.Expr(ast.Constant(str(text))),
                ):
                    found.setdefault(name, cleandoc(text))
    return found


class DocumentedEnum(StrEnum):
    """An enumeration whose members' docstrings are its description in schemas."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core))
        schema["description"] = " ".join(field_docstrings(cls).values())
        return schema
