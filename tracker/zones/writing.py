"""Counts as files: a CSV of events for analysts, a row each, and a JSON of totals and of what happened when."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import IO, Any

import numpy as np

from embedding.files import atomic_path
from tracker.errors import InputError
from tracker.zones.counting import ZoneCounter
from tracker.zones.crossings import Crossings
from tracker.zones.reading import PROPERTIES
from tracker.zones.shapes import Place

SUFFIXES = (".json", ".csv")
COLUMNS = ("frame", "seconds", "place", "id", "class", "class_name", "event", "dwell")
EVENTS = {("line", True): "in", ("line", False): "out", ("zone", True): "enter", ("zone", False): "leave"}

Names = Mapping[int, str]  # of classes


def event_rows(counter: ZoneCounter, crossings: Crossings, class_names: Names) -> Iterator[tuple[object, ...]]:
    """The rows of `COLUMNS`; what nobody knows is empty."""
    seconds = counter.times.seconds(crossings.frames)
    shown = [""] * len(crossings) if seconds is None else [f"{second:.3f}" for second in seconds.tolist()]
    stays = counter.stays(crossings)
    digits = 3 if counter.times.unit == "seconds" else 0
    for row, stay in enumerate(stays.tolist()):
        place, kind = counter.places[int(crossings.places[row])], int(crossings.class_ids[row])
        yield (
            int(crossings.frames[row]),
            shown[row],
            place.name,
            int(crossings.ids[row]),
            kind,
            class_names.get(kind, ""),
            EVENTS[place.kind, bool(crossings.into[row])],
            "" if np.isnan(stay) else f"{stay:.{digits}f}",
        )


def write_events(file: IO[str], rows: Iterable[tuple[object, ...]], header: bool = False) -> None:
    """Add rows of events to an open file."""
    writer = csv.writer(file, lineterminator="\n")
    if header:
        writer.writerow(COLUMNS)
    writer.writerows(rows)


def summary(counter: ZoneCounter, name: str, class_names: Names, events: Crossings | None = None) -> dict[str, Any]:
    """Totals, what happened when, and, of a recording, each identity's stays.

    Args:
        counter: after `finish`.
        name: of the sequence.
        events: all of them; None of a stream, whose identities have no end.
    """
    return {
        "sequence": name,
        "frames": counter.last,
        "frame_rate": counter.times.rate,
        "unit": counter.times.unit,
        "lines": [_line(counter, row, class_names) for row in _rows(counter, "line")],
        "zones": [_zone(counter, row, class_names, events) for row in _rows(counter, "zone")],
        "over_time": _over_time(counter),
        "identities": None if events is None else _identities(counter, events, class_names),
    }


def write_summary(path: Path, content: Mapping[str, Any]) -> None:
    """Write it, whole or not at all.

    Raises:
        InputError: nothing can be written there.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def lines_about(content: Mapping[str, Any]) -> Iterator[str]:
    """For people: a line about each line and zone of a summary.

    Args:
        content: of `summary`.
    """
    short = "s" if content["unit"] == "seconds" else "frames"
    for line in content["lines"]:
        yield f"line {line['name']!r}: {line['in']} in, {line['out']} out{_by_class(line, 'in', 'out')}"
    for zone in content["zones"]:
        dwell = zone["dwell"]
        stayed = f", on average {dwell['mean']:.1f} {short}, {dwell['longest']:.1f} at most" if dwell["visits"] else ""
        most = f"{zone['most_inside']} inside at most, {zone['inside_at_end']} at the end"
        yield f"zone {zone['name']!r}: {zone['entries']} entries{stayed}; {most}{_by_class(zone, 'entries', 'exits')}"


def _by_class(entry: Mapping[str, Any], first: str, second: str) -> str:
    """` (car 3/1, person 4/2)` where there are several classes."""
    kinds = entry["per_class"]
    if len(kinds) < 2:
        return ""
    return f" ({', '.join(f'{kind} {counts[first]}/{counts[second]}' for kind, counts in kinds.items())})"


def _rows(counter: ZoneCounter, kind: str) -> list[int]:
    return [row for row, place in enumerate(counter.places) if place.kind == kind]


def _line(counter: ZoneCounter, row: int, class_names: Names) -> dict[str, Any]:
    place, totals = counter.places[row], counter.totals
    return {
        "name": place.name,
        "in": totals.of(row, into=True),
        "out": totals.of(row, into=False),
        "per_class": _per_class(counter, row, class_names, "in", "out"),
        **_drawn(place),
    }


