"""What MkDocs calls: pages that lie outside docs/ come in, and links between them and the others are mended.

A page is written to be read in the repository too, so its links are those of the checkout. On the site a link to a
file that is no page leads to the repository, or is mere text where `[project.urls]` of pyproject.toml names none.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tools.site.commands import all_commands
from tools.site.links import with_targets
from tools.site.notebook import notebook_page
from tools.site.settings import all_settings

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

CHECKOUT = Path(__file__).resolve().parents[2]
OUTSIDE = {  # file of the checkout -> page of the site
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "index.md",
    "embedding/weights/README.md": "models.md",
    "tracker/input/detection/weights/README.md": "detector-card.md",
}
ALONE = ("index.md", "start.md", "gallery.md", "notebook.md")  # pages without others beside them
MADE = {"<!-- commands -->": all_commands, "<!-- settings -->": all_settings}  # what pages are filled with
NOTEBOOK = re.compile(r"^<!-- notebook (.+) -->$", re.MULTILINE)
INCLUDED = re.compile(r'^--8<-- "(.+)"$', re.MULTILINE)  # a file of the checkout, shown whole


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Take the repository's address from the one place that has it."""
    config.repo_url = config.repo_url or repository()
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Bring in the pages that lie elsewhere."""
    from mkdocs.structure.files import File

    present = files.src_uris
    for source, page in OUTSIDE.items():
        if page not in present:
            files.append(File.generated(config, page, content=(CHECKOUT / source).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Mend the links of a page, and put in the files that it shows."""
    if page.file.src_uri in ALONE:
        page.meta["hide"] = ["navigation", "toc"] if page.file.src_uri == "index.md" else ["navigation"]
    markdown = INCLUDED.sub(lambda found: (CHECKOUT / found[1]).read_text("utf-8").rstrip(), markdown)
    markdown = NOTEBOOK.sub(lambda found: notebook_page(CHECKOUT / found[1]), markdown)
    for mark, made in MADE.items():
        if mark in markdown:
            markdown = markdown.replace(mark, made())
    here = page.file.src_uri
    source = {site: path for path, site in OUTSIDE.items() if site != "index.md"}.get(here, f"docs/{here}")

    def find(target: str, is_image: bool) -> str | None:
        path, _, anchor = target.partition("#")
        meant = posixpath.normpath(posixpath.join(posixpath.dirname(source), path)) if path else source
        if (CHECKOUT / meant).is_dir() and (CHECKOUT / meant / "README.md").is_file():
            meant += "/README.md"
        on_site = OUTSIDE.get(meant) or (meant.removeprefix("docs/") if meant.startswith("docs/") else None)
        if on_site is None:
            return f"{config.repo_url.rstrip('/')}/blob/main/{meant}" if config.repo_url else None
        relative = posixpath.relpath(on_site, posixpath.dirname(here) or ".")
        return f"{relative}#{anchor}" if anchor else relative

    return with_targets(markdown, find)


def repository() -> str | None:
    """`[project.urls] Repository` of pyproject.toml; None until the project has one."""
    found = re.search(r'^Repository = "(.+)"', (CHECKOUT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    return found[1] if found else None
