"""Camera motion against known warps of pictures, with people in the way, and where there is nothing to hold on to."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tracker.demo.scene import background
from tracker.input.camera_motion import CameraMotion

PICTURE = background(np.random.default_rng(0))
HEIGHT, WIDTH = PICTURE.shape[:2]
CORNERS = np.array([[0, 0], [WIDTH, 0], [0, HEIGHT], [WIDTH, HEIGHT]], float)


def motion(right: float = 0, down: float = 0, degrees: float = 0, zoom: float = 1) -> np.ndarray:
    """About the middle of the picture."""
    warp = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), degrees, zoom)
    warp[:, 2] += right, down
    return warp


def moved(image: np.ndarray, warp: np.ndarray) -> np.ndarray:
    return cv2.warpAffine(image, warp, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def error_at_corners(found: np.ndarray, true: np.ndarray) -> float:
    """Pixels, at the worst corner."""
    shift = CORNERS @ (found[:, :2] - true[:, :2]).T + found[:, 2] - true[:, 2]
    error = float(np.linalg.norm(shift, axis=1).max())
    print(f"error {error:.3f}")
    return error


@pytest.mark.parametrize(
    ("method", "true"),
    [
        ("ecc", motion()),  # none
        ("ecc", motion(right=6.3, down=-3.6)),  # pan and tilt
        ("ecc", motion(degrees=0.8)),  # roll
        ("ecc", motion(-4, 2, 0.5)),  # both
        ("ecc", motion(zoom=1.02)),  # zoom
        ("ecc", motion(-4, 2, 0.5, 0.985)),  # all
        ("sparse", motion()),
        ("sparse", motion(right=6.3, down=-3.6)),
        ("sparse", motion(right=25)),  # a quick pan
        ("sparse", motion(degrees=0.8)),
        ("sparse", motion(zoom=1.02)),
        ("sparse", motion(-4, 2, 0.5, 0.985)),
    ],
)
def test_known_motions_are_found(method, true: np.ndarray) -> None:
    camera = CameraMotion(method)
    np.testing.assert_array_equal(camera.estimate(PICTURE), np.eye(2, 3))
    found = camera.estimate(moved(PICTURE, true))
    assert (found.shape, found.dtype, camera.failures) == ((2, 3), np.float64, 0)
    assert error_at_corners(found, true) < 0.5


@pytest.mark.parametrize("zoom", [0.9, 1.1])
@pytest.mark.parametrize("method", ["ecc", "sparse"])
def test_a_quick_zoom_is_found(method, zoom: float) -> None:
    camera = CameraMotion(method)
    camera.estimate(PICTURE)
    found = camera.estimate(moved(PICTURE, motion(zoom=zoom)))
    assert np.sqrt(np.linalg.det(found[:, :2])) == pytest.approx(zoom, abs=2e-3)
    np.testing.assert_allclose(found[:, :2] @ found[:, :2].T, np.eye(2) * zoom**2, atol=5e-3)  # a similarity


@pytest.mark.parametrize("method", ["ecc", "sparse"])
def test_real_frames(shared: Path, method) -> None:
    """A photograph of a street, warped: noise, blur and JPEG blocks included."""
    picture = cv2.imread(str(shared / "data/mot15/TUD-Stadtmitte/img1/000001.jpg"))
    true = np.array([[1, 0, 3.4], [0, 1, -2.2]], float)
    size = picture.shape[1], picture.shape[0]
    camera = CameraMotion(method)
    camera.estimate(picture)
    found = camera.estimate(cv2.warpAffine(picture, true, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT))
    assert error_at_corners(found, true) < 0.5


@pytest.mark.parametrize("method", ["ecc", "sparse"])
def test_what_moves_by_itself_is_left_out(method) -> None:
    """A textured bus fills half the picture and drives right while the camera pans left."""
    bus = np.random.default_rng(1).integers(0, 256, (30, 50, 3), dtype=np.uint8)
    bus = cv2.resize(bus, (500, 300), interpolation=cv2.INTER_CUBIC)
    true = motion(right=-5)
    frames, boxes = [], []
    for left, picture in ((200, PICTURE), (210, moved(PICTURE, true))):
        frames.append(picture.copy())
        frames[-1][150:450, left : left + 500] = bus
        boxes.append(np.array([[left - 4, 146, left + 504, 454]], float))
    camera = CameraMotion(method)
    camera.estimate(frames[0], boxes[0])
    assert error_at_corners(camera.estimate(frames[1], boxes[1]), true) < 0.7


@pytest.mark.parametrize("method", ["ecc", "sparse"])
def test_without_anything_to_hold_on_to_the_camera_stands_still(method) -> None:
    camera = CameraMotion(method)
    blank = np.full_like(PICTURE, 128)
    camera.estimate(blank)
    np.testing.assert_array_equal(camera.estimate(blank), np.eye(2, 3))
    assert camera.failures == 1


def test_another_frame_size_begins_anew() -> None:
    camera = CameraMotion("sparse")
    camera.estimate(PICTURE)
    np.testing.assert_array_equal(camera.estimate(PICTURE[:300]), np.eye(2, 3))
    assert camera.failures == 0


def test_boxes_over_the_whole_picture_are_ignored() -> None:
    camera = CameraMotion("sparse")
    everything = np.array([[-10, -10, 5000, 5000]], float)
    camera.estimate(PICTURE, everything)
    assert error_at_corners(camera.estimate(moved(PICTURE, motion(3)), everything), motion(3)) < 0.5


def test_unknown_method() -> None:
    with pytest.raises(ValueError, match="expected ecc or sparse, found 'orb'"):
        CameraMotion("orb")  # type: ignore[arg-type]
