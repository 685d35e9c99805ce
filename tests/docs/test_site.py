"""The site builds without a warning, and what it shows is what is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from tracker.commands.main import COMMANDS

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).resolve().parents[2]
CONFIG = CHECKOUT / "tools/site/mkdocs.yml"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    pytest.importorskip("material", reason="needs mkdocs-material")
    pytest.importorskip("mkdocstrings", reason="needs mkdocstrings")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-f", str(CONFIG), "-d", str(folder)],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    return folder


def test_every_link_of_the_built_pages_leads_somewhere(site: Path) -> None:
    texts = {path: path.read_text("utf-8") for path in site.rglob("*.html") if path.name != "404.html"}
    anchors = {path: set(re.findall(r'\b(?:id|name)="([^"]+)"', text)) for path, text in texts.items()}
    broken = []
    for path, text in texts.items():
        for target in re.findall(r'\b(?:href|src)="([^"]*)"', text):
            if re.match(r"[a-z]+:|//", target):
                continue
            name, _, anchor = unquote(target).partition("#")
            meant = (path.parent / name).resolve() if name else path
            meant = meant / "index.html" if meant.is_dir() else meant
            is_there = meant.is_file() and (
                not anchor or anchor in anchors.get(meant, {anchor}) or anchor.startswith("__")
            )
            if not is_there:
                broken.append(f"{path.relative_to(site)}: {target}")
    assert broken == []


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    fetched = re.compile(r'<(?:script|link rel="stylesheet"|img|video|iframe)\b[^>]*\b(?:src|href)="(https?:[^"]+)"')
    assert {url for path in site.rglob("*.html") for url in fetched.findall(path.read_text("utf-8"))} == set()


def test_every_page_is_in_the_navigation() -> None:
    text = re.sub(r"!![\w/:.]+", "", CONFIG.read_text("utf-8"))
    named = set(re.findall(r"[\w/.-]+\.md", yaml.safe_dump(yaml.safe_load(text)["nav"])))
    pages = {str(path.relative_to(CHECKOUT / "docs")) for path in (CHECKOUT / "docs").rglob("*.md")}
    assert pages - named == set()


def test_the_page_of_commands_has_every_option(site: Path) -> None:
    text = (site / "reference/commands.html").read_text("utf-8")
    assert {name for name in COMMANDS if f'id="{name}"' not in text} == set()
    for option in ("--seq TEXT ...", "--embed-when always|ambiguous", "--camera-motion ecc|sparse", "--to coco|csv"):
        assert option in text


def test_docstrings_notebook_and_presets_are_shown(site: Path) -> None:
    tracker = (site / "reference/tracker.html").read_text("utf-8")
    assert 'id="tracker.core.tracker.Tracker.update"' in tracker
    assert "Take in the next frame." in tracker
    assert "data:image/jpeg;base64," in (site / "notebook.html").read_text("utf-8")
    assert "max_coast" in (site / "reference/presets.html").read_text("utf-8")
