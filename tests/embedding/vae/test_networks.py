"""Encoders and decoders: shapes, initial scale, and what torch.func asks of a decoder."""

import pytest
import torch
from torch import nn
from torch.func import jacrev, jvp, vjp, vmap

from embedding.config import Activation, DecoderConfig, EncoderConfig, ModelConfig
from embedding.errors import InputError
from embedding.vae.model import FlatVAE
from embedding.vae.networks import GaussianHead, build_decoder, build_encoder

CROP = (3, 64, 64)
SMALL_CONVOLUTIONAL = DecoderConfig(kind="convolutional", widths=(16, 8))
QUARTER_VGG = EncoderConfig(kind="vgg16", width=0.25)


@pytest.mark.parametrize(
    ("encoder", "decoder", "shape"),
    [
        (EncoderConfig(), DecoderConfig(), (16, 16)),  # pendulum
        (EncoderConfig(widths=(32,) * 4), DecoderConfig(widths=(32,) * 4), (50,)),  # human motion
        (EncoderConfig(widths=()), DecoderConfig(widths=()), (5,)),  # linear
        (QUARTER_VGG, DecoderConfig(kind="convolutional", widths=(256, 128, 64, 32, 16)), CROP),  # crops
        (QUARTER_VGG, SMALL_CONVOLUTIONAL, (1, 32, 64)),  # grey, not square
    ],
)
def test_shapes(encoder: EncoderConfig, decoder: DecoderConfig, shape: tuple[int, ...]) -> None:
    model = FlatVAE(ModelConfig(latent_dim=6, encoder=encoder, decoder=decoder), shape)
    mean, std = model.encode(torch.rand(3, *shape))
    assert mean.shape == std.shape == (3, 6)
    assert (std > 0).all()
    assert model.decode(mean).shape == (3, *shape)
    assert model.sample_prior(4).shape == (4, 6)


@pytest.mark.parametrize(
    ("encoder", "decoder", "shape", "complaint"),
    [
        (QUARTER_VGG, DecoderConfig(), (3, 48, 64), "multiples of 32"),  # five poolings do not divide 48
        (QUARTER_VGG, DecoderConfig(), (50,), "multiples of 32"),  # not an image
        (EncoderConfig(), SMALL_CONVOLUTIONAL, (3, 30, 32), "multiples of 4"),  # two doublings do not make 30
        (EncoderConfig(kind="vgg16", width=0.5, pretrained=True), DecoderConfig(), CROP, "width 1"),  # no such weights
    ],
)
def test_shapes_that_do_not_fit(
    encoder: EncoderConfig, decoder: DecoderConfig, shape: tuple[int, ...], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        FlatVAE(ModelConfig(encoder=encoder, decoder=decoder), shape)


def test_the_papers_crop_model_has_nineteen_million_parameters() -> None:
    decoder = DecoderConfig(kind="convolutional", widths=(256, 128, 64, 32, 16))
    encoder = build_encoder(EncoderConfig(kind="vgg16"), CROP, 128)
    sizes = [sum(p.numel() for p in module.parameters()) for module in (encoder, build_decoder(decoder, CROP, 128))]
    assert sizes[0] == pytest.approx(15.2e6, rel=0.01)  # VGG16's 14.7 million and two heads of 2048 x 128
    assert sum(sizes) == pytest.approx(19e6, rel=0.03)


@pytest.mark.parametrize("kind", ["mlp", "convolutional"])
def test_decoders_under_functional_transforms(kind: str) -> None:
    config = DecoderConfig(kind=kind, widths=(16, 8))  # type: ignore[arg-type]
    decoder = build_decoder(config, (2, 8, 8), 4).double()
    z, direction = torch.randn(3, 4, dtype=torch.double), torch.randn(3, 4, dtype=torch.double)
    full = vmap(jacrev(lambda one: decoder(one[None])[0]))(z)  # [3, 2, 8, 8, 4]
    _, pushed = jvp(decoder, (z,), (direction,))
    torch.testing.assert_close(pushed, (full * direction[:, None, None, None]).sum(-1))
    _, pull = vjp(decoder, z)
    torch.testing.assert_close(pull(pushed)[0], (full * pushed[..., None]).sum((1, 2, 3)))


def test_decoders_keep_samples_apart() -> None:
    """No BatchNorm, no Dropout: a sample's image does not depend on its batch, nor on training mode."""
    decoder = build_decoder(SMALL_CONVOLUTIONAL, (3, 16, 16), 4).train()
    z = torch.randn(8, 4)
    torch.testing.assert_close(decoder(z)[:2], decoder(z[:2]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_initialisation_keeps_the_signal(activation: Activation) -> None:
    """Standard normal latents give images of unit variance through eleven layers: c starts at the data's scale."""
    torch.manual_seed(0)
    config = DecoderConfig(kind="convolutional", widths=(256, 128, 64, 32, 16), activation=activation)
    with torch.no_grad():
        images = build_decoder(config, CROP, 128)(torch.randn(8, 128))
        features = build_encoder(QUARTER_VGG, CROP, 128).body(torch.randn(4, *CROP))
    assert 0.8 < float(images.square().mean()) < 1.25
    assert 0.1 < float(features.square().mean()) < 10 * 5**2  # five poolings keep the largest of four


def test_standard_deviations_are_bounded_away_from_zero() -> None:
    head = GaussianHead(3, 2)
    nn.init.constant_(head.raw_std.bias, -1e4)
    assert head(torch.zeros(1, 3))[1].tolist() == [pytest.approx([1e-4, 1e-4])]
