"""How Sphinx builds the site: `make docs`. The pages are plain Markdown and can also be read in the repository."""

import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent

project = "mosaic-operator"
author = "the authors of mosaic-operator"
extensions = ["myst_parser"]
exclude_patterns = ["_site", "generate.py"]
html_theme = "furo"
html_title = project
html_copy_source = False
html_show_sphinx = False
myst_heading_anchors = 4
# Shell commands, YAML and tables of messages are indented or fenced without a language.
highlight_language = "none"
nitpicky = True


def _listed(text: str, folder: Path) -> str:
    """The tables of contents of a page that lists others: one per heading, with the pages that it links to."""
    contents, caption, pages = "", "", []
    for line in [*text.splitlines(), "## "]:
        if line.startswith("## "):
            if pages:
                title = f":caption: {caption}\n" if caption else ""
                contents += "\n```{toctree}\n:hidden:\n" + title + "\n".join(["", *pages]) + "\n```\n"
            caption, pages = line[3:], []
        found = re.findall(r"\]\((?!\.\./)([\w./-]+)\.md\)", line) if line.startswith(("- ", "| ")) else []
        pages += [page for page in found if page not in pages and (folder / f"{page}.md").exists()]
    return contents


def _add_contents(_app: Any, page: str, source: list[str]) -> None:
    if page == "index" or page.endswith("/README"):
        source[0] += _listed(source[0], (DOCS / page).parent)


def setup(app: Any) -> None:
    """Add tables of contents to the pages that list others."""
    app.connect("source-read", _add_contents)
