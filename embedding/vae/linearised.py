"""A decoder's derivative written out layer by layer: tangents pushed forward (J v), cotangents pulled back (J^T u).

`torch.func` derives any decoder; here the two passes are ordinary layers, which autograd differentiates once for the
penalty's gradient. That takes a third of the operations of a derivative of a derivative of a derivative, and is what a
compiler or a recorded graph can take in.

A layer is linear in its input, W h + b, or acts on each value alone, a(h). With T = W or diag a'(h) it pushes
v -> T v and pulls u -> T^T u.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeGuard, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

Map = Callable[[Tensor], Tensor]


def is_written_out(decoder: object) -> TypeGuard[nn.Sequential]:
    """Whether `push_and_pull` knows every layer of it."""
    return isinstance(decoder, nn.Sequential) and all(map(_is_known, decoder))


def _is_known(layer: nn.Module) -> bool:
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        plain = layer.groups == 1 and set(layer.dilation) == {1} and layer.padding_mode == "zeros"
        return plain and not isinstance(layer.padding, str)
    if isinstance(layer, nn.Softplus):
        return layer.beta == 1
    return isinstance(layer, nn.Unflatten | nn.Flatten | nn.Linear) or type(layer) in POINTWISE


def push_and_pull(decoder: nn.Sequential, z: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """J v and J^T J v of each direction v at each latent, differentiable towards z and the decoder's parameters.

    Args:
        decoder: layers that `is_written_out` accepts; samples independent of each other.
        z: [B, n].
        directions: [B, n, k].

    Returns:
        [k, B, D] and [k, B, n].

    Example:
        >>> decoder = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
        >>> pushed, pulled = push_and_pull(decoder, torch.zeros(4, 2), torch.eye(2).expand(4, 2, 2))
        >>> pushed.shape, pulled.shape
        (torch.Size([2, 4, 3]), torch.Size([2, 4, 2]))
    """
    batch, _, count = directions.shape
    value, tangent = z, directions.permute(2, 0, 1).flatten(0, 1)  # [k B, ...]: one pass for all directions
    pulls: list[Map] = []
    for layer in decoder:
        if type(layer) in LINEAR:
            push, pull = LINEAR[type(layer)](layer, value.shape)
            value, tangent = layer(value), push(tangent)
        elif type(layer) in POINTWISE:
            value, slope = POINTWISE[type(layer)](value)
            push = pull = partial(torch.mul, torch.cat([slope] * count) if count > 1 else slope)
            tangent = push(tangent)
        else:
            pull = partial(torch.reshape, shape=(count * batch, *value.shape[1:]))
            value, tangent = layer(value), layer(tangent)
        pulls.append(pull)
    pulled = tangent
    for pull in reversed(pulls):
        pulled = pull(pulled)
    return tangent.reshape(count, batch, -1), pulled.reshape(count, batch, -1)


def _fully_connected(layer: nn.Linear, _: torch.Size) -> tuple[Map, Map]:
    return partial(functional.linear, weight=layer.weight), lambda u: u @ layer.weight


def _convolution(layer: nn.Conv2d, shape: torch.Size) -> tuple[Map, Map]:
    weight, stride, padding = layer.weight, layer.stride, layer.padding
    left_over = [  # of the input, at the far edge of a stride: no output saw it, so it comes back as zeros
        (size + 2 * pad - kernel) % step
        for size, pad, kernel, step in zip(
            shape[2:], cast(tuple[int, int], padding), layer.kernel_size, stride, strict=True
        )
    ]
    return (
        lambda v: functional.conv2d(v, weight, None, stride, padding),
        lambda u: functional.conv_transpose2d(u, weight, None, stride, padding, left_over),  # type: ignore[arg-type]
    )


def _transposed_convolution(layer: nn.ConvTranspose2d, _: torch.Size) -> tuple[Map, Map]:
    weight, stride, padding, more = layer.weight, layer.stride, layer.padding, layer.output_padding
    return (
        lambda v: functional.conv_transpose2d(v, weight, None, stride, padding, more),  # type: ignore[arg-type]
        lambda u: functional.conv2d(u, weight, None, stride, padding),
    )


def _relu(h: Tensor) -> tuple[Tensor, Tensor]:
    return h.relu(), (h > 0).to(h.dtype)


class _SiLU(torch.autograd.Function):
    """a = h s(h) and a' = s + a (1 - s), with a'' = (1 - s) (a' + s - a s) written out too: half the operations."""

    @staticmethod
    def forward(ctx: Any, h: Tensor) -> tuple[Tensor, Tensor]:
        gate = h.sigmoid()
        value = h * gate
        slope = torch.addcmul(gate, value, 1 - gate)
        ctx.save_for_backward(gate, value, slope)
        return value, slope

    @staticmethod
    def backward(ctx: Any, of_value: Tensor, of_slope: Tensor) -> Tensor:
        gate, value, slope = ctx.saved_tensors
        curvature = (1 - gate) * torch.addcmul(slope + gate, value, gate, value=-1)
        return torch.addcmul(of_value * slope, of_slope, curvature)


def _tanh(h: Tensor) -> tuple[Tensor, Tensor]:
    value = h.tanh()
    return value, 1 - value.square()


def _softplus(h: Tensor) -> tuple[Tensor, Tensor]:
    return functional.softplus(h), h.sigmoid()


def _sigmoid(h: Tensor) -> tuple[Tensor, Tensor]:
    value = h.sigmoid()
    return value, value * (1 - value)


LINEAR: dict[type, Callable[..., tuple[Map, Map]]] = {  # a layer and its input's shape -> how it pushes and pulls
    nn.Linear: _fully_connected,
    nn.Conv2d: _convolution,
    nn.ConvTranspose2d: _transposed_convolution,
}
POINTWISE: dict[type, Callable[[Tensor], tuple[Tensor, Tensor]]] = {  # h -> a(h), a'(h)
    nn.ReLU: _relu,
    nn.SiLU: _SiLU.apply,
    nn.Tanh: _tanh,
    nn.Softplus: _softplus,
    nn.Sigmoid: _sigmoid,
}