def _zone(counter: ZoneCounter, row: int, class_names: Names, events: Crossings | None) -> dict[str, Any]:
    place, totals = counter.places[row], counter.totals
    visits = int(totals.visits[row])
    stays = np.zeros(0) if events is None else counter.stays(events)[(events.places == row) & ~events.into]
    most, looked = counter.timeline.most_inside[row], counter.looked_at()
    mean = counter.timeline.mean_inside(looked)[row]
    return {
        "name": place.name,
        "entries": totals.of(row, into=True),
        "exits": totals.of(row, into=False),
        "inside_at_end": int(np.count_nonzero(counter.still_inside().places == row)),
        "most_inside": int(most.max(initial=0)),
        "mean_inside": round(float((mean * looked).sum() / max(looked.sum(), 1)), 4),
        "dwell": {
            "visits": visits,
            "mean": round(float(totals.stayed[row]) / visits, 3) if visits else None,
            "median": round(float(np.median(stays)), 3) if len(stays) else None,
            "longest": round(float(totals.longest[row]), 3) if visits else None,
        },
        "per_class": _per_class(counter, row, class_names, "entries", "exits"),
        **_drawn(place),
    }


def _drawn(place: Place) -> dict[str, Any]:
    """What was counted at, so that a result says it by itself."""
    return {"points": [list(point) for point in place.points], "anchors": list(place.anchors)}


def _per_class(counter: ZoneCounter, row: int, class_names: Names, first: str, second: str) -> dict[str, Any]:
    into, out = counter.totals.into, counter.totals.out
    kinds = sorted({kind for counts in (into, out) for place, kind in counts if place == row})
    return {
        _class_title(kind, class_names): {first: into.get((row, kind), 0), second: out.get((row, kind), 0)}
        for kind in kinds
    }


def _class_title(kind: int, class_names: Names) -> str:
    return class_names.get(kind) or ("unknown" if kind < 0 else str(kind))


def _over_time(counter: ZoneCounter) -> dict[str, Any]:
    """Columns of steps; each list has one number a step."""
    timeline, starts = counter.timeline, counter.timeline.starts()
    seconds = None if counter.times.rate is None else np.round((starts - 1) / counter.times.rate, 3)
    mean = np.round(timeline.mean_inside(counter.looked_at()), 3)
    return {
        "step_frames": timeline.width,
        "start_frame": starts.tolist(),
        "start_seconds": None if seconds is None else seconds.tolist(),
        "lines": {
            counter.places[row].name: {"in": timeline.into[row].tolist(), "out": timeline.out[row].tolist()}
            for row in _rows(counter, "line")
        },
        "zones": {
            counter.places[row].name: {
                "mean_inside": mean[row].tolist(),
                "most_inside": timeline.most_inside[row].tolist(),
                "entries": timeline.into[row].tolist(),
                "exits": timeline.out[row].tolist(),
            }
            for row in _rows(counter, "zone")
        },
    }


def _identities(counter: ZoneCounter, events: Crossings, class_names: Names) -> list[dict[str, Any]]:
    """Each identity's stays in each zone; the one that goes on at the end is counted up to it."""
    still = counter.still_inside()
    both = Crossings.concatenate([events, still])
    over = np.flatnonzero(counter.is_zone[both.places] & ~both.into)
    stays = counter.times.between(both.since[over], both.frames[over])
    order = np.lexsort((both.frames[over], both.ids[over], both.places[over]))
    now = set(zip(still.places.tolist(), still.ids.tolist(), strict=True))
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for row, stay in zip(over[order].tolist(), stays[order].tolist(), strict=True):
        key = int(both.places[row]), int(both.ids[row])
        entry = found.setdefault(
            key,
            {
                "zone": counter.places[key[0]].name,
                "id": key[1],
                "class": _class_title(int(both.class_ids[row]), class_names),
                "dwell": 0.0,
                "stays": [],
                "inside_at_end": key in now,
            },
        )
        entry["stays"].append(round(stay, 3))
        entry["dwell"] = round(sum(entry["stays"]), 3)
    return list(found.values())


def as_geojson(places: Sequence[Place]) -> dict[str, Any]:
    """Lines and zones as `read_zones` reads them.

    Example:
        >>> from tracker.zones import Line
        >>> as_geojson([Line("door", (0, 10), (90, 10))])["features"][0]["geometry"]
        {'type': 'LineString', 'coordinates': [[0, 10], [90, 10]]}
    """
    return {"type": "FeatureCollection", "features": [_feature(place) for place in places]}


def _feature(place: Place) -> dict[str, Any]:
    usual = {field.name: field.default for field in fields(place)}
    told = {key: getattr(place, key) for key in PROPERTIES if key in usual}
    properties = {key: value for key, value in told.items() if value != usual[key]}
    points = [[_whole(x), _whole(y)] for x, y in place.points]
    geometry = (
        {"type": "LineString", "coordinates": points}
        if place.kind == "line"
        else {"type": "Polygon", "coordinates": [[*points, points[0]]]}
    )
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def _whole(number: float) -> float:
    return int(number) if number == int(number) else number


def require_suffix(option: str, path: Path) -> None:
    """InputError where a name says neither of the formats."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{option} {path}: expected a name that ends in {' or '.join(SUFFIXES)}")
