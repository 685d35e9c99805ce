"""How the pictures look: each is drawn twice, for light and for dark pages, without a background."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from embedding.files import atomic_path
from tools.paper.pyplot import pyplot


@dataclass(frozen=True)
class Scheme:
    """Colours of a page."""

    name: str
    ink: str
    faint: str
    paper: str  # behind what must be covered
    first: str  # one thing
    second: str  # the other
    third: str
    fourth: str


SCHEMES = (
    Scheme("light", "#263238", "#b0bec5", "#ffffff", "#12707f", "#c2571a", "#6d5bb0", "#3c8d40"),
    Scheme("dark", "#dfe7ea", "#5a6a72", "#1c2427", "#5ec3d2", "#ffb547", "#b3a4f0", "#86d08a"),
)
PEOPLE = ("#3b78b5", "#e08a3c", "#4c9f70", "#c9504b", "#8c6bb1", "#a07a5b", "#d57fb5", "#8a8f98", "#b5b23f", "#46b0bf")

Draw = Callable[[Scheme], Figure]


def draw_for_both(draw: Draw, folder: Path, name: str) -> list[Path]:
    """Write FOLDER/NAME-light.svg and -dark.svg, each whole or not at all."""
    written = []
    for scheme in SCHEMES:
        with _style(scheme):
            figure = draw(scheme)
            path = folder / f"{name}-{scheme.name}.svg"
            with atomic_path(path) as temporary:
                figure.savefig(temporary, format="svg", transparent=True, dpi=110, metadata={"Date": None})
            pyplot.close(figure)
        written.append(path)
    return written


@contextmanager
def _style(scheme: Scheme) -> Iterator[None]:
    settings: Any = {
        "font.size": 9.5,
        "font.family": "DejaVu Sans",
        "svg.fonttype": "path",  # a page has no Matplotlib fonts
        "svg.hashsalt": "flatsort",  # the same picture is the same file
        "text.color": scheme.ink,
        "axes.labelcolor": scheme.ink,
        "axes.edgecolor": scheme.faint,
        "axes.titlesize": 10.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.color": scheme.ink,
        "ytick.color": scheme.ink,
        "legend.frameon": False,
    }
    with pyplot.rc_context(settings):
        yield
