"""Commands that the chart's notes and the docs print for users."""

import subprocess
import textwrap
from itertools import groupby

from support.cluster.cluster import Release


def blocks(text: str, indent: str) -> list[str]:
    """The indented paragraphs of a text, without their indentation."""
    groups = groupby(text.splitlines(), key=lambda line: line.startswith(indent))
    return [textwrap.dedent("\n".join(lines)) for indented, lines in groups if indented]


def notes(release: Release) -> list[str]:
    """The commands that Helm prints after the installation."""
    result = subprocess.run(
        ["helm", "get", "notes", release.name, "--namespace", release.namespace],
        check=True,
        capture_output=True,
        text=True,
    )
    return blocks(result.stdout, "  ")
