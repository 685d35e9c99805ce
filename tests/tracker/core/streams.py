"""Random settings and random streams, each from one number: what the two cores are compared on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker import Detections, Tracker, TrackerConfig, Tracks, load_config

Random = np.random.Generator


def random_stage(random: Random, appearance: bool) -> dict[str, Any]:
    """Any round of matching."""
    return {
        "match": "appearance" if appearance and random.random() < 0.5 else "iou",
        "tracks": str(random.choice(["all", "confirmed", "tentative"])),
        "detections": str(random.choice(["high", "high", "low"])),
        "cascade": bool(random.random() < 0.4),
        "max_missed": [None, 0, 1, 5][random.integers(4)],
        "max_distance": [None, None, 0.3, 0.8, 1.0, 1.5][random.integers(6)],
        "last_chance": bool(random.random() < 0.7),
        "assign_before_threshold": bool(random.random() < 0.25),
        "when": str(random.choice(["always", "always", "appearance", "motion"])),
    }


def random_config(random: Random) -> TrackerConfig:
    """Any settings: of a preset, with some of them or all of them changed."""
    preset = str(random.choice(["sort", "deepsort", "flatsort"]))
    appearance = str(random.choice(["none", "gallery", "average"]))
    choices: dict[str, list[Any]] = {
        "motion": ["xyah", "xysr"],
        "min_confidence": [None, 0.0, 0.3, 0.6],
        "low_confidence": [0.1, 0.4, 0.8],
        "new_track_confidence": [None, 0.4, 0.9],
        "nms_max_overlap": [1.0, 0.7, 0.3, 0.0],
        "max_age": [0, 1, 5, 30, 90],
        "keep_shrunk": [True, False],
        "n_init": [1, 2, 3],
        "min_hits": [0, 1, 3],
        "max_coast": [0, 1, 3],
        "gating_threshold": [1.0, 9.4877, 100.0, 1e6],
        "max_iou_distance": [0.3, 0.7, 0.95, 1.0],
        "class_gating": [True, False],
        "camera_shift": [True, False],
        "metric": ["cosine", "euclidean"],
        "budget": [1, 3, 100],
        "momentum": [0.0, 0.5, 0.9],
        "max_cosine_distance": ["auto", 0.0, 0.1, 0.4, 2.0],
        "max_euclidean_distance": ["auto", 0.0, 0.3, 1.0, 5.0],
        "max_feature_age": [1, 5, 20],
    }
    share = random.choice([0.0, 0.2, 1.0])
    changed = {key: values[random.integers(len(values))] for key, values in choices.items() if random.random() < share}
    if share == 1:
        changed["appearance"] = appearance
        stages = [random_stage(random, appearance != "none") for _ in range(random.integers(1, 5))]
        changed["stages"] = stages
    return load_config(preset, changed)


@dataclass
class Frame:
    """The arguments of one update."""

    detections: Detections
    index: int | None
    warp: NDArray[np.float64] | None
    looks: NDArray[np.float32] | None  # of the detections, to be asked for


def random_stream(random: Random, frames: int) -> list[Frame]:
    """People who walk, are missed, come back; false and double detections, classes, features of every kind."""
    people, dimension = int(random.integers(0, 14)), int(random.choice([1, 2, 3, 8, 16, 19, 128]))
    picture = random.choice([150.0, 500.0, 2000.0])
    grid = random.choice([0.0, 0.0, 1.0, 20.0])  # whole pixels, as many detectors write them, make ties
    place, velocity = (
        random.uniform(0, picture, (people, 2)),
        random.normal(0, random.choice([0.5, 4, 15]), (people, 2)),
    )
    size = random.uniform(20, 80, (people, 1)) * [1, 2]
    kinds, looks = random.integers(-1, 3, people), random.normal(size=(people, dimension))
    if random.random() < 0.2:
        looks = np.eye(people, dimension)
    noise = random.choice([0.0, 0.02, 0.3])
    features, classes, warps, gaps, twins = (random.random(5) < [0.7, 0.4, 0.2, 0.3, 0.2]).tolist()
    on_demand, feature_rate = random.random() < 0.3, random.choice([1.0, 1.0, 0.7])
    seen_rate, false_rate = random.uniform(0.3, 1), random.uniform(0, 2)
    stream, index = [], int(random.integers(-5, 5))
    for frame in range(frames):
        place = place + velocity
        here = np.flatnonzero(random.random(people) < (0 if frame % 23 == 22 else seen_rate))
        if twins:
            here = np.concatenate((here, here[random.random(len(here)) < 0.3]))
        false = int(random.poisson(false_rate))
        corner = np.concatenate((place[here], random.uniform(0, picture, (false, 2))))
        sides = np.concatenate((size[here], random.uniform(5, 90, (false, 2))))
        boxes = np.concatenate((corner, corner + sides), axis=1) + random.normal(0, 1.5, (len(corner), 4))
        if grid:
            boxes = np.round(boxes / grid) * grid
        found = np.concatenate((looks[here], random.normal(size=(false, dimension))))
        found = (found + noise * random.normal(size=found.shape)).astype(np.float32)
        kind = np.concatenate((kinds[here], random.integers(-1, 3, false)))
        kind[random.random(len(kind)) < 0.1] = random.integers(-1, 3)
        scores = random.uniform(0, 1, len(boxes)).round(2 if grid else 9)
        given = features and not on_demand and random.random() < feature_rate
        detections = Detections(boxes, scores, found if given else None, kind if classes else None)
        if detections.rows is not None:
            found = found[detections.rows]
        index += int(random.integers(1, 8)) if gaps and random.random() < 0.3 else 1
        warp = None
        if warps and random.random() < 0.3:
            warp = np.eye(2, 3) + random.normal(0, 0.03, (2, 3)) * [1, 1, 100]
        asked = found if features and on_demand and random.random() < feature_rate else None
        stream.append(Frame(detections, index if gaps or frame == 0 else None, warp, asked))
    return stream


def run(tracker: Tracker, stream: list[Frame]) -> list[Tracks]:
    """What the tracker reports."""
    reported = []
    for frame in stream:
        describe = None
        if frame.looks is not None:
            known = {box.tobytes(): look for box, look in zip(frame.detections.boxes, frame.looks, strict=True)}

            def describe(boxes: NDArray[np.float64], known: dict[bytes, Any] = known) -> NDArray[np.float32]:
                return np.array([known[box.tobytes()] for box in boxes])

        reported.append(tracker.update(frame.detections, frame.index, frame.warp, describe))
    return reported


def first_difference(ours: list[Tracks], theirs: list[Tracks]) -> str | None:
    """Where two reports differ, in words; boxes may by 1e-6 pixels, and by 1e-9 of what they measure."""
    for frame, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        for name in ("ids", "detection", "class_ids", "scores"):
            if getattr(a, name).tolist() != getattr(b, name).tolist():
                return f"frame {frame}: {name} {getattr(a, name).tolist()} and {getattr(b, name).tolist()}"
        if not np.allclose(a.boxes, b.boxes, rtol=1e-9, atol=1e-6, equal_nan=True):
            return f"frame {frame}: boxes off by {np.abs(a.boxes - b.boxes).max()}"
    return None
