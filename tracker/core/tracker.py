"""The online tracker. One class for every preset, on either of two cores that give the same tracks.

`compiled`: one call a frame into C++ (`tracker.hpp` beside this), where it could be built. `numpy`: `numpy_core.py`,
which is the other's oracle. `FLATSORT_BACKEND=numpy` or `compiled` chooses; else the compiled one is taken if there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from tracker.core.appearance import AppearanceMemory
from tracker.core.checks import as_detections, checked_warp
from tracker.core.classes import ClassVotes
from tracker.core.compiled import why_absent
from tracker.core.compiled.core import CompiledCore, is_possible
from tracker.core.detections import Detections, Tracks
from tracker.core.gate import OnlineThreshold
from tracker.core.kalman import SeparableFilter
from tracker.core.kalman_full import FullFilter
from tracker.core.numpy_core import Describe, NumpyCore
from tracker.core.state import TrackState
from tracker.errors import InputError

if TYPE_CHECKING:
    from tracker.core.config import TrackerConfig

VARIABLE = "FLATSORT_BACKEND"


def chosen_backend() -> str:
    """`compiled` or `numpy`: what a new tracker runs on.

    Raises:
        InputError: the environment asks for what is not there.
    """
    asked, absent = os.environ.get(VARIABLE, ""), why_absent()
    if asked not in ("", "compiled", "numpy"):
        raise InputError(f"{VARIABLE}={asked}: expected compiled or numpy")
    if asked == "compiled" and absent:
        raise InputError(f"{VARIABLE}=compiled: the compiled core is absent ({absent}); build it with a C++17 compiler")
    return asked or ("numpy" if absent else "compiled")


class Tracker:
    """Track objects through the frames of one video.

    Args:
        config: a preset's name (`sort`, `deepsort`, `flatsort`), a YAML file or a `TrackerConfig`.
        overrides: replace single keys of it.

    Raises:
        InputError: unknown preset, key or bad value.

    Example:
        >>> Tracker("sort", max_age=5)  # doctest: +ELLIPSIS
        Tracker(frame ..., next id 1, ... core)
    """

    def __init__(self, config: str | Path | TrackerConfig = "flatsort", **overrides: Any) -> None:
        from tracker.core.config import load_config

        self.config = load_config(config, overrides)
        self.reset()

    @classmethod
    def from_config(cls, config: str | Path | TrackerConfig, **overrides: Any) -> Tracker:
        """The same as `Tracker(config, **overrides)`."""
        return cls(config, **overrides)

    def reset(self) -> None:
        """Forget everything; the next track has id 1."""
        compiled = chosen_backend() == "compiled" and is_possible(self.config)
        self._core: CompiledCore | NumpyCore = (CompiledCore if compiled else NumpyCore)(self.config)

    def update(
        self,
        detections: Detections | Any,
        frame_index: int | None = None,
        warp: ArrayLike | None = None,
        describe: Describe | None = None,
    ) -> Tracks:
        """Take in the next frame.

        Args:
            detections: what was detected in it; may be empty. An array [N, 4 to 6] of left, top, right, bottom, score,
                class, and what other libraries hand over, do as well: see `tracker.core.checks`.
            frame_index: its number, greater than the last one; a step of k predicts k times. One more than the last
                if not given.
            warp: [2, 3] affine motion of the image from the last frame to this one (a moving camera), or None.
            describe: features [K, D] of boxes [K, 4], asked for only where motion leaves a doubt and, for every good
                detection, once in `max_feature_age` frames; detections with features need none.

        Returns:
            The tracks to report for this frame, in the order of their ids.

        Raises:
            ValueError: `frame_index` is no whole number or does not grow, `warp` is not a finite, invertible [2, 3]
                matrix, or the features, given or described, are not one finite row of the known dimension a box. The
                tracker is then as it was, as it is after any error that `describe` raises.

        Example:
            >>> tracker = Tracker.from_config("sort", min_hits=1)
            >>> for left in (0, 2, 4):
            ...     tracks = tracker.update(Detections([[left, 0, left + 20, 40], [left + 60, 0, left + 80, 40]]))
            >>> tracks.ids.tolist(), tracks.detection.tolist()
            ([1, 2], [0, 1])
        """
        if warp is not None:
            warp = checked_warp(warp)
        if not isinstance(detections, Detections):
            detections = as_detections(detections)
        return self._core.update(frame_index, warp, detections, describe)

    def __repr__(self) -> str:
        return f"Tracker(frame {self.frame_index}, next id {self.next_id}, {self.backend} core)"

    @property
    def backend(self) -> str:
        """`compiled` or `numpy`: what the tracker runs on."""
        return self._core.backend

    @property
    def gate(self) -> float | None:
        """Largest appearance distance of a match in the last frame; None: appearance had nothing to say."""
        return self._core.gate

    @property
    def detections_used(self) -> int:
        """In all frames, those that score enough and that no better one suppresses."""
        return self._core.detections_used

    @property
    def frame_index(self) -> int:
        """Number of the last frame."""
        return self._core.frame_index

    @property
    def next_id(self) -> int:
        """What the next track will be called."""
        return self._core.next_id

    # What the core knows, to look at; changing it has no effect on a compiled one.

    @property
    def state(self) -> TrackState:
        """The book-keeping of all tracks."""
        return self._core.state

    @property
    def filter(self) -> SeparableFilter | FullFilter:
        """Where they are."""
        return self._core.filter

    @property
    def memory(self) -> AppearanceMemory | None:
        """What they look like."""
        return self._core.memory

    @property
    def votes(self) -> ClassVotes | None:
        """What they were found as, with `class_gating: false`."""
        return self._core.votes

    @property
    def threshold(self) -> OnlineThreshold | None:
        """Where the gate on appearance comes from, if it is to be found on the footage."""
        return self._core.threshold
