"""What happened in a run: what was read, used, dropped and why, whether appearance took part, what looks doubtful."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from tracker.core.config import TrackerConfig
from tracker.core.detections import Detections, FloatArray, Image, Tracks
from tracker.core.tracker import Tracker
from tracker.files.motchallenge import DetectionTable
from tracker.input.cuts import CutWatch
from tracker.input.live.source import LiveSource
from tracker.input.sequences import Sequence
from tracker.output.counts import Counting
from tracker.run.doubts import about_boxes, about_cuts, about_scores, about_tracks, outside
from tracker.zones.writing import lines_about

Tracked = tuple[int, Image | None, Detections, Tracks]  # a frame: frame_index, picture, what was found, whom it shows


@dataclass(frozen=True)
class Account:
    """The end of a run in numbers.

    Attributes:
        frames: that were tracked.
        detections: how many were read and used; `outside` the picture are used too, None where its size is unknown.
        dropped: why -> how many of those read were not used: `no_area`, `low_score` (below `least_score`), `suppressed`
            (a better one covers it), `after_end` (of the run).
        least_score: the smallest that is of use; None where any is.
        appearance: whether it took part: `gate`, the largest distance of a match, and the frame it was set `since`;
            both None where it did not, and `why`.
        cuts: frames that begin another picture.
        tracks: how many.
        linking: what the second pass made of them; None where there was none.
        doubts: what looks wrong, a line each.
        stream: of a camera or stream: `reconnections`, `seconds_lost`, `broken_pictures`, which were left out, and why
            it was `given_up`, if so; None for a recording.
        zones: the totals of `lines` and `zones` in a `unit` of time; None where nothing was to be counted.
    """

    frames: int
    detections: dict[str, int | None]
    dropped: dict[str, int]
    least_score: float | None
    appearance: dict[str, Any]
    cuts: list[int]
    tracks: int
    linking: str | None
    doubts: list[str]
    stream: dict[str, Any] | None = None
    zones: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values, as `--json` writes them."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """For people: one line of what was used, and one for each doubt."""
        read, used, away = (self.detections[name] for name in ("read", "used", "outside"))
        words = {
            "no_area": "without area",
            "low_score": f"below the least score {self.least_score}",
            "suppressed": "covered by a better one",
            "after_end": "after the last frame",
        }
        parts = [f"{read} detections, {used} used"]
        parts += [f"{count} {words[why]}" for why, count in self.dropped.items() if count]
        if away:
            parts.append(f"{away} outside the picture")
        gate, since, why = (self.appearance[name] for name in ("gate", "since", "why"))
        looks = f"appearance off ({why})" if gate is None else f"appearance from frame {since} on (gate {gate:.3g})"
        yield f"{', '.join(parts)}; {looks}"
        if self.linking is not None:
            yield self.linking
        if self.stream is not None and (self.stream["reconnections"] or self.stream["broken_pictures"]):
            again, seconds, broken = (
                self.stream[name] for name in ("reconnections", "seconds_lost", "broken_pictures")
            )
            yield f"connected again {again} times, {seconds:.1f} s lost; {broken} broken pictures left out"
        if self.zones is not None:
            yield from lines_about(self.zones)
        yield from (f"careful: {doubt}" for doubt in self.doubts)


def with_counts(account: Account, counting: Counting | None) -> Account:
    """The account with what was counted at lines and zones."""
    if counting is None:
        return account
    content = counting.content()
    totals = {key: content[key] for key in ("unit", "lines", "zones")}
    return replace(account, zones=totals, doubts=[*account.doubts, *counting.doubts()])


class Observer:
    """Watches a run and draws up its account.

    Args:
        config: what scores are compared with.
        found: the detections of a file; None where a detector finds them.
    """

    def __init__(self, sequence: Sequence, config: TrackerConfig, found: DetectionTable | None) -> None:
        self._config = config
        self._found = found
        self._size = None if not sequence.width or not sequence.height else (sequence.width, sequence.height)
        self._cuts = CutWatch()
        self._ids = _Distinct(2 * config.max_age + 100)  # a track that is not reported for so long has ended
        self._classes: set[int] = set()  # the smallest and the largest of each frame
        self._seen = self._below = self._starting = 0  # detections: all, below the least score, fit for a new track
        self._outside = self._flat = 0
        self._largest = -np.inf
        self._since: int | None = None
        self.frames = self.last = 0  # how many, and the number of the last one

    def watch(self, tracked: Iterable[Tracked], tracker: Tracker) -> Iterator[Tracked]:
        """The same frames, each taken in as it passes."""
        for frame_index, image, detections, tracks in tracked:
            self.see(frame_index, image, detections, tracks, tracker)
            yield frame_index, image, detections, tracks

    def see(
        self, frame_index: int, image: Image | None, detections: Detections, tracks: Tracks, tracker: Tracker
    ) -> None:
        """Take in one frame and what the tracker made of it."""
        self.frames += 1
        self.last = frame_index
        self._ids.add(frame_index, tracks.ids.tolist())
        scores = detections.scores
        if len(scores):
            low, high = self._config.least_confidence, self._config.starting_confidence
            self._seen += len(scores)
            self._below += int(np.count_nonzero(scores < low))
            self._starting += int(np.count_nonzero(scores >= high))
            self._largest = max(self._largest, float(scores.max()))
            if detections.class_ids is not None and self._config.class_gating:
                self._classes |= {int(detections.class_ids.min()), int(detections.class_ids.max())}
        self._flat += detections.dropped
        if image is not None:
            self._size = image.shape[1], image.shape[0]
            self._cuts.see(frame_index, image)
        if self._size is not None and len(scores):
            self._outside += int(np.count_nonzero(outside(detections.boxes, *self._size)))
        if self._since is None and tracker.gate is not None:
            self._since = frame_index

    def account(
        self,
        tracker: Tracker,
        why_off: str | None,
        notes: list[str],
        linking: str | None = None,
        linked: int | None = None,
        live: LiveSource | None = None,
    ) -> Account:
        """What came of it.

        Args:
            why_off: why nothing has features, if that is so.
            notes: doubts from before the first frame.
            linking, linked: a line about the second pass, and how many identities it found.
            live: the camera or stream.
        """
        seen, below, starting = self._seen, self._below, self._starting
        flat = self._flat if self._found is None else self._found.dropped
        read = seen + flat if self._found is None else len(self._found) + flat
        used = tracker.detections_used
        dropped = {
            "no_area": flat,
            "low_score": below,
            "suppressed": seen - below - used,
            "after_end": read - flat - seen,
        }
        least = self._config.least_confidence
        boxes: FloatArray = np.zeros((0, 4)) if self._found is None else self._found.boxes
        doubts = [
            *notes,
            *about_boxes(boxes, self._size, seen, self._outside),
            *about_scores(self._config.starting_confidence, seen, starting, self._largest),
            *about_tracks(len(self._ids), self.frames, seen, starting, self._config.n_init, len(self._classes) > 1),
            *about_cuts(self._cuts.cuts, self.frames, self._cuts.count),
        ]
        return Account(
            self.frames,
            {"read": read, "used": used, "outside": None if self._size is None else self._outside},
            dropped,
            None if math.isinf(least) else least,
            {"gate": tracker.gate, "since": self._since, "why": self._why_off(tracker, why_off)},
            self._cuts.cuts,
            len(self._ids) if linked is None else linked,
            linking,
            doubts,
            None if live is None else told_of(live),
        )

    def _why_off(self, tracker: Tracker, why_off: str | None) -> str | None:
        """Why appearance takes no part in the end; None where it does."""
        if tracker.gate is not None:
            return None
        if not self._config.needs_features:
            return "the preset looks at motion alone"
        if why_off is not None or tracker.threshold is None:
            return why_off or "no features"
        if tracker.threshold.true_accepts is None:
            return "too few people were seen side by side to set its gate"
        return "the descriptor does not tell these people apart"


def told_of(live: LiveSource) -> dict[str, Any]:
    """What became of a live source, as an account holds it."""
    return {
        "reconnections": live.reconnections,
        "seconds_lost": round(live.seconds_lost, 3),
        "broken_pictures": live.broken,
        "given_up": live.given_up,
    }


class _Distinct:
    """Counts different ids, in the memory of those that may come again.

    Args:
        patience: frames behind which an id that was not seen never comes again.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._last: dict[int, int] = {}  # id -> frame
        self._gone = 0
        self._looked_at = 0

    def add(self, frame_index: int, ids: list[int]) -> None:
        for one in ids:
            self._last[one] = frame_index
        if frame_index - self._looked_at > self._patience:
            self._looked_at = frame_index
            stay = {one: last for one, last in self._last.items() if last >= frame_index - self._patience}
            self._gone += len(self._last) - len(stay)
            self._last = stay

    def __len__(self) -> int:
        return self._gone + len(self._last)
