"""Nothing grows with the length of a stream."""

from __future__ import annotations

import pickle
import tracemalloc

import numpy as np
import pytest

from tracker import Detections, Tracker

PEOPLE = 3
PERIOD = 250  # frames after which the stream repeats


def stream() -> list[Detections]:
    """People who walk out of the picture and come in again elsewhere as somebody else; a tenth is missed."""
    random = np.random.default_rng(0)
    found = []
    for frame in range(PERIOD):
        step, turn = frame % 25, frame // 25
        left = np.arange(PEOPLE) * 300.0 + turn * 137 % 200 + 4 * step
        boxes = np.stack((left, np.zeros(PEOPLE), left + 40, np.full(PEOPLE, 90.0)), axis=1)
        looks = np.random.default_rng(turn).normal(size=(PEOPLE, 16))
        seen = random.random(PEOPLE) < 0.9
        found.append(Detections(boxes[seen], np.full(seen.sum(), 0.9), looks[seen]))
    return found


@pytest.mark.parametrize(
    ("preset", "frames"),
    [
        ("sort", 6_000),
        ("deepsort", 2_500),  # galleries: the slots of hundreds of tracks, one after another
        ("flatsort", 2_500),  # averages and the calibration's histograms
    ],
)
@pytest.mark.slow
def test_memory_is_flat_over_a_long_stream(preset: str, frames: int) -> None:
    tracker, detections = Tracker.from_config(preset, max_age=20), stream()
    sizes = []
    for frame in range(frames):
        tracker.update(detections[frame % PERIOD])
        if frame % 50 == 49:
            sizes.append(len(pickle.dumps(tracker)))  # all it holds
    assert tracker.next_id > frames / 20  # tracks came and went all the time
    assert max(sizes[len(sizes) // 2 :]) <= 1.1 * max(sizes[:10])
    held = []
    tracemalloc.start()  # what others may hold on to for it
    for frame in range(2 * PERIOD):
        tracker.update(detections[frame % PERIOD])
        if frame % PERIOD == PERIOD - 1:
            held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert held[1] - held[0] < 20_000
