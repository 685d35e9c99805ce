"""The best pictures of each identity, chosen as the frames go by: large, sharp, uncovered, spread in time."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from tracker.core.boxes import area, intersection
from tracker.core.detections import FloatArray, Image, Tracks

PER_IDENTITY = 4
TALLEST = 240  # pixels of a crop's height, twice what the page shows: sharp on any screen
MARGIN = 0.04  # of the box around it
FIRST_STEP = 8  # frames that compete for one place at first
MOST = 300  # identities with pictures
FAR = 100.0  # pixels of height at which half of what one wants to see is seen
SHARP = 150.0  # variance of the Laplacian at which a crop is half as good as a perfectly sharp one
SHARPNESS_SIZE = (48, 96)  # pixels to which a crop is brought to be compared


@dataclass(frozen=True)
class Crop:
    """A picture of an identity.

    Attributes:
        frame: it was cut from.
        quality: 0 to 1.
        jpeg: the file's bytes.
    """

    frame: int
    quality: float
    jpeg: bytes


@dataclass
class _Kept:
    """The best crop of each stretch of `step` frames; the stretches double when there are too many."""

    step: int = FIRST_STEP
    crops: dict[int, Crop] = field(default_factory=dict)  # frame // step -> crop
    looks: int = 0

    def best_so_far(self, frame: int) -> float:
        crop = self.crops.get(frame // self.step)
        return 0.0 if crop is None else crop.quality

    def put(self, crop: Crop) -> None:
        self.crops[crop.frame // self.step] = crop
        if len(self.crops) > 2 * PER_IDENTITY:
            self.step *= 2
            crops = sorted(self.crops.values(), key=lambda one: one.quality)
            self.crops = {one.frame // self.step: one for one in crops}  # of two, the better one comes last


class BestCrops:
    """Looks at every frame once, and keeps at most `2 * PER_IDENTITY` small JPEGs of at most `2 * most` identities.

    Args:
        most: identities whose pictures are kept in the end: those that were seen longest.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: defaultdict[int, _Kept] = defaultdict(_Kept)

    def see(self, frame_index: int, image: Image, tracks: Tracks) -> None:
        """Take in a frame; nothing of it is kept but what is cut out."""
        at_best = quality_at_best(tracks.boxes, image)
        at_best[tracks.detection < 0] = 0  # nobody was found there
        for row in np.flatnonzero(at_best > 0).tolist():
            kept = self._kept[int(tracks.ids[row])]
            kept.looks += 1
            best = kept.best_so_far(frame_index)
            if at_best[row] <= best:
                continue
            crop = cut(image, tracks.boxes[row])
            quality = float(at_best[row]) * sharpness(crop)
            if quality > best:
                kept.put(Crop(frame_index, quality, _jpeg(crop)))
        if len(self._kept) > 2 * self._most:  # room for as many new ones until it is asked again who stays
            for one in self._longest_first()[self._most :]:
                del self._kept[one]

    def best(self) -> dict[int, list[Crop]]:
        """Up to `PER_IDENTITY` crops of each identity, in the order of time."""
        longest = self._longest_first()[: self._most]
        return {one: _chosen(list(self._kept[one].crops.values())) for one in sorted(longest)}

    def _longest_first(self) -> list[int]:
        return sorted(self._kept, key=lambda one: -self._kept[one].looks)


def _chosen(crops: list[Crop]) -> list[Crop]:
    best = sorted(crops, key=lambda crop: -crop.quality)[:PER_IDENTITY]
    return sorted(best, key=lambda crop: crop.frame)


def quality_at_best(boxes: FloatArray, image: Image) -> FloatArray:
    """How well each box [N, 4] shows somebody if it is sharp, [N] from 0 to 1.

    Counted are the share of the box inside the picture, the share that no nearer box covers (one whose lower edge is
    lower), both squared as half a person is less than half as good, and the height.
    """
    height, width = image.shape[:2]
    whole = np.array([[0.0, 0.0, width, height]])
    size = area(boxes)
    valid = size > 0
    inside = np.divide(intersection(boxes, whole)[:, 0], size, out=np.zeros(len(boxes)), where=valid)
    nearer = boxes[:, 3][None] > boxes[:, 3][:, None]
    covered = np.divide((intersection(boxes, boxes) * nearer).sum(axis=1), size, out=np.ones(len(boxes)), where=valid)
    tall = np.maximum(np.clip(boxes[:, 3], 0, height) - np.clip(boxes[:, 1], 0, height), 0)
    return np.square(inside) * np.square(np.clip(1 - covered, 0, 1)) * tall / (tall + FAR)


def sharpness(crop: Image) -> float:
    """From 0, blurred, to 1: the variance of the Laplacian (Pech-Pacheco et al., 2000) at one size."""
    import cv2

    grey = cv2.resize(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), SHARPNESS_SIZE, interpolation=cv2.INTER_AREA)
    variance = float(cv2.Laplacian(grey, cv2.CV_32F).var())
    return variance / (variance + SHARP)


def cut(image: Image, box: FloatArray) -> Image:
    """A box with its margin, as far as it lies in the picture; at most `TALLEST` pixels high."""
    import cv2

    height, width = image.shape[:2]
    margin = MARGIN * (box[2:] - box[:2])
    left, top = np.clip(np.floor(box[:2] - margin), 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(np.ceil(box[2:] + margin), (left + 1, top + 1), (width, height)).astype(int)
    part = image[top:bottom, left:right]
    if len(part) <= TALLEST:
        return part
    size = max(1, round(part.shape[1] * TALLEST / len(part))), TALLEST
    return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)


def _jpeg(image: Image) -> bytes:
    import cv2

    encoded, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 82])
    assert encoded
    return data.tobytes()
