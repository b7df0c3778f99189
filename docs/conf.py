"""How Sphinx builds docs/ into a site; `make docs` runs it. The pages are plain Markdown and read on GitHub as well."""

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from tudui import __version__

project = "Tudui"
version = release = __version__

extensions = ["myst_nb"]
exclude_patterns = ["_build"]
highlight_language = "text"
smartquotes = False  # -- is a flag, not a dash
myst_heading_anchors = 3
nb_execution_mode = "off"  # the notebook is shown as it was saved

html_theme = "furo"
html_title = "Tudui"
html_show_sphinx = html_show_copyright = False
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["tudui.css"]
linkcheck_timeout = 20


def _language(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: object) -> None:
    """Tell browsers the language of a page named NAME.LANGUAGE.md: it decides which shapes Han characters get."""
    if language := Path(page).suffix:
        context["language"] = language.removeprefix(".")


def _links(app: Sphinx, page: str, source: list[str]) -> None:
    """Lead links to ../SECURITY.md and the like to the copies inside docs/; folders have no page, so no link."""

    def link(found: re.Match[str]) -> str:
        text, target = found.groups()
        path = (Path(app.srcdir) / page).parent / target.partition("#")[0]
        if path.is_dir() and not target.startswith("#"):
            return text
        if path.suffix == ".md" and path.parent.resolve() == Path(app.srcdir).parent:
            return f"[{text}](/generated/{target.rpartition('/')[2]})"
        return found[0]

    source[0] = re.sub(r"\[([^\]]+)\]\(([^)\s:]+)\)", link, source[0])


def setup(app: Sphinx) -> None:
    """Register the hooks."""
    app.connect("html-page-context", _language)
    app.connect("source-read", _links)
