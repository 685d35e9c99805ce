"""How the camera moved between two frames, as an affine warp, from the frames alone."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tracker.core.detections import FloatArray, Image

Method = Literal["ecc", "sparse"]

LONGER_SIDE = 480  # pixels of the grey image that is compared
ITERATIONS, TOLERANCE = 60, 1e-5  # of ECC: at most so many steps, until the correlation gains less
SMOOTHING = 5  # pixels of the Gaussian ECC applies
POINTS, APART = 400, 7  # corners followed, and the least distance between them, pixels
LEAST_POINTS = 12  # as many must agree on a motion
REPROJECTION = 1.5  # pixels of the small image a point may be off and still agree (RANSAC)


class CameraMotion:
    """Estimates the warp from the previous frame to each frame it is given.

    Both find a similarity: rotation, zoom and translation. `ecc` maximises the enhanced correlation coefficient of the
    grey images over affine motions (Evangelidis and Psarakis 2008), of which it takes the nearest similarity. `sparse`
    follows corners by optical flow (Lucas and Kanade 1981, in pyramids) and fits one to those that agree (RANSAC); it
    is faster and bears quicker pans.

    Attributes:
        failures: frames for which no motion was found, and the camera was taken to stand still.
    """

    def __init__(self, method: Method = "sparse") -> None:
        if method not in get_args(Method):
            raise ValueError(f"method: expected {' or '.join(get_args(Method))}, found {method!r}")
        self.method = method
        self.failures = 0
        self._before: NDArray[np.uint8] | None = None
        self._still_before: NDArray[np.uint8] | None = None

    def estimate(self, image: Image, mask_boxes: FloatArray | None = None) -> FloatArray:
        """Warp [2, 3], float64: `warp @ (x, y, 1)` is where a point of the previous frame is in this one, pixels.

        Args:
            image: BGR uint8 [H, W, 3].
            mask_boxes: [N, 4] corners of what moves by itself, such as detections; it is left out of account.

        Returns:
            The identity for the first frame, for one of another size than the last, and where nothing converges.
        """
        import cv2

        scale = min(1.0, LONGER_SIDE / max(image.shape[:2]))
        grey = cv2.resize(
            cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
        )
        now = np.asarray(grey, np.uint8)
        still = _without(now.shape, mask_boxes, scale)
        before, still_before = self._before, self._still_before
        self._before, self._still_before = now, still
        if before is None or still_before is None or before.shape != now.shape:
            return np.eye(2, 3)
        warp = _by_ecc(before, now, still) if self.method == "ecc" else _by_points(before, now, still_before)
        if warp is None:
            self.failures += 1
            return np.eye(2, 3)
        # Pixel centres are at whole coordinates, so scaling an image by s takes x to s (x + 1/2) - 1/2; undo that.
        warp[:, 2] = (warp[:, 2] + (warp[:, :2] - np.eye(2)) @ np.full(2, 0.5 * scale - 0.5)) / scale
        return warp


def _without(shape: tuple[int, ...], boxes: FloatArray | None, scale: float) -> NDArray[np.uint8]:
    """Mask [H, W] of the pixels outside the boxes; all of them where the boxes would leave too little."""
    mask = np.full(shape, 255, np.uint8)
    for left, top, right, bottom in [] if boxes is None else (np.asarray(boxes) * scale).round().astype(int).clip(0):
        mask[top:bottom, left:right] = 0
    return mask if np.count_nonzero(mask) > 0.1 * mask.size else np.full(shape, 255, np.uint8)


def _by_ecc(before: NDArray[np.uint8], now: NDArray[np.uint8], still: NDArray[np.uint8]) -> FloatArray | None:
    import cv2

    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, ITERATIONS, TOLERANCE)
    start = np.eye(2, 3, dtype=np.float32)
    try:
        # OpenCV takes the mask of the image that is warped onto the other: of this frame.
        _, warp = cv2.findTransformECC(before, now, start, cv2.MOTION_AFFINE, criteria, still, SMOOTHING)
    except cv2.error:  # it did not converge
        return None
    return _nearest_similarity(np.asarray(warp, np.float64), before.shape)


def _nearest_similarity(warp: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """The similarity [2, 3] nearest to an affine warp (Frobenius norm) that moves the middle of [H, W] like it."""
    height, width = shape
    middle = np.array([width - 1, height - 1]) / 2
    along, across = (warp[0, 0] + warp[1, 1]) / 2, (warp[1, 0] - warp[0, 1]) / 2
    turn = np.array([[along, -across], [across, along]])
    return np.column_stack((turn, (warp[:, :2] - turn) @ middle + warp[:, 2]))


def _by_points(before: NDArray[np.uint8], now: NDArray[np.uint8], still: NDArray[np.uint8]) -> FloatArray | None:
    import cv2

    corners = cv2.goodFeaturesToTrack(before, POINTS, 0.01, APART, mask=still)
    if corners is None or len(corners) < LEAST_POINTS:
        return None
    moved, found, _ = cv2.calcOpticalFlowPyrLK(before, now, corners, None)  # type: ignore[call-overload]
    seen = found.ravel() == 1
    if seen.sum() < LEAST_POINTS:
        return None
    warp, agreeing = cv2.estimateAffinePartial2D(
        corners[seen], moved[seen], method=cv2.RANSAC, ransacReprojThreshold=REPROJECTION
    )
    if warp is None or agreeing.sum() < LEAST_POINTS:
        return None
    return np.asarray(warp, np.float64)
