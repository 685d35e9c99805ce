"""What augmentation does to an image, and that it is a function of its numbers."""

import pytest
import torch

from embedding.config import AugmentationConfig
from embedding.training.augmentation import NUMBERS, augment

ALL = AugmentationConfig(flip=True, shift=0.1, brightness=0.2, colour=0.2, erase=0.5)


def images(count: int = 6) -> torch.Tensor:
    return torch.randn(count, 3, 16, 24, generator=torch.Generator().manual_seed(0))


def numbers(count: int = 6, seed: int = 1) -> torch.Tensor:
    return torch.rand(count, NUMBERS, generator=torch.Generator().manual_seed(seed))


def test_equal_numbers_equal_images_and_each_image_by_its_own() -> None:
    found = augment(images(), numbers(), ALL)
    torch.testing.assert_close(augment(images(), numbers(), ALL), found, rtol=0, atol=0)
    torch.testing.assert_close(augment(images()[2:3], numbers()[2:3], ALL), found[2:3])
    assert not torch.allclose(augment(images(), numbers(seed=2), ALL), found)


def test_the_middle_of_all_ranges_changes_nothing() -> None:
    """0.5 is no shift, no change of light; only the mirror and the rectangle are yes or no."""
    quiet = ALL.model_copy(update={"flip": False, "erase": 0.0})
    torch.testing.assert_close(augment(images(), torch.full((6, NUMBERS), 0.5), quiet), images(), rtol=1e-4, atol=1e-5)


def test_mirrored() -> None:
    chosen = torch.full((6, NUMBERS), 0.5)
    chosen[:3, 4] = 0.2
    found = augment(images(), chosen, AugmentationConfig(flip=True))
    torch.testing.assert_close(found[:3], images()[:3].flip(3), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[3:], images()[3:], rtol=1e-4, atol=1e-5)


def test_light_by_hand() -> None:
    chosen = torch.full((6, NUMBERS), 0.5)
    chosen[:, 5], chosen[:, 6] = 1.0, 0.0  # contrast up, brightness down
    found = augment(images(), chosen, AugmentationConfig(brightness=0.3))
    torch.testing.assert_close(found, images() * 1.3 - 0.3)


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_a_share_of_the_images_is_partly_hidden(share: float) -> None:
    many = torch.zeros(400, 3, 20, 20)
    many[:] = torch.linspace(2, 3, 20)  # unlike any grey a rectangle can have
    found = augment(many, numbers(400), AugmentationConfig(erase=share))
    hidden = (found != many).all(1)
    assert hidden.flatten(1).any(1).float().mean().item() == pytest.approx(share, abs=0.06)
    area = hidden.flatten(1).float().mean(1)
    assert area[area > 0].min() > 0.02
    assert area.max() < 0.45
    first = hidden[area.argmax()]
    rows, columns = first.any(1), first.any(0)
    assert torch.equal(first, rows[:, None] & columns[None, :])  # a rectangle


def test_nothing_asked_nothing_done() -> None:
    assert not AugmentationConfig().is_active
    assert augment(images(), numbers(), AugmentationConfig()) is not None
    torch.testing.assert_close(augment(images(), numbers(), AugmentationConfig()), images(), rtol=0, atol=0)
