"""The pendulum renderer against the geometry it claims."""

import numpy as np
import pytest
import torch

from embedding.config import DataConfig
from embedding.data import load_data
from embedding.data.pendulum import ROD_LENGTH, SIDE, render_pendulum


def brightest(image: np.ndarray) -> tuple[float, float]:
    """Centre of mass of the brightest part, pixels to the right of and below the centre."""
    weight = np.where(image > 0.7, image, 0)
    axis = np.arange(SIDE) - (SIDE - 1) / 2
    return (weight.sum(0) @ axis) / weight.sum(), (weight.sum(1) @ axis) / weight.sum()


@pytest.mark.parametrize(
    ("angle", "right", "down"),
    [
        (0, 0, ROD_LENGTH),  # hanging straight down
        (90, ROD_LENGTH, 0),  # to the right
        (180, 0, -ROD_LENGTH),  # upside down
        (225, -ROD_LENGTH * 0.5**0.5, -ROD_LENGTH * 0.5**0.5),  # up and to the left
    ],
)
def test_the_bob_is_where_the_angle_says(angle: float, right: float, down: float) -> None:
    assert brightest(render_pendulum(np.array([angle]))[0]) == pytest.approx((right, down), abs=0.5)  # half a pixel


def test_images_are_a_closed_smooth_curve_of_constant_speed() -> None:
    images = render_pendulum(np.linspace(0, 360, 721)).reshape(721, -1)
    speed = np.linalg.norm(np.diff(images, axis=0), axis=1)
    np.testing.assert_allclose(images[0], images[-1], atol=1e-6)
    assert speed.max() / speed.min() < 1.02


def test_noise_angles_and_seed_are_as_configured() -> None:
    data = load_data(DataConfig(kind="pendulum", count=2000, noise=0.05, seed=3))
    noise = data.values - data.clean
    assert noise.std().item() == pytest.approx(0.05, rel=0.01)
    assert np.histogram(data.angles, bins=4, range=(0, 360))[0] == pytest.approx(500, abs=80)
    again = load_data(DataConfig(kind="pendulum", count=2000, noise=0.05, seed=3))
    other = load_data(DataConfig(kind="pendulum", count=2000, noise=0.05, seed=4))
    assert torch.equal(data.values, again.values)
    assert not torch.equal(data.values, other.values)


def test_variance_and_batches_describe_the_values() -> None:
    data = load_data(DataConfig(kind="pendulum", count=500))
    batch = data.batch(torch.tensor([3, 1]))
    assert batch.shape == (2, 16, 16)
    assert batch.dtype == torch.float32
    assert torch.equal(batch[1], data.values[1])
    assert data.variance == pytest.approx(data.values.numpy().var(axis=0).mean(), rel=1e-5)
    assert data.describe()["count"] == len(data) == 500


def test_standardised_values_keep_the_image() -> None:
    plain = load_data(DataConfig(kind="pendulum", count=300))
    scaled = load_data(DataConfig(kind="pendulum", count=300, scale="standardised"))
    about = scaled.describe()
    assert scaled.values.std(unbiased=False).item() == pytest.approx(1, abs=1e-4)
    torch.testing.assert_close(scaled.values * about["std"] + about["mean"], plain.values, atol=1e-5, rtol=0)
