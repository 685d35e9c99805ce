"""Pages: escaped, complete, in the reader's light, never wider than the screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import pytest

from tracker.errors import InputError
from tracker.output.pages import render as rendering
from tracker.output.pages.render import clock, identity, render, write_page
from tracker.output.palette import css_colour

if TYPE_CHECKING:
    from playwright.sync_api import Browser

EVIL = "<script>alert(1)</script>&\"'"
PAGE = """{% extends "base.html" %}
{% block content %}
<section class="card"><h2>{{ name }}</h2>
<div class="scroll"><table><tr>{% for number in range(60) %}<td>column{{ number }}</td>{% endfor %}</tr></table></div>
<p>{{ 12 | identity }} {{ 83.4 | clock }} {{ "word" * 80 }}</p><button>Press</button></section>
{% endblock %}
{% block script %}window.given = {{ name | script }};{% endblock %}
"""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A page of its own template, written to a file."""
    base = rendering.TEMPLATES
    (tmp_path / "templates").mkdir()
    for part in ("base.html", "style.css"):
        (tmp_path / "templates" / part).write_text((base / part).read_text("utf-8"), "utf-8")
    (tmp_path / "templates" / "page.html").write_text(PAGE, "utf-8")
    monkeypatch.setattr(rendering, "TEMPLATES", tmp_path / "templates")
    rendering._environment.cache_clear()
    write_page(tmp_path / "page.html", "page.html", title="A <title>", name=EVIL)
    yield tmp_path / "page.html"
    rendering._environment.cache_clear()


def test_what_is_given_is_escaped(page: Path) -> None:
    text = page.read_text("utf-8")
    assert "<title>A &lt;title&gt;</title>" in text
    assert "alert(1)</script>" not in text
    assert "1:23" in text
    assert css_colour(12) in text


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError, match="title"):
        render("base.html")


def test_without_jinja_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedding.extras.is_installed", lambda package: False)
    with pytest.raises(InputError, match=r"needs jinja2, .*flatsort\[report\]"):
        render("base.html", title="")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0:00"), (59.99, "0:59"), (60, "1:00"), (3599, "59:59"), (3600, "1:00:00"), (36061, "10:01:01")],
)
def test_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_an_identity_is_a_number_on_its_colour() -> None:
    assert identity(3) == f'<b class="id" style="background:{css_colour(3)};color:#000000">3</b>'


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_a_page_in_the_browser(browser: Browser, page: Path, scheme: str, width: int) -> None:
    shown = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    errors: list[str] = []
    shown.on("console", lambda message: errors.append(message.text))
    shown.on("pageerror", lambda error: errors.append(str(error)))
    shown.goto(page.as_uri())
    assert shown.evaluate("window.given") == EVIL
    assert shown.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    paper = shown.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (max(int(part) for part in paper[4:-1].split(",")) < 60) == (scheme == "dark")
    shown.keyboard.press("Tab")
    assert shown.evaluate("document.activeElement.className") == "skip"
    shown.keyboard.press("Tab")
    assert shown.evaluate("getComputedStyle(document.activeElement).outlineWidth") == "3px"
    assert not errors
    shown.close()
