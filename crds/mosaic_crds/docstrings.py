"""What the docstrings below the fields of a model say of them.

pydantic can take them over by itself, but reads the source of every model on import to do so: that was half of the time
that a worker took to import the contract, and only a schema shows them.
"""

import ast
from inspect import cleandoc, getsource
from itertools import pairwise
from textwrap import dedent


def field_docstrings(model: type) -> dict[str, str]:
    """The docstrings of a class's attributes, by name; its bases' where it says nothing itself."""
    found: dict[str, str] = {}
    for owner in model.__mro__:
        if "__annotations__" not in vars(owner) or owner.__module__.startswith("pydantic"):
            continue
        body = ast.parse(dedent(getsource(owner))).body[0]
        if not isinstance(body, ast.ClassDef):
            raise TypeError(f"{owner} is not the class that its source shows")
        for field, after in pairwise(body.body):
            match field, after:
                case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                    found.setdefault(name, cleandoc(text))
    return found
