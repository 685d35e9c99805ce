"""The compiled core against its oracle, the NumPy code: the same rows on any stream, with any settings."""

from __future__ import annotations

import copy
import os
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tracker.core.streams import Frame, first_difference, random_config, random_stream, run
from tracker import Detections, InputError, Tracker, TrackerConfig, load_config
from tracker.core import tracker as trackers
from tracker.core.compiled import why_absent
from tracker.core.detections import FloatArray
from tracker.files.motchallenge import DetectionTable, read_detections

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


@compiled_only
@pytest.mark.parametrize("seed", range(6))
def test_a_tracker_that_was_kept_goes_on(seed: int) -> None:
    """Pickled or copied between any two frames: galleries, averages, votes, the gate's histograms, full filters."""
    random = np.random.default_rng(seed)
    stream = random_stream(np.random.default_rng(4), frames=50)
    for preset, overrides in (
        ("sort", {}),
        ("deepsort", {"budget": 3, "class_gating": False}),
        ("flatsort", {"metric": "euclidean" if seed % 2 else "cosine"}),
    ):
        config = load_config(preset, overrides)
        whole, kept = on("compiled", config), on("compiled", config)
        for frame in stream:
            if random.random() < 0.3:
                kept = pickle.loads(pickle.dumps(kept)) if random.random() < 0.5 else copy.deepcopy(kept)
            assert first_difference(run(whole, [frame]), run(kept, [frame])) is None


@compiled_only
@pytest.mark.parametrize("seed", range(40))
def test_what_a_tracker_shows_of_itself_is_what_the_oracle_knows(seed: int) -> None:
    random = np.random.default_rng(seed)
    config, stream = random_config(random), random_stream(random, frames=30)
    ours, oracle = on("compiled", config), on("numpy", config)
    run(ours, stream), run(oracle, stream)
    for name in ("ids", "hits", "streak", "age", "missed", "detection", "class_ids", "confirmed", "scores"):
        np.testing.assert_array_equal(getattr(ours.state, name), getattr(oracle.state, name))
    assert type(ours.filter) is type(oracle.filter)
    np.testing.assert_allclose(ours.filter.mean, oracle.filter.mean, rtol=1e-9, atol=1e-6)
    assert (ours.threshold is None) == (oracle.threshold is None)
    if ours.threshold is not None and oracle.threshold is not None:
        assert (ours.threshold.value, ours.threshold.gate) == (oracle.threshold.value, oracle.threshold.gate)
        assert ours.threshold.true_accepts == oracle.threshold.true_accepts
    assert (ours.votes is None) == (oracle.votes is None)
    assert type(ours.memory) is type(oracle.memory)


MOT16 = ("MOT16-04", "MOT16-09", "MOT16-10", "MOT16-11", "MOT16-13")
ALL = {"min_confidence": 0, "nms_max_overlap": 1}


def frames_of(table: DetectionTable) -> list[Frame]:
    return [Frame(table.at(frame), frame, None, None) for frame in range(1, table.last_frame + 1)]


@compiled_only
@pytest.mark.parametrize(("preset", "overrides"), [("sort", {"max_age": 30}), ("flatsort", {})])
@pytest.mark.parametrize("name", MOT16)
@pytest.mark.slow
def test_real_boxes_give_the_same_rows(shared: Path, name: str, preset: str, overrides: dict[str, Any]) -> None:
    stream = frames_of(read_detections(shared / "data/mot16" / name / "det/sdp.txt"))
    assert compare(load_config(preset, overrides), stream) is None


@compiled_only
@pytest.mark.parametrize(("preset", "overrides"), [("deepsort", ALL), ("deepsort", {}), ("flatsort", {})])
@pytest.mark.parametrize("name", ["MOT16-09", "MOT16-13"])
@pytest.mark.slow
def test_real_features_give_the_same_rows(shared: Path, name: str, preset: str, overrides: dict[str, Any]) -> None:
    stream = frames_of(read_detections(shared / "data/reference/deepsort_sim" / f"{name}.npy"))
    assert compare(load_config(preset, overrides), stream) is None


@compiled_only
@pytest.mark.slow
def test_stress_streams_give_the_same_rows(shared: Path) -> None:
    different = {}
    for path in sorted((shared / "data/reference/stress").glob("*.npz")):
        with np.load(path) as stored:
            rows = stored["detections"].astype(float)
        corners = np.concatenate((rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]), axis=1)
        looks = rows[:, 10:] if rows.shape[1] > 10 else None
        table = DetectionTable(rows[:, 0].astype(int), corners, rows[:, 6], looks)
        for preset, overrides in (("sort", {"max_age": 30}), ("deepsort", ALL), ("flatsort", {})):
            found = compare(load_config(preset, overrides), frames_of(table))
            if found:
                different[path.name, preset] = found
    assert different == {}


BOXES = np.array([[0.0, 0, 40, 80], [100, 0, 140, 80], [200, 0, 240, 80]])


@compiled_only
@pytest.mark.parametrize(
    "form",
    [
        np.asfortranarray,
        lambda array: np.repeat(array, 2, axis=0)[::2],  # with gaps
        lambda array: array[::-1][::-1],
        lambda array: array.astype(np.float32),
        lambda array: array.astype(">f8"),
        lambda array: array.astype(int).tolist(),
        lambda array: array.astype(object),
        lambda array: np.lib.stride_tricks.as_strided(array, array.shape, array.strides, writeable=False),
    ],
)
def test_arrays_of_any_form_are_taken(form: Any) -> None:
    boxes, looks = form(BOXES), form(np.eye(3, 8))
    stream = [Frame(Detections(boxes, [0.9, 0.8, 0.7], looks, [0, 1, 2]), None, None, None)] * 5
    config = load_config("flatsort", {"max_cosine_distance": 0.2})
    assert compare(config, stream) is None
    assert len(run(on("compiled", config), stream)[-1]) == 3


