"""What `tools.benchmark` times: our presets, and whatever peers are installed, behind one call a frame.

Each entry turns a frame's `Detections` into the form its tracker wants outside the timed call, so that only the
tracker's own update is timed. Peers run with their defaults; a gallery tracker gets the same budget as ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker import Detections, Tracker

Prepare = Callable[[Detections], tuple[Any, ...]]
Make = Callable[[], tuple[Callable[..., Any], Prepare]]
Found = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]  # ids [K], boxes [K, 4] xyxy, scores [K]
Read = Callable[[Any], Found]


FLOOR = "floor: arrays checked, an update of nothing"
RATE = 30  # frames a second, for who wants times


@dataclass(frozen=True)
class Contender:
    """A tracker to time.

    Attributes:
        name: as the table shows it.
        features: whether it is given features.
        make: a fresh tracker's update, and what turns detections into its arguments.
        package: distribution it comes from, empty for ours.
        read: what an update returned, as tracks to score; None where it is only timed.
    """

    name: str
    features: bool
    make: Make
    package: str = ""
    read: Read | None = None

    @property
    def label(self) -> str:
        """Name with the peer's version."""
        return f"{self.name} ({self.package} {version(self.package)})" if self.package else self.name

    @property
    def is_installed(self) -> bool:
        """Whether the package is there."""
        try:
            return not self.package or bool(version(self.package))
        except PackageNotFoundError:
            return False


def ours() -> list[Contender]:
    """Our presets, each on the stream it is made for."""

    def make(preset: str) -> Make:
        return lambda: (Tracker.from_config(preset).update, lambda detections: (detections,))

    return [
        Contender(FLOOR, False, _floor),
        Contender("sort", False, make("sort")),
        Contender("flatsort, motion only", False, make("flatsort")),
        Contender(FLOOR, True, _floor),
        Contender("deepsort", True, make("deepsort")),
        Contender("flatsort", True, make("flatsort")),
    ]


def _floor() -> tuple[Callable[..., Any], Prepare]:
    """What is paid before anything is tracked: the checks of a frame's arrays, and a call with no detection."""
    update, nothing = Tracker("sort").update, Detections([])

    def check(detections: Detections) -> None:
        Detections(detections.boxes, detections.scores, detections.features)
        update(nothing)

    return check, lambda detections: (detections,)


def peers() -> list[Contender]:
    """Every peer that we know how to run, installed or not."""
    supervised = [
        Contender(name.removesuffix("Tracker"), False, _roboflow(name, options), "trackers", _of_supervision)
        for name, options in (
            ("SORTTracker", {}),
            ("ByteTrackTracker", {}),
            ("OCSORTTracker", {}),
            ("BoTSORTTracker", {"enable_cmc": False}),
        )
    ]
    cython = [
        Contender(name, False, _pyxtrackers(name), "pyxtrackers", _of_rows)
        for name in ("Sort", "BYTETracker", "OCSort")
    ]
    rust = [Contender(name, False, _ioutrack(name), "ioutrack-rs", _of_rows) for name in ("Sort", "ByteTrack")]
    return [
        *cython,
        Contender("ByteTracker", False, _visiontrack(with_features=False), "visiontrack-cpp", _of_columns),
        Contender("ByteTrack", False, _edgefirst, "edgefirst-tracker", _OfUuids()),
        *rust,
        Contender("Sort", False, _similari, "similari-trackers-rs", _of_similari),
        *supervised,
        Contender("norfair", False, _norfair, "norfair"),
        Contender("motpy", False, _motpy, "motpy"),
        Contender("ByteTracker", True, _visiontrack(with_features=True), "visiontrack-cpp", _of_columns),
        Contender("DeepSort", True, _deep_sort_realtime, "deep-sort-realtime"),
    ]


def _scored(detections: Detections) -> tuple[NDArray[np.float64]]:
    """Corners and score, [N, 5]."""
    return (np.column_stack((detections.boxes, detections.scores)),)


def _of_rows(rows: NDArray[np.float64]) -> Found:
    """Corners and id, [K, 5]."""
    return rows[:, 4].astype(np.int64), rows[:, :4], np.ones(len(rows))


def _pyxtrackers(name: str) -> Make:
    def make() -> tuple[Callable[..., Any], Prepare]:
        import pyxtrackers

        options = {"OCSort": (0.6,)}  # a least score, which it has no default for; its authors' own
        return getattr(pyxtrackers, name)(*options.get(name, ())).update, _scored

    return make


def _ioutrack(name: str) -> Make:
    def make() -> tuple[Callable[..., Any], Prepare]:
        import ioutrack

        def prepare(detections: Detections) -> tuple[Any, ...]:
            return (_scored(detections)[0].astype(np.float32),)

        return getattr(ioutrack, name)().update, prepare

    return make


