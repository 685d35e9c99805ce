"""Who crosses the lines of one camera, and who is in its zones, as totals that only grow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tracker.core.detections import Tracks
from tracker.zones import Times, ZoneCounter, read_zones


@dataclass(frozen=True)
class PlaceCount:
    """What came of a line or zone so far.

    Attributes:
        into, out: how often somebody went in, and out; of a line, across it in either direction.
        inside: how many are in a zone now.
    """

    into: int = 0
    out: int = 0
    inside: int = 0


class PlaceCounts:
    """Counts at the places of a file, over trackers that begin anew.

    Args:
        zones: GeoJSON, see `tracker.zones.reading`; None counts nothing.

    Attributes:
        counts: by place.

    Raises:
        InputError: the file cannot be read, or holds no places.
    """

    def __init__(self, zones: Path | None) -> None:
        self._places = [] if zones is None else read_zones(zones)
        self._counter: ZoneCounter | None = None
        self.counts = {place.name: PlaceCount() for place in self._places}

    def begin(self) -> None:
        """Another tracker, whose frames and identities are others."""
        self._counter = None

    def update(self, frame: int, tracks: Tracks, rate: float | None) -> None:
        """Take in the tracks of the next frame.

        Args:
            rate: frames a second; nothing is counted before it is known, as who is gone for how long depends on it.
        """
        if not self._places or rate is None:
            return
        if self._counter is None:
            self._counter = ZoneCounter(self._places, Times(rate))
        crossed = self._counter.update(frame, tracks)
        counts = dict(self.counts)
        for place, into in zip(crossed.places.tolist(), crossed.into.tolist(), strict=True):
            before = counts[self._places[place].name]
            counts[self._places[place].name] = PlaceCount(before.into + into, before.out + (not into))
        inside = zip(counts.items(), self._counter.inside.tolist(), strict=True)
        self.counts = {name: PlaceCount(count.into, count.out, here) for (name, count), here in inside}
