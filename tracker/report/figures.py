"""The report's drawings: Matplotlib's SVG inside the page, in the page's own colours.

Such a drawing has 5 to 20 kB, needs no program in the page, prints, and follows the reader's dark or light scheme: it
is drawn in stand-in colours, which become the page's variables. Plotly, whose drawings one can point at, would bring
4.8 MB of JavaScript into each report and redraw for dark mode.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np

from tracker.core.detections import FloatArray, IntArray
from tracker.core.gate import OnlineThreshold
from tracker.footage.calibration import CalibrationReport
from tracker.footage.calibration_plot import plot_calibration
from tracker.output.pages.render import clock
from tracker.report.identities import AT_BEGINNING, AT_END, Identity

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes

# Stand-ins, which nothing else is drawn in -> the page's variables.
INK, SOFT, LINE, FIRST, SECOND = "#010203", "#020304", "#030405", "#040506", "#050607"
VARIABLES = {INK: "--ink", SOFT: "--soft", LINE: "--line", FIRST: "--first", SECOND: "--second"}

SIZE = (4.2, 2.3)  # inches; the letters are as large as the page's where the drawing is as wide as half of it
LETTERS = 9  # points
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text, in the page's font
    "font.family": "sans-serif",
    "font.size": LETTERS,
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": LINE,
    "xtick.labelcolor": SOFT,
    "ytick.color": LINE,
    "ytick.labelcolor": SOFT,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.labelcolor": INK,
}


def drawing(
    name: str, description: str, draw: Callable[[Axes], None], size: tuple[float, float] = SIZE, bare: bool = False
) -> Markup:
    """What `draw` puts into axes, as SVG to stand in a page.

    Args:
        name: a word that no other drawing of the page has; ids inside begin with it.
        description: for those who hear the page.
        size: width and height in inches.
        bare: nothing but the inside of the axes, which fills the drawing.
    """
    import matplotlib
    from markupsafe import Markup, escape
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    written = StringIO()
    settings: Any = {**STYLE, "svg.hashsalt": name}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=size, layout=None if bare else "constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_axes((0, 0, 1, 1)) if bare else figure.subplots()
        if bare:
            axes.set_axis_off()
        draw(axes)
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(written, format="svg", transparent=True, metadata=nothing)
    text = written.getvalue()
    text = text[text.index("<svg") :]
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    text = re.sub(r"font: ([\d.]+px) [^;\"]+", r"font-size: \1", text)
    text = re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2)
    return Markup(text.replace("<svg ", f'<svg role="img" aria-label="{escape(description)}" ', 1))


def counts(
    edges: FloatArray, mean: FloatArray, largest: IntArray, name: str = "counts", where: str = "in the picture"
) -> Markup:
    """How many are there over time; arguments as `numbers_present` returns them.

    Args:
        name: a word that no other drawing of the page has.
        where: they are, for those who hear the page.
    """

    def draw(axes: Axes) -> None:
        if (largest > mean).any():
            axes.stairs(largest, edges, color=SECOND, lw=1, label="most at once")
        axes.stairs(mean, edges, fill=True, color=FIRST, alpha=0.35, lw=0)
        axes.stairs(mean, edges, color=FIRST, lw=1.4, label="mean")
        _seconds_along(axes, float(edges[-1]))
        axes.set_ylim(0, 1.15 * max(float(largest.max(initial=0)), 1.0))
        _whole_numbers_up(axes)
        if (largest > mean).any():
            axes.legend(loc="lower left", bbox_to_anchor=(0, 0.99), ncols=2, borderaxespad=0, handlelength=1.4)

    most = int(largest.max(initial=0))
    return drawing(name, f"How many are {where} over time; at most {most}.", draw)


def crossings(edges: FloatArray, into: Sequence[int], out: Sequence[int], name: str, line: str) -> Markup:
    """How many have crossed a line so far, in and out.

    Args:
        edges: [T + 1] of the steps, seconds.
        into, out: [T] crossings in each.
        name: a word that no other drawing of the page has.
        line: its name, for those who hear the page.
    """
    both = (("in", into, FIRST), ("out", out, SECOND))

    def draw(axes: Axes) -> None:
        for word, crossed, colour in both:
            total = np.concatenate(([0], np.cumsum(crossed)))
            axes.step(edges, total, where="post", color=colour, lw=1.6, label=f"{word}, {total[-1]} in all")
        _seconds_along(axes, float(edges[-1]))
        axes.set_ylim(0, 1.15 * max(sum(into), sum(out), 1))
        _whole_numbers_up(axes)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 0.99), ncols=2, borderaxespad=0, handlelength=1.4)

    return drawing(name, f"Crossings of {line} so far: {sum(into)} in, {sum(out)} out.", draw)


def stays(found: Sequence[Identity]) -> Markup:
    """How long identities stayed."""
    seconds = np.array([one.stay for one in found])

    def draw(axes: Axes) -> None:
        top = float(seconds.max(initial=1.0))
        axes.hist(
            seconds, bins=np.linspace(0, top, min(24, max(6, len(seconds) // 3)) + 1).tolist(), color=FIRST, rwidth=0.92
        )
        middle = float(np.median(seconds)) if len(seconds) else 0.0
        axes.axvline(middle, color=SECOND, lw=1.4)
        axes.annotate(
            f"half stay longer than {middle:.1f} s",
            (middle, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(4 if middle < 0.55 * top else -4, 2),
            textcoords="offset points",
            ha="left" if middle < 0.55 * top else "right",
            va="bottom",
        )
        axes.set(xlim=(0, top), xlabel="seconds in the picture")
        _whole_numbers_up(axes)

    return drawing("stays", "How many identities stayed how long.", draw)


def doors(found: Sequence[Identity], size: tuple[int, int]) -> Markup:
    """Where identities appear and disappear while the recording runs, to be laid over the picture of the scene."""
    came = np.array([one.first_feet for one in found if one.came != AT_BEGINNING]).reshape(-1, 2)
    went = np.array([one.last_feet for one in found if one.went != AT_END]).reshape(-1, 2)

    def draw(axes: Axes) -> None:
        near = (0.02 * size[0], size[0] * 0.98), (0.03 * size[1], size[1] * 0.97)  # all of a mark is seen
        for points, mark, colour in ((came, "o", FIRST), (went, "X", SECOND)):
            x, y = np.clip(points[:, 0], *near[0]), np.clip(points[:, 1], *near[1])
            axes.scatter(x, y, s=110, marker=mark, c=colour, edgecolors="white", linewidths=1.2, alpha=0.9)
        axes.set(xlim=(0, size[0]), ylim=(size[1], 0))

    inches = 6.0
    return drawing(
        "doors", "Where identities appear and disappear.", draw, (inches, inches * size[1] / size[0]), bare=True
    )


def calibration(threshold: OnlineThreshold, found: CalibrationReport) -> Markup:
    """What the descriptor sees: distances of one person and of two, and the gate between them."""

    def draw(axes: Axes) -> None:
        plot_calibration(axes, threshold, found, (FIRST, SECOND, INK))
        axes.grid(visible=False)
        axes.set_ylim(0, 1.0 * axes.get_ylim()[1])
        axes.legend(loc="lower left", bbox_to_anchor=(0, 0.99), borderaxespad=0, handlelength=1.4)

    return drawing("calibration", f"Distances of the descriptor: {found.verdict}", draw, (SIZE[0], 2.9))


def _whole_numbers_up(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))


def _seconds_along(axes: Axes, length: float) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    steps = [1, 2, 5, 10] if length < 60 else [1, 1.5, 3, 6, 10]
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=steps))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda second, _: clock(second)))
    axes.set_xlim(0, max(length, 1e-6))
