"""The report's section about lines and zones: counts in a table, what happened when, who stayed how long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tracker.output.pages.render import render
from tracker.report import figures
from tracker.report.page import Section

if TYPE_CHECKING:
    from markupsafe import Markup

MOST_DRAWN = 12  # places
MOST_STAYS = 12  # identities of a zone, those that stayed longest


def zones_section(content: Mapping[str, Any]) -> Section:
    """What was counted, to stand in a report.

    Args:
        content: of `tracker.zones.writing.summary`.
    """
    body = render(
        "report_zones.html",
        lines=content["lines"],
        zones=content["zones"],
        by_class=any(len(place["per_class"]) > 1 for place in (*content["lines"], *content["zones"])),
        unit="s" if content["unit"] == "seconds" else "frames",
        drawings=_drawings(content),
        stays=[(zone["name"], _longest(content, zone["name"])) for zone in content["zones"]],
    )
    return Section("zones", "Zones and lines", body)


def _drawings(content: Mapping[str, Any]) -> list[tuple[str, Markup]]:
    """Each place's name and what happened there over time; none where nobody knows how long a frame is."""
    over_time = content["over_time"]
    if not content["frame_rate"] or not over_time["start_seconds"]:
        return []
    edges = np.append(over_time["start_seconds"], content["frames"] / content["frame_rate"])
    drawn = []
    for row, zone in enumerate(content["zones"][:MOST_DRAWN]):
        told = over_time["zones"][zone["name"]]
        mean, most = np.array(told["mean_inside"], float), np.array(told["most_inside"], np.int64)
        drawn.append((zone["name"], figures.counts(edges, mean, most, f"zone{row}", f"inside {zone['name']}")))
    for row, line in enumerate(content["lines"][: MOST_DRAWN - len(drawn)]):
        told = over_time["lines"][line["name"]]
        drawn.append((line["name"], figures.crossings(edges, told["in"], told["out"], f"line{row}", line["name"])))
    return drawn


def _longest(content: Mapping[str, Any], zone: str) -> Sequence[Mapping[str, Any]]:
    there = [one for one in content["identities"] or () if one["zone"] == zone]
    return sorted(there, key=lambda one: -one["dwell"])[:MOST_STAYS]
