"""The compiled core against its oracle, the NumPy code: the same rows on any stream, with any settings."""

from __future__ import annotations

import os

import numpy as np
import pytest

from tests.tracker.core.streams import Frame, first_difference, random_config, random_stream, run
from tracker import Tracker, TrackerConfig
from tracker.core.compiled import why_absent

compiled_only = pytest.mark.skipif(why_absent() is not None, reason=f"no compiled core: {why_absent()}")
RANDOM_STREAMS = int(os.environ.get("FLATSORT_STREAMS", "100"))


def on(backend: str, config: TrackerConfig) -> Tracker:
    """A tracker on the given core."""
    before = os.environ.get("FLATSORT_BACKEND")
    os.environ["FLATSORT_BACKEND"] = backend
    try:
        return Tracker(config)
    finally:
        if before is None:
            del os.environ["FLATSORT_BACKEND"]
        else:
            os.environ["FLATSORT_BACKEND"] = before


def compare(config: TrackerConfig, stream: list[Frame]) -> str | None:
    """The first difference between the two cores."""
    ours, oracle = on("compiled", config), on("numpy", config)
    assert (ours.backend, oracle.backend) == ("compiled", "numpy")
    different = first_difference(run(ours, stream), run(oracle, stream))
    if different is None and (ours.gate, ours.next_id, ours.detections_used) != (
        oracle.gate,
        oracle.next_id,
        oracle.detections_used,
    ):
        return f"gate {ours.gate} and {oracle.gate}, next id {ours.next_id} and {oracle.next_id}"
    return different


@compiled_only
@pytest.mark.parametrize("part", range(10))
@pytest.mark.slow
def test_any_settings_on_any_stream_give_the_same_rows(part: int) -> None:
    different = {}
    for seed in range(part, RANDOM_STREAMS, 10):
        random = np.random.default_rng(seed)
        found = compare(random_config(random), random_stream(random, frames=int(random.integers(2, 60))))
        if found:
            different[seed] = found
    assert different == {}
