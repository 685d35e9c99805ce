"""Where people stand and walk: time spent, as light on a picture of the scene."""

from __future__ import annotations

import numpy as np

from tracker.core.detections import FloatArray, Image

WIDEST = 960  # pixels of a picture on the page
SPREAD = 0.012  # standard deviation of a foot's place, of the picture's width
BRIGHTEST = 99.7  # percentile of the lit places that is fully bright: one who waits does not outshine all
DIM = 0.5  # of the scene's brightness is left


def heat_map(feet: FloatArray, scene: Image) -> Image:
    """Feet [K, 2], a row a frame somebody is there, as light on a picture [H, W, 3] of at most `WIDEST` pixels.

    The colours are OpenCV's inferno, whose lightness grows evenly: it is read the same with any eyes, and in print.
    """
    import cv2

    ground = small(scene)
    height, width = ground.shape[:2]
    inside = np.clip(feet * (width / scene.shape[1]), 0, (width - 1, height - 1)).astype(int)
    time = np.bincount(inside[:, 1] * width + inside[:, 0], minlength=width * height).reshape(height, width)
    spread = cv2.GaussianBlur(time.astype(np.float32), (0, 0), SPREAD * width)
    lit = spread[spread > spread.max(initial=0) / 1000]
    share = np.clip(spread / np.percentile(lit, BRIGHTEST), 0, 1) if len(lit) else spread
    colours = cv2.applyColorMap((255 * np.sqrt(share)).astype(np.uint8), cv2.COLORMAP_INFERNO)
    grey = cv2.cvtColor(cv2.cvtColor(ground, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR) * DIM
    opacity = np.sqrt(share)[..., None] * 0.9
    return np.asarray((1 - opacity) * grey + opacity * colours, np.uint8)


def small(scene: Image) -> Image:
    """The picture, no wider than the page shows it."""
    import cv2

    height, width = scene.shape[:2]
    if width <= WIDEST:
        return scene
    return np.asarray(
        cv2.resize(scene, (WIDEST, round(height * WIDEST / width)), interpolation=cv2.INTER_AREA), np.uint8
    )
