"""The colour histogram as a layer: against loops over pixels, and where its map starts."""

import numpy as np
import torch

from embedding.config import EncoderConfig
from embedding.vae.colour_stripes import SPREAD, ColourStripes
from embedding.vae.networks import VGG16Encoder

HEIGHT, WIDTH, STRIPES, BINS = 8, 6, 2, 4


def layer(outputs: int = 5) -> ColourStripes:
    torch.manual_seed(0)
    return ColourStripes(HEIGHT, WIDTH, outputs, STRIPES, BINS)


def colours(count: int) -> torch.Tensor:
    values = torch.rand(count, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))
    values[0], values[1] = 0.0, 1.0  # the ends of the range
    return values


def by_loops(image: np.ndarray) -> np.ndarray:
    histogram = np.zeros(STRIPES * BINS**3)
    for y in range(HEIGHT):
        for x in range(WIDTH):
            across = (x + 0.5) / WIDTH * 2 - 1
            first, second, third = np.minimum((image[:, y, x] * BINS).astype(int), BINS - 1)
            stripe = y * STRIPES // HEIGHT
            histogram[((stripe * BINS + first) * BINS + second) * BINS + third] += np.exp(-0.5 * (across / SPREAD) ** 2)
    return np.sqrt(histogram / histogram.sum())


def test_histogram_against_loops() -> None:
    found = layer().histogram(colours(5))
    for row, image in zip(found, colours(5), strict=True):
        np.testing.assert_allclose(row.numpy(), by_loops(image.numpy()), atol=1e-6)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(5))


def test_scaled_images_give_the_histogram_of_their_colours() -> None:
    mean, std = torch.tensor([0.4, 0.5, 0.45]), torch.tensor([0.2, 0.25, 0.3])
    scaled = (colours(40) - mean[:, None, None]) / std[:, None, None]
    fitted = layer()
    fitted.fit(scaled, mean, std)
    raw = layer().histogram(colours(40))
    # a colour on the edge of a bin may round to the other side
    assert ((fitted.histogram(scaled) - raw).abs().amax(1) < 1e-5).float().mean() > 0.9


def test_the_map_starts_at_the_principal_components() -> None:
    images = colours(200)
    fitted = layer()
    fitted.fit(images, torch.zeros(3), torch.ones(3))
    latents = fitted(images).detach()
    torch.testing.assert_close(latents.mean(0), torch.zeros(5), atol=1e-4, rtol=0)
    covariance = torch.cov(latents.T)
    torch.testing.assert_close(covariance, covariance.diag().diag(), atol=1e-3, rtol=0)  # uncorrelated
    assert abs(float(covariance.trace()) / 5 - 1) < 0.02
    histograms = fitted.histogram(images)
    spectrum = torch.linalg.eigvalsh(torch.cov(histograms.T)).flip(0)[:5]
    torch.testing.assert_close(covariance.diag() / covariance[0, 0], spectrum / spectrum[0], rtol=1e-3, atol=1e-3)


def test_fewer_images_than_latents() -> None:
    fitted = layer(outputs=7)
    fitted.fit(colours(3), torch.zeros(3), torch.ones(3))
    assert fitted.map.weight.isfinite().all()
    assert (fitted.map.weight[3:] == 0).all()


def test_in_the_encoder_it_adds_to_the_mean_alone() -> None:
    torch.manual_seed(0)
    encoder = VGG16Encoder((3, 32, 32), 4, EncoderConfig(kind="vgg16", width=0.1, stripes=2, bins=4)).eval()
    assert encoder.stripes is not None
    x = torch.rand(2, 3, 32, 32)
    mean, std = encoder(x)
    shift = encoder.stripes(x)
    encoder.stripes = None
    plain, same = encoder(x)
    torch.testing.assert_close(mean, plain + shift)
    torch.testing.assert_close(std, same)
