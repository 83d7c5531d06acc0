"""Reads a YAML or JSON document as Kubernetes does, without the dangerous features of YAML."""

import re
from collections.abc import Hashable
from typing import Any

import yaml

from mosaic_crds.errors import RequestError

LARGEST_REQUEST = 2**20
"""Bytes; etcd limits objects to 1.5 MiB."""


class _Loader(yaml.SafeLoader):
    """YAML in which times stay text and 1e-6 is a number, without aliases and duplicate fields."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse aliases: nested aliases expand a small text to a huge document."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not allowed in a request")
        node: yaml.Node | None = super().compose_node(parent, index)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse duplicate fields, of which only the last would count."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.MarkedYAMLError(problem=f"{key.value} is given twice", problem_mark=key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def read_document(text: str, where: str) -> dict[Any, Any]:
    """The mapping in a YAML or JSON text.

    Args:
        text: the text.
        where: the name of its file or variable, for messages.

    Raises:
        RequestError: it does not contain exactly one.
    """
    if len(text.encode(errors="replace")) > LARGEST_REQUEST:
        raise RequestError(f"{where} is larger than 1 MiB, the limit of a MosaicRequest")
    try:
        document = yaml.load(text, _Loader)  # noqa: S506 (a safe loader, restricted further)
    except yaml.MarkedYAMLError as error:
        if error.problem == "but found another document":
            raise RequestError(f"{where} has several documents; put each MosaicRequest into its own file") from None
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise RequestError(f"{where} is neither YAML nor JSON ({line}{error.problem})") from None
    except yaml.reader.ReaderError:
        raise RequestError(f"{where} is neither YAML nor JSON (it contains binary data)") from None
    except yaml.YAMLError as error:
        raise RequestError(f"{where}: {error}") from None
    except RecursionError:
        raise RequestError(f"{where} is nested too deeply for a MosaicRequest") from None
    except ValueError:
        raise RequestError(f"{where} contains a number with too many digits") from None
    if not isinstance(document, dict):
        found = "is empty" if document is None else "is not a mapping of fields"
        raise RequestError(f"{where} {found}; a MosaicRequest has apiVersion, kind, metadata and spec")
    return document
