"""Frames that are refused: in one line, and without a trace in the tracker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest

from tracker import Detections, Tracker
from tracker.core.compiled.core import CompiledCore
from tracker.core.detections import FloatArray

LOOKS = np.eye(8, dtype=np.float32)
PLACES = np.array([[100.0, 100, 140, 180], [300, 100, 340, 180], [500, 100, 540, 180]])
ON_DEMAND: tuple[tuple[str, dict[str, Any]], ...] = (
    ("deepsort", {"max_feature_age": 3}),
    ("flatsort", {"max_feature_age": 3, "max_cosine_distance": 0.2}),
    ("flatsort", {"class_gating": False}),
)


def contents(thing: Any, name: str = "") -> dict[str, Any]:
    """Every number that an object holds, by where it is."""
    if isinstance(thing, np.ndarray):
        return {name: (thing.shape, thing.tobytes())}
    if isinstance(thing, CompiledCore):
        return thing.__getstate__()["contents"]
    if is_dataclass(thing) and hasattr(thing, "__slots__"):
        parts = {field.name: getattr(thing, field.name) for field in fields(thing)}
    elif hasattr(thing, "__dict__"):
        parts = vars(thing)
    else:
        return {name: thing}
    found: dict[str, Any] = {name: type(thing)}
    for part, value in parts.items():
        if part not in ("config", "model"):
            found |= contents(value, f"{name}.{part}")
    return found


def describe(boxes: FloatArray) -> FloatArray:
    return LOOKS[(boxes[:, 0] / 200).astype(int)]


def seen(*rows: int, features: Any = None) -> Detections:
    return Detections(PLACES[list(rows)], features=features, class_ids=[0] * len(rows))


def in_the_middle(preset: str, overrides: dict[str, Any], warp: FloatArray | None = None) -> Tracker:
    """Three tracks, two of them missed, one that ends with the next frame, features known, after a warp or not."""
    tracker = Tracker.from_config(preset, max_age=3, **overrides)
    for rows in ((0, 1, 2), (0, 1, 2), (0, 1, 2), (0, 1), (0, 1), (0,)):
        tracker.update(seen(*rows), describe=describe)
    tracker.update(seen(0), warp=warp, describe=describe)
    return tracker


def nothing(boxes: FloatArray) -> Any:
    return None


def raises(boxes: FloatArray) -> FloatArray:
    raise RuntimeError("the network is out of memory")


BAD_DESCRIPTORS: list[tuple[Callable[[FloatArray], Any], str]] = [
    (raises, "the network is out of memory"),
    (nothing, r"describe: expected \[2, 8\] numbers, one row a box, found None"),
    (lambda boxes: LOOKS[: len(boxes) + 1], r"describe: expected \[2, 8\] numbers, one row a box, found \[3, 8\]"),
    (lambda boxes: LOOKS[0], r"describe: expected \[2, 8\] numbers, one row a box, found \[8\]"),  # one feature
    (lambda boxes: np.zeros((0, 8)), r"describe: expected \[2, 8\] numbers.*found \[0, 8\]"),
    (lambda boxes: np.zeros((2, 0)), r"describe: expected \[2, 8\] numbers.*found \[2, 0\]"),
    (lambda boxes: "features", r"describe: expected \[2, 8\] numbers.*found str"),
    (lambda boxes: [[1.0], [1.0, 2.0]], r"describe: expected \[2, 8\] numbers.*found list"),  # ragged
    (lambda boxes: np.ones((2, 5)), "describe: expected 8 columns as in earlier frames, found 5"),
    (lambda boxes: [[0.0] * 8, [np.nan] * 8], "describe: row 1 is not finite"),
    (lambda boxes: [[np.inf] + [0.0] * 7, [1.0] * 8], "describe: row 0 is not finite"),
    (lambda boxes: [[1.0] * 8, [1e39] + [1.0] * 7], "describe: row 1 is not finite"),  # as a float32
    (lambda boxes: [[1.0] * 8, [1e19] + [1.0] * 7], r"describe: row 1 is longer than 1e\+18"),
]


@pytest.mark.parametrize(("preset", "overrides"), ON_DEMAND)
@pytest.mark.parametrize(("bad", "message"), BAD_DESCRIPTORS)
@pytest.mark.parametrize("jump", [1, 2, 3])  # frames; one of the tracks ends at each
def test_a_frame_that_cannot_be_described_was_never_there(
    preset: str, overrides: dict[str, Any], bad: Callable[[FloatArray], Any], message: str, jump: int
) -> None:
    earlier = np.eye(2, 3) if jump == 2 else None
    tracker, other = (in_the_middle(preset, overrides, earlier) for _ in range(2))
    before = contents(tracker)
    tilted = np.array([[0.99, -0.1, 5], [0.1, 0.99, -3]])
    for warp in (None, tilted):
        with pytest.raises((ValueError, RuntimeError), match=message) as refused:
            tracker.update(seen(1, 2), tracker.frame_index + jump, warp, bad)
        assert "\n" not in str(refused.value)
        assert contents(tracker) == before
    for _ in range(5):  # and goes on as if nothing had happened, with the same number
        for one in (tracker, other):
            one.update(seen(0, 1, 2), one.frame_index + jump, describe=describe)
        assert contents(tracker) == contents(other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"detections": seen(0, features=np.ones((1, 5)))}, "features: expected 8 columns as.*found 5"),
        ({"detections": seen(0, 1, features=[[1.0] * 8, [1e19] * 8])}, r"features: row 1 is longer than 1e\+18"),
        ({"frame_index": np.inf}, "frame_index: expected a whole number below .*found inf"),
        ({"frame_index": np.nan}, "frame_index: expected a whole number below .*found nan"),
        ({"frame_index": 2**70}, "frame_index: expected a whole number below .*found 1180591620717411303424"),
        ({"frame_index": 8.5}, "frame_index: expected a whole number below .*found 8.5"),
        ({"frame_index": "9"}, "frame_index: expected a whole number below .*found '9'"),
        ({"frame_index": [9]}, r"frame_index: expected a whole number below .*found \[9\]"),
        ({"frame_index": 7}, "frame_index: expected more than the last frame's 7, found 7"),
        ({"warp": np.diag([1e-3, 1e-4, 0])[:2]}, "warp: expected a finite, invertible.*scales by 0.0001 to 0.001"),
        ({"warp": [[1e150, 0, 0], [0, 1e150, 0]]}, "warp: expected a finite, invertible"),
        ({"warp": [[1e4, 0, 0], [0, 1e-4, 0]]}, "warp: expected a finite, invertible.*scales by 0.0001 to 1e"),  # det 1
        ({"warp": [[1, 0, 1e200], [0, 1, 0]]}, "warp: expected a finite, invertible"),  # out of any picture
        ({"warp": "none"}, "warp: expected a finite, invertible.*found str"),
    ],
)
@pytest.mark.parametrize("preset", ["deepsort", "flatsort"])
def test_a_refused_frame_was_never_there(preset: str, arguments: dict[str, Any], message: str) -> None:
    tracker, other = in_the_middle(preset, {}), in_the_middle(preset, {})
    before = contents(tracker)
    with pytest.raises(ValueError, match=message) as refused:
        tracker.update(**({"detections": seen(0, 1)} | arguments))
    assert "\n" not in str(refused.value)
    assert contents(tracker) == before
    for one in (tracker, other):
        one.update(seen(0, 1), frame_index=8, describe=describe)
    assert contents(tracker) == contents(other)


def test_the_first_frame_may_be_refused_too() -> None:
    tracker = Tracker.from_config("flatsort")
    before = contents(tracker)
    with pytest.raises(ValueError, match=r"describe: expected \[2, D\] numbers"):
        tracker.update(seen(0, 1), frame_index=5, describe=nothing)
    assert contents(tracker) == before
    assert tracker.update(seen(0, 1), frame_index=5, describe=describe) is not None


@pytest.mark.parametrize("index", [8, 8.0, np.int32(8), np.float64(8), np.uint64(8), 2**53 - 1])
def test_whole_numbers_of_any_type_count_frames(index: Any) -> None:
    tracker = in_the_middle("flatsort", {})
    tracker.update(seen(0), frame_index=index)
    assert tracker.frame_index == int(index)


def test_a_jump_beyond_every_track_predicts_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the tracks live: a million predictions took 22 seconds."""
    monkeypatch.setenv("FLATSORT_BACKEND", "numpy")  # whose filter can be watched
    tracker = Tracker.from_config("flatsort", max_age=10**6)
    for _ in range(4):
        tracker.update(seen(0, 1))
    predicted = []
    monkeypatch.setattr(type(tracker.filter), "predict", lambda self: predicted.append(len(self)))
    tracker.update(seen(0, 1), frame_index=10**9)
    assert predicted == []
    assert tracker.state.ids.tolist() == [3, 4]


@pytest.mark.parametrize("preset", ["sort", "deepsort", "flatsort"])
@pytest.mark.slow
def test_warps_at_the_limits_leave_boxes_or_nothing(preset: str) -> None:
    """Again and again, while nobody is seen: sizes and covariances must not run out of numbers."""
    shear = [[1.0, 900.0, 0], [0.0, 1.0, 0]]
    for linear in ([[1e-3, 0, 0], [0, 1e-3, 0]], [[1e3, 0, 0], [0, 1e3, 0]], [[1e3, 0, 0], [0, 1e-3, 0]], shear):
        if np.linalg.svd(np.array(linear)[:, :2], compute_uv=False)[1] < 1e-3:
            linear = [[1.0, 30.0, 0], [0.0, 1.0, 0]]
        tracker = Tracker.from_config(preset, max_age=60, max_coast=60, min_hits=0)
        with np.errstate(all="raise", under="ignore"):
            for _ in range(4):
                tracker.update(seen(0, 1, features=LOOKS[:2]))
            for _ in range(40):
                tracks = tracker.update(seen(2, features=LOOKS[2:3]), warp=linear)
                assert np.isfinite(tracks.boxes).all()
                assert (tracks.boxes[:, 2:] > tracks.boxes[:, :2]).all()
