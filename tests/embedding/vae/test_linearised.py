"""The written-out derivative against torch.func's, layer by layer and for the decoders there are."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import jacrev, vmap

from embedding.config import DecoderConfig
from embedding.vae.flatness import haar_directions, metric_moments
from embedding.vae.linearised import is_written_out, push_and_pull
from embedding.vae.networks import build_decoder

BATCH, LATENT_DIM, COUNT = 5, 6, 3


def image_decoder(*layers: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(LATENT_DIM, 2 * 7 * 9), nn.Unflatten(1, (2, 7, 9)), *layers).double()


DECODERS = {
    "linear": lambda: image_decoder(),
    "flatten": lambda: image_decoder(nn.Flatten(1), nn.Linear(126, 4)),
    "convolution": lambda: image_decoder(nn.Conv2d(2, 3, 3, padding=1)),
    "convolution that leaves rows over": lambda: image_decoder(nn.Conv2d(2, 3, (4, 3), stride=(2, 3), padding=(0, 1))),
    "transposed convolution": lambda: image_decoder(nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1)),
    "with output padding": lambda: image_decoder(nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1, output_padding=1)),
    **{
        layer.__name__: lambda layer=layer: image_decoder(layer(), nn.Conv2d(2, 3, 3), layer())
        for layer in (nn.ReLU, nn.SiLU, nn.Tanh, nn.Softplus, nn.Sigmoid)
    },
}


def latents() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    z = torch.randn(BATCH, LATENT_DIM, generator=generator, dtype=torch.double)
    return z, torch.randn(BATCH, LATENT_DIM, COUNT, generator=generator, dtype=torch.double)


@pytest.mark.parametrize("name", DECODERS)
def test_both_passes_against_the_jacobian(name: str) -> None:
    decoder, (z, directions) = DECODERS[name](), latents()
    assert is_written_out(decoder)
    pushed, pulled = push_and_pull(decoder, z, directions)
    jacobian = vmap(jacrev(lambda one: decoder(one[None]).flatten()))(z)  # [B, D, n]
    expected = jacobian @ directions
    torch.testing.assert_close(pushed, expected.permute(2, 0, 1))
    torch.testing.assert_close(pulled, (jacobian.mT @ expected).permute(2, 0, 1))


@pytest.mark.parametrize("name", DECODERS)
def test_its_gradient_is_that_of_any_decoder(name: str) -> None:
    """torch.func's way is taken where the decoder is a function that nobody can look into."""
    decoder, (z, noise) = DECODERS[name](), latents()
    directions, gradients = haar_directions(noise), []
    for known in (decoder, lambda at: decoder(at)):
        decoder.zero_grad()
        point = z.clone().requires_grad_()
        trace, squared = metric_moments(known, point, "directional", directions)
        (trace.square().sum() + squared.sum()).backward()
        moved = [point, *decoder.parameters()]
        gradients.append([torch.zeros_like(one) if one.grad is None else one.grad.clone() for one in moved])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("kind", "widths", "shape"), [("mlp", (16, 12), (3, 4)), ("convolutional", (8, 6), (3, 8, 8)), ("mlp", (), (5,))]
)
def test_every_decoder_there_is_is_written_out(kind: str, widths: tuple[int, ...], shape: tuple[int, ...]) -> None:
    config = DecoderConfig.model_validate({"kind": kind, "widths": widths, "activation": "silu"})
    decoder = build_decoder(config, shape, LATENT_DIM)
    layers = decoder.layers
    assert is_written_out(layers)
    z = torch.randn(BATCH, LATENT_DIM)
    torch.testing.assert_close(layers(z), decoder(z))


@pytest.mark.parametrize(
    "layer",
    [
        nn.BatchNorm2d(2),  # couples samples
        nn.Conv2d(2, 2, 3, groups=2),
        nn.Conv2d(2, 2, 3, dilation=2),
        nn.Conv2d(2, 2, 3, padding="same"),
        nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"),
        nn.GELU(),
        nn.Softplus(beta=2),
    ],
)
def test_what_it_does_not_know_it_leaves(layer: nn.Module) -> None:
    assert not is_written_out(image_decoder(layer))
    assert not is_written_out(lambda z: z)
