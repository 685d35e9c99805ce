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

from tracker import Detections, Tracker

Prepare = Callable[[Detections], tuple[Any, ...]]
Make = Callable[[], tuple[Callable[..., Any], Prepare]]


@dataclass(frozen=True)
class Contender:
    """A tracker to time.

    Attributes:
        name: as the table shows it.
        features: whether it is given features.
        make: a fresh tracker's update, and what turns detections into its arguments.
        package: distribution it comes from, empty for ours.
    """

    name: str
    features: bool
    make: Make
    package: str = ""

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
        Contender("sort", False, make("sort")),
        Contender("flatsort, motion only", False, make("flatsort")),
        Contender("deepsort", True, make("deepsort")),
        Contender("flatsort", True, make("flatsort")),
    ]


def peers() -> list[Contender]:
    """Every peer that we know how to run, installed or not."""
    supervised = [
        Contender(name.removesuffix("Tracker"), False, _roboflow(name, options), "trackers")
        for name, options in (
            ("SORTTracker", {}),
            ("ByteTrackTracker", {}),
            ("OCSORTTracker", {}),
            ("BoTSORTTracker", {"enable_cmc": False}),
        )
    ]
    return [
        *supervised,
        Contender("norfair", False, _norfair, "norfair"),
        Contender("motpy", False, _motpy, "motpy"),
        Contender("DeepSort", True, _deep_sort_realtime, "deep-sort-realtime"),
    ]


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
