"""Tables of generated pages."""

import re


def cell(text: object) -> str:
    """Text in a cell of a table."""
    return re.sub(r"\s+", " ", str(text)).replace("|", "\\|").strip()


def row(*cells: object) -> str:
    """A row of a table."""
    return f"| {' | '.join(cell(each) for each in cells)} |\n"


def table(*header: str) -> str:
    """The header of a table."""
    return "\n" + row(*header) + "|" + "---|" * len(header) + "\n"
