"""The compiled core's memory in the classes of the NumPy code: copies, to look at.

Each function takes what `Core.contents()` returns: bytes of C arrays and numbers, by the names of `archive.hpp`.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tracker.core.appearance import AppearanceMemory, AveragedFeature, Gallery
from tracker.core.classes import ClassVotes
from tracker.core.gate import Histogram, OnlineThreshold
from tracker.core.gate.few_people import FewPeople
from tracker.core.gate.online import Followed
from tracker.core.kalman import MOTION_MODELS, SeparableFilter
from tracker.core.kalman_full import FullFilter
from tracker.core.state import TrackState

if TYPE_CHECKING:
    from tracker.core.config import TrackerConfig

Contents = dict[str, Any]


def _array(contents: Contents, name: str, dtype: type, *shape: int) -> NDArray[Any]:
    return np.frombuffer(contents[name], dtype).reshape(shape or (-1,)).copy()


def state_of(contents: Contents) -> TrackState:
    """The book-keeping of all tracks."""
    kinds = {"confirmed": bool, "scores": float}
    names = [column.name for column in fields(TrackState)]
    return TrackState(**{name: _array(contents, f"state.{name}", kinds.get(name, np.int64)) for name in names})


def filter_of(contents: Contents, config: TrackerConfig) -> SeparableFilter | FullFilter:
    """Where the tracks are."""
    model = MOTION_MODELS[config.motion]
    if not contents["filter.is_full"]:
        separable = SeparableFilter(model)
        state = _array(contents, "filter.separable", float, -1, 5, 4)
        separable.state = np.ascontiguousarray(state.transpose(1, 0, 2))
        return separable
    full = FullFilter(model)
    numbers = _array(contents, "filter.full", float, -1, 72)
    full.state, full.covariance = numbers[:, :8].copy(), numbers[:, 8:].reshape(-1, 8, 8).copy()
    return full


def memory_of(contents: Contents, config: TrackerConfig) -> AppearanceMemory | None:
    """What they look like."""
    if config.appearance == "none":
        return None
    dimension = contents["memory.dimension"]
    if config.appearance == "average":
        average = AveragedFeature(config.metric, config.momentum, config.max_feature_age)
        average.known, average.age = _array(contents, "memory.known", bool), _array(contents, "memory.age", np.int64)
        average.features = _array(contents, "memory.features", np.float32, len(average.known), dimension)
        return average
    gallery = Gallery(config.metric, config.budget)
    for slot in _array(contents, "memory.slots", np.int64).tolist():
        name = f"memory.pool.{slot}"
        gallery.append(1)
        seen, filled = contents[f"{name}.seen"], contents[f"{name}.filled"]
        ring = _array(contents, f"{name}.ring", np.float32, filled, dimension)
        oldest = seen % config.budget if seen > config.budget else 0
        for feature in np.roll(ring, -oldest, axis=0):
            gallery.update(np.array([len(gallery.slots) - 1]), feature[None])
    return gallery


def votes_of(contents: Contents, config: TrackerConfig) -> ClassVotes | None:
    """What they were found as."""
    if config.class_gating:
        return None
    votes = ClassVotes()
    counted = [_array(contents, f"votes.{row}", np.int64, -1, 2) for row in range(contents["votes"])]
    votes.class_ids = np.unique(np.concatenate([pairs[:, 0] for pairs in counted] or [np.zeros(0, np.int64)]))
    votes.counts = np.zeros((len(counted), len(votes.class_ids)), np.int64)
    for row, pairs in enumerate(counted):
        votes.counts[row, np.searchsorted(votes.class_ids, pairs[:, 0])] = pairs[:, 1]
    return votes


def threshold_of(contents: Contents, config: TrackerConfig) -> OnlineThreshold | None:
    """Where the gate on appearance comes from."""
    if config.max_appearance_distance != "auto":
        return None
    threshold = OnlineThreshold(config.metric)
    threshold.value = contents["threshold.value"]
    for name in ("different", "same"):
        if contents[name]:
            histogram = Histogram(contents[f"{name}.limit"])
            histogram.counts = _array(contents, f"{name}.counts", np.int64)
            setattr(threshold, name, histogram)
    if contents["followed"]:
        boxes, looks = _followed(contents, "followed")
        detections = _array(contents, "followed.detections", np.int64)
        threshold.followed = Followed(boxes, looks, detections, contents["followed.age"])
    threshold.few = _few_people(contents, config) if contents["few"] else None
    return threshold


def _followed(contents: Contents, name: str) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    boxes = _array(contents, f"{name}.boxes", float, -1, 4)
    return boxes, _array(contents, f"{name}.looks", np.float32, len(boxes), contents[f"{name}.dimension"])


def _few_people(contents: Contents, config: TrackerConfig) -> FewPeople:
    few = FewPeople(config.metric)
    for name in ("knows_people", "capital", "nearest", "pairs", "frames"):
        setattr(few, name, contents[f"few.{name}"])
    few.sums = _array(contents, "few.sums", float, 2, 2)
    few.counts = _array(contents, "few.counts", np.int64, 2, 2)
    few.boxes, few.looks = _followed(contents, "few.followed")
    few.age = contents["few.followed.age"]
    return few