def _visiontrack(with_features: bool) -> Make:
    def make() -> tuple[Callable[..., Any], Prepare]:
        import visiontrack_cpp

        config = visiontrack_cpp.TrackerConfig(w_app=0.5, w_iou=0.5) if with_features else None
        tracker = visiontrack_cpp.ByteTracker() if config is None else visiontrack_cpp.ByteTracker(config)

        def prepare(detections: Detections) -> tuple[Any, ...]:
            features = None if detections.features is None else detections.features.astype(np.float64)
            return detections.boxes, detections.scores, None, features

        return tracker.update, prepare

    return make


def _of_columns(found: tuple[Any, ...]) -> Found:
    ids, boxes, scores, _ = found
    return ids, boxes, scores


def _edgefirst() -> tuple[Callable[..., Any], Prepare]:
    from edgefirst.tracker import ByteTrack

    frame = 0

    def prepare(detections: Detections) -> tuple[Any, ...]:
        nonlocal frame
        frame += 1
        labels = np.zeros(len(detections), np.uint64)
        return detections.boxes.astype(np.float32), detections.scores.astype(np.float32), labels, frame * 10**9 // RATE

    return ByteTrack().update, prepare


class _OfUuids:
    """Numbers for names."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(self, found: list[Any]) -> Found:
        shown = [one for one in found if one is not None]
        ids = [self._numbers.setdefault(one.uuid, len(self._numbers) + 1) for one in shown]
        boxes = np.array([one.tracked_location for one in shown], np.float64).reshape(-1, 4)
        return np.array(ids, np.int64), boxes, np.ones(len(shown))


def _similari() -> tuple[Callable[..., Any], Prepare]:
    import similari

    def prepare(detections: Detections) -> tuple[Any, ...]:
        sizes = detections.boxes[:, 2:] - detections.boxes[:, :2]
        rows = np.column_stack((detections.boxes[:, :2], sizes, np.clip(detections.scores, 0, 1))).tolist()
        return ([(similari.BoundingBox.new_with_confidence(*row).as_xyaah(), None) for row in rows],)

    return similari.Sort(shards=1).predict, prepare


def _of_similari(found: list[Any]) -> Found:
    shown = [one.predicted_bbox.as_ltwh() for one in found]
    corner = np.array([[box.left, box.top] for box in shown], np.float64).reshape(-1, 2)
    size = np.array([[box.width, box.height] for box in shown], np.float64).reshape(-1, 2)
    ids = np.array([one.id % (1 << 62) for one in found], np.int64)
    return ids, np.concatenate((corner, corner + size), axis=1), np.ones(len(found))


def _of_supervision(found: Any) -> Found:
    ids = np.array([] if found.tracker_id is None else found.tracker_id, np.int64)
    named = ids >= 0  # -1: not a track yet
    return ids[named], found.xyxy[named].astype(np.float64), found.confidence[named]


def _roboflow(name: str, options: dict[str, Any]) -> Make:
    def make() -> tuple[Callable[..., Any], Prepare]:
        import supervision
        import trackers

        def prepare(detections: Detections) -> tuple[Any, ...]:
            return (
                supervision.Detections(
                    xyxy=detections.boxes.astype(np.float32),
                    confidence=detections.scores.astype(np.float32),
                    class_id=np.zeros(len(detections), int),
                ),
            )

        return getattr(trackers, name)(**options).update, prepare

    return make


def _norfair() -> tuple[Callable[..., Any], Prepare]:
    import norfair

    def prepare(detections: Detections) -> tuple[Any, ...]:
        corners = detections.boxes.reshape(-1, 2, 2)
        return (
            [
                norfair.Detection(points, np.full(2, score))
                for points, score in zip(corners, detections.scores, strict=True)
            ],
        )

    return norfair.Tracker(distance_function="iou", distance_threshold=0.7).update, prepare


def _motpy() -> tuple[Callable[..., Any], Prepare]:
    import motpy

    def prepare(detections: Detections) -> tuple[Any, ...]:
        return (
            [
                motpy.Detection(box=box, score=score)
                for box, score in zip(detections.boxes, detections.scores, strict=True)
            ],
        )

    return motpy.MultiObjectTracker(dt=1 / 30).step, prepare


def _deep_sort_realtime() -> tuple[Callable[..., Any], Prepare]:
    from deep_sort_realtime.deepsort_tracker import DeepSort

    tracker = DeepSort(max_age=30, n_init=3, nms_max_overlap=1.0, max_cosine_distance=0.2, nn_budget=100, embedder=None)

    def prepare(detections: Detections) -> tuple[Any, ...]:
        assert detections.features is not None
        boxes = detections.boxes.copy()
        boxes[:, 2:] -= boxes[:, :2]
        raw = [(box, score, "person") for box, score in zip(boxes.tolist(), detections.scores.tolist(), strict=True)]
        return raw, list(detections.features)

    return lambda raw, embeds: tracker.update_tracks(raw, embeds=embeds), prepare
