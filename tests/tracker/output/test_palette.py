"""Colours of identities: told apart with any colour vision, and read on."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tracker.output.palette import PALETTE, colour_of, css_colour, ink_on

# Machado et al. (2009), table of the full deficiency: linear RGB as it is seen.
VISION = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(rgb: np.ndarray) -> np.ndarray:
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def differences(rgb: np.ndarray, vision: np.ndarray) -> np.ndarray:
    """CIE76 between any two colours [N, 3] as they are seen; CIELAB by OpenCV."""
    seen = np.clip(linear(rgb) @ np.transpose(vision), 0, 1)
    encoded = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = cv2.cvtColor(encoded[None].astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    return np.linalg.norm(lab[:, None] - lab[None], axis=2)


RGB = np.array([[int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)] for colour in PALETTE])


@pytest.mark.parametrize("vision", VISION)
def test_any_two_colours_differ_whatever_ones_eyes(vision: str) -> None:
    apart = differences(RGB, np.array(VISION[vision]))
    assert apart[np.triu_indices(len(RGB), 1)].min() > 27
    following = [apart[place, (place + 1) % len(RGB)] for place in range(len(RGB))]
    assert min(following) > 37


def test_colours_stay_and_come_again() -> None:
    assert (
        [css_colour(track) for track in range(1, 11)] == list(PALETTE) == [css_colour(track) for track in range(11, 21)]
    )
    assert len({colour_of(track) for track in range(1, 300)}) == len(PALETTE)


def test_ink_is_read_on_every_colour() -> None:
    """WCAG asks for a contrast of 4.5."""
    for track in range(1, len(PALETTE) + 1):
        ground = linear(RGB[track - 1]) @ [0.2126, 0.7152, 0.0722]
        ink = 1.0 if ink_on(colour_of(track)) == (255, 255, 255) else 0.0
        assert (max(ground, ink) + 0.05) / (min(ground, ink) + 0.05) > 4.5
