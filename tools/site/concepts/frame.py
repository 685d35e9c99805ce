"""One frame through the tracker, as boxes and arrows; the rounds are those of the preset `flatsort`."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from tools.paper.pyplot import pyplot
from tools.site.concepts.style import Scheme
from tracker.core.config import load_config

ROUNDS = {  # (match, tracks' or detections' rule) -> what a reader calls it
    ("appearance", "any"): "who looks alike,\ntracks seen\nlast first",
    ("iou", "appearance"): "who is where\na track was\na frame ago",
    ("iou", "motion"): "without looks:\noverlap at\nany age",
    ("iou", "low"): "doubtful\ndetections keep\ntracks alive",
}


def rounds() -> list[str]:
    """The preset's rounds of assignment in a reader's words, in their order."""
    named = []
    for stage in load_config("flatsort").stages:
        rule = "low" if stage.detections == "low" else (stage.when or "any")
        named.append(ROUNDS[stage.match, "any" if stage.match == "appearance" else rule])
    return named


def draw(scheme: Scheme) -> Figure:
    """Detections and tracks on the left, the rounds in the middle, what comes out on the right."""
    figure, axes = pyplot.subplots(figsize=(9.4, 3.1))
    axes.set(xlim=(0, 94), ylim=(0, 31))
    axes.axis("off")
    figure.subplots_adjust(0, 0, 1, 1)
    _box(axes, 0.5, 19.5, 15, 9.5, "detections\nboxes, scores, looks", scheme.second, scheme)
    _box(axes, 0.5, 2, 15, 9.5, "tracks\npredicted by the\nKalman filter", scheme.first, scheme)
    names = rounds()
    width, gap, left = 13.0, 1.6, 19.5
    for number, name in enumerate(names):
        x = left + number * (width + gap)
        _box(axes, x, 9.5, width, 12, f"{number + 1}\n{name}", scheme.faint, scheme, filled=False)
        if number:
            _arrow(axes, (x - gap, 15.5), (x, 15.5), scheme)
    right = left + len(names) * (width + gap) + 1
    _arrow(axes, (15.5, 24), (left, 18.5), scheme)
    _arrow(axes, (15.5, 7), (left, 12.5), scheme)
    middle = left + (len(names) * (width + gap) - gap) / 2
    axes.text(middle, 24.5, "each round is one assignment over what is left", ha="center", color=scheme.ink, fontsize=9)
    axes.text(
        middle,
        5.5,
        "a pair must pass two gates: where the filter can believe it, and how far looks may be apart",
        ha="center",
        color=scheme.ink,
        fontsize=9,
    )
    results = (
        ("matched", "filter and looks updated"),
        ("detection left", "a tentative track"),
        ("track left", "waits"),
    )
    for row, (name, what) in enumerate(results):
        y = 21.5 - row * 9
        _box(axes, right, y, 93.5 - right, 7.5, f"{name}\n{what}", scheme.first, scheme, size=8.2)
        _arrow(axes, (right - 2.6, 15.5), (right, y + 3.75), scheme)
    return figure


def _box(
    axes: Axes,
    x: float,
    y: float,
    width: float,
    height: float,
    text: str,
    colour: str,
    scheme: Scheme,
    filled: bool = True,
    size: float = 8.8,
) -> None:
    patch = FancyBboxPatch(
        (x + 0.6, y + 0.6),
        width - 1.2,
        height - 1.2,
        boxstyle="round,pad=0.6",
        linewidth=1.3,
        edgecolor=colour,
        facecolor=(colour + "22") if filled else "none",
    )
    axes.add_patch(patch)
    axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", color=scheme.ink, fontsize=size)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], scheme: Scheme) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": scheme.ink, "lw": 1.1, "shrinkA": 1})
