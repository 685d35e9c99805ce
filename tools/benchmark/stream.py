"""The made-up people of the benchmark: boxes that drift over a picture, with or without features."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tracker import Detections

DIMENSION = 128
DENSITY = 45 / (1920 * 1080)  # objects a square pixel, as in MOT16-04


def stream(objects: int, with_features: bool, seed: int = 0) -> Iterator[Detections]:
    """Endless frames of objects that drift and turn back at the border.

    5 % of the detections are missing in each frame; boxes are 80 to 200 pixels high and jitter by 1.5; features are
    128-d, about 0.06 in cosine distance from their object's own and 1.0 from another's.

    Args:
        objects: how many.
        with_features: give them features.
        seed: of their paths.
    """
    random = np.random.default_rng(seed)
    height = np.sqrt(objects / DENSITY * 9 / 16)
    size = np.array([height * 16 / 9, height])  # a picture, 16 to 9, that grows with their number
    centre, velocity = random.uniform(0, size, (objects, 2)), random.normal(0, 2, (objects, 2))
    tall = random.uniform(80, 200, objects)
    half = 0.5 * np.stack((0.4 * tall, tall), axis=1)
    identity = random.normal(size=(objects, DIMENSION)).astype(np.float32)
    while True:
        centre += velocity
        velocity = np.where((centre < 0) | (centre > size), -velocity, velocity)
        seen = random.random(objects) > 0.05
        boxes = np.concatenate((centre - half, centre + half), axis=1) + random.normal(0, 1.5, (objects, 4))
        features = None
        if with_features:
            features = identity + 0.25 * random.normal(size=identity.shape).astype(np.float32)
            features = features[seen]
        yield Detections(boxes[seen], random.uniform(0.7, 1, seen.sum()), features)