@compiled_only
@pytest.mark.parametrize(
    "hostile",
    [
        {"features": np.full((3, 8), 1e20)},
        {"features": np.ones((3, 5))},
        {"features": np.zeros((3, 0))},
        {"boxes": BOXES * np.nan},
        {"boxes": BOXES + np.inf},
        {"boxes": BOXES + 1e9},
        {"scores": [0.5, np.nan, 0.5]},
        {"features": np.full((3, 8), np.nan)},
        {"class_ids": [0.5, 1, 2]},
    ],
)
def test_hostile_arrays_are_refused_in_the_same_words(hostile: dict[str, Any]) -> None:
    said = []
    for backend in ("compiled", "numpy"):
        tracker = on(backend, load_config("flatsort"))
        tracker.update(Detections(BOXES, features=np.eye(3, 8)))
        with pytest.raises(ValueError) as refused:
            tracker.update(Detections(**({"boxes": BOXES} | hostile)))
        said.append((type(refused.value), str(refused.value), tracker.frame_index))
    assert said[0] == said[1]


@compiled_only
def test_arrays_changed_behind_the_checks_do_no_harm() -> None:
    """A frame whose numbers were spoilt after they had been looked at, or whose arrays no longer fit."""
    tracker = on("compiled", load_config("flatsort"))
    spoilt = Detections(BOXES.copy())
    spoilt.boxes[1] = np.nan
    with pytest.raises(ValueError, match="finite"):
        tracker.update(spoilt)
    torn = Detections(BOXES)
    torn.scores = torn.scores[:2]
    with pytest.raises(ValueError, match="one row a box"):
        tracker.update(torn)
    assert tracker.frame_index == 0


@compiled_only
def test_trackers_of_many_threads_are_strangers() -> None:
    config = load_config("deepsort")
    streams = [random_stream(np.random.default_rng(seed), frames=150) for seed in range(8)]
    alone = [run(on("compiled", config), stream) for stream in streams]
    together: list[Any] = [None] * 8
    trackers_of = [on("compiled", config) for _ in streams]

    def work(k: int) -> None:
        together[k] = run(trackers_of[k], streams[k])

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [first_difference(a, b) for a, b in zip(alone, together, strict=True)] == [None] * 8


@compiled_only
def test_a_frame_within_a_frame_is_refused() -> None:
    tracker = on("compiled", load_config("flatsort"))

    def describe(boxes: FloatArray) -> FloatArray:
        tracker.update(Detections(BOXES))
        return np.eye(len(boxes), 8)

    with pytest.raises(RuntimeError, match="while a frame is being described"):
        tracker.update(Detections(BOXES), describe=describe)
    assert tracker.update(Detections(BOXES), describe=lambda boxes: np.eye(len(boxes), 8)) is not None


@compiled_only
@pytest.mark.skipif("libasan" in os.environ.get("LD_PRELOAD", ""), reason="the address sanitizer keeps what is freed")
@pytest.mark.slow
def test_memory_is_flat() -> None:
    """Births and deaths by the ten thousand: the process grows no more after it has warmed up."""
    frames = int(os.environ.get("FLATSORT_FRAMES", "6000"))
    tracker, random = on("compiled", load_config("deepsort", {"max_age": 5, "budget": 20})), np.random.default_rng(0)
    sizes, corner = [], np.zeros((12, 1))
    for frame in range(frames):
        corner = random.uniform(0, 2000, (12, 1)) if frame % 8 == 0 else corner + 1
        boxes = np.concatenate((corner, corner, corner + 40, corner + 80), axis=1)
        tracker.update(Detections(boxes, features=random.normal(size=(12, 32))))
        if frame % (frames // 10) == frames // 20:
            sizes.append(int(Path("/proc/self/statm").read_text().split()[1]) if Path("/proc").is_dir() else 0)
    assert tracker.next_id > frames
    assert max(sizes[2:]) - sizes[1] < 500  # pages of 4 kB


def test_the_environment_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config("sort")
    monkeypatch.setenv("FLATSORT_BACKEND", "numpy")
    assert Tracker(config).backend == "numpy"
    monkeypatch.delenv("FLATSORT_BACKEND")
    assert Tracker(config).backend == ("numpy" if why_absent() else "compiled")
    monkeypatch.setenv("FLATSORT_BACKEND", "fortran")
    with pytest.raises(InputError, match="FLATSORT_BACKEND=fortran: expected compiled or numpy"):
        Tracker(config)


def test_who_insists_on_what_is_absent_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers, "why_absent", lambda: "not built")
    monkeypatch.delenv("FLATSORT_BACKEND", raising=False)
    assert Tracker(load_config("sort")).backend == "numpy"
    monkeypatch.setenv("FLATSORT_BACKEND", "compiled")
    with pytest.raises(InputError, match=r"FLATSORT_BACKEND=compiled: the compiled core is absent \(not built\)"):
        Tracker(load_config("sort"))


def test_numbers_beyond_64_bits_are_left_to_numpy() -> None:
    assert Tracker(load_config("sort", {"max_age": 10**30})).backend == "numpy"
