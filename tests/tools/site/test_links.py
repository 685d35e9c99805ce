"""Links for readers without the checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.site.links import for_pypi, with_targets

CHECKOUT = Path(__file__).resolve().parents[3]
TEXT = "![a picture](docs/a.png) [b](docs/b.md#c), [d](https://e.f) [g](#h) [`i`](j.md) `x[0](1)`"


def test_links_are_led_to_the_repository() -> None:
    assert for_pypi(TEXT, "https://host/o/r/", "1.2") == (
        "![a picture](https://host/o/r/raw/v1.2/docs/a.png) [b](https://host/o/r/blob/v1.2/docs/b.md#c), "
        "[d](https://e.f) [g](#h) [`i`](https://host/o/r/blob/v1.2/j.md) `x[0](1)`"
    )


def test_without_a_repository_they_are_text() -> None:
    assert for_pypi(TEXT, None, "1.2") == " b, [d](https://e.f) [g](#h) `i` `x[0](1)`"


def test_a_picture_within_a_link_stays_one_link() -> None:
    assert with_targets("[![a](b.png)](c.md)", lambda target, is_image: f"/{target}") == "[![a](/b.png)](/c.md)"


def test_the_wheel_s_description_has_no_relative_link() -> None:
    command = [sys.executable, "setup.py", "-q", "--long-description"]
    text = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    assert text.startswith("# FlatSORT\n")
    assert with_targets(text, lambda target, is_image: "RELATIVE").count("RELATIVE") == 0
