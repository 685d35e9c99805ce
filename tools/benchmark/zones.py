"""Count at lines and zones in a result, with ours and with supervision's counters: what each says, and its CPU time.

python -m tools.benchmark.zones RESULT --zones zones.json
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from embedding.extras import is_installed
from tracker.core.detections import Tracks
from tracker.errors import InputError
from tracker.files.motchallenge import TrackTable, read_tracks
from tracker.zones import Line, Place, ZoneCounter, read_zones

Counted = dict[str, tuple[int, int]]  # place -> in and out of a line; frames of anybody inside a zone, most at once


def main(
    result: Annotated[Path, typer.Argument(help="Result of any tracker.", show_default=False)],
    zones: Annotated[Path, typer.Option(help="Lines and zones.")],
) -> None:
    """Compare counts and times.

    Example: python -m tools.benchmark.zones output/demo.txt --zones docs/zones/example.json
    """
    tracks, places = read_tracks(result), read_zones(zones)
    if not len(tracks):
        raise InputError(f"{result}: holds no tracks")
    if not is_installed("supervision"):
        raise InputError("supervision is not installed: pip install supervision")
    import supervision  # noqa: F401 (its import is no part of its time)

    ways: dict[str, Callable[[TrackTable, list[Place]], Counted]] = {
        "all at once": count_at_once,
        "frame by frame": count_by_frame,
        "supervision": count_by_supervision,
    }
    counted, seconds = {}, {}
    for name, count in ways.items():
        started = time.process_time()
        counted[name] = count(tracks, places)
        seconds[name] = time.process_time() - started
    table = Table(title=f"{result}: {len(tracks)} rows in {len(np.unique(tracks.frames))} frames with any")
    for column in ("place", "counts", *ways):
        table.add_column(column, justify="right" if column in ways else "left")
    for place in places:
        meaning = "in / out" if isinstance(place, Line) else "frames of anybody inside / most at once"
        table.add_row(place.name, meaning, *(" / ".join(map(str, counted[name][place.name])) for name in ways))
    table.add_row("CPU time", "seconds", *(f"{seconds[name]:.3f}" for name in ways))
    Console(width=None if Console().is_terminal else 150).print(table)
    if counted["all at once"] != counted["supervision"] or counted["frame by frame"] != counted["supervision"]:
        raise InputError("the counts differ")
    print("the counts are the same")


def count_at_once(tracks: TrackTable, places: list[Place]) -> Counted:
    """All rows in one call."""
    counter = ZoneCounter(places)
    for _ in counter.count(tracks.frames, tracks.ids, tracks.boxes, tracks.class_ids):
        pass
    counter.finish()
    frames = counter.looked_at()
    inside = (counter.timeline.mean_inside(frames) * frames).round().sum(axis=1).astype(int)
    return _told(counter, inside.tolist(), counter.timeline.most_inside.max(axis=1).tolist())


def count_by_frame(tracks: TrackTable, places: list[Place]) -> Counted:
    """A call a frame, as on a stream."""
    counter = ZoneCounter(places)
    inside, most = np.zeros(len(places), int), np.zeros(len(places), int)
    for frame, rows in frames_of(tracks):
        kinds = np.full(len(tracks.ids[rows]), -1)
        counter.update(frame, Tracks(tracks.ids[rows], tracks.boxes[rows], tracks.scores[rows], kinds, kinds))
        inside += counter.inside
        most = np.maximum(most, counter.inside)
    return _told(counter, inside.tolist(), most.tolist())


def _told(counter: ZoneCounter, inside: list[int], most: list[int]) -> Counted:
    totals = counter.totals
    return {
        place.name: (totals.of(row, into=True), totals.of(row, into=False))
        if isinstance(place, Line)
        else (inside[row], most[row])
        for row, place in enumerate(counter.places)
    }


def count_by_supervision(tracks: TrackTable, places: list[Place]) -> Counted:
    """`LineZone.trigger` and `PolygonZone.trigger`, a call a frame and place."""
    import supervision as sv

    def theirs(place: Place) -> Any:
        anchors = [sv.Position[anchor.upper()] for anchor in place.anchors]
        if isinstance(place, Line):
            ends = sv.Point(*place.start), sv.Point(*place.end)
            return sv.LineZone(*ends, anchors, place.minimum_crossing_threshold)
        return sv.PolygonZone(np.array(place.points), anchors, place.require_all_anchors)

    counters = [theirs(place) for place in places]
    held = {place.name: (0, 0) for place in places}
    for _, rows in frames_of(tracks):
        found = sv.Detections.empty()
        if rows.stop > rows.start:
            found = sv.Detections(xyxy=tracks.boxes[rows], tracker_id=tracks.ids[rows])
        for place, counter in zip(places, counters, strict=True):
            counter.trigger(found)
            if isinstance(place, Line):
                held[place.name] = counter.in_count, counter.out_count
            else:
                frames, most = held[place.name]
                held[place.name] = frames + counter.current_count, max(most, counter.current_count)
    return held


def frames_of(tracks: TrackTable) -> list[tuple[int, slice]]:
    """Every frame up to the last one with its rows."""
    numbers = np.arange(1, tracks.frames[-1] + 1)
    starts, stops = (np.searchsorted(tracks.frames, numbers, side=side) for side in ("left", "right"))
    return [
        (frame, slice(start, stop))
        for frame, start, stop in zip(numbers.tolist(), starts.tolist(), stops.tolist(), strict=True)
    ]


if __name__ == "__main__":
    from tracker.commands.command_line import run_command

    run_command(main, "zones")
