"""The variational auto-encoder with a hierarchical prior, and its files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from embedding.checkpoint import atomic
from embedding.config import ModelConfig, parse_model
from embedding.errors import InputError
from embedding.likelihood import LIKELIHOODS
from embedding.networks import build_decoder, build_encoder
from embedding.prior import HierarchicalPrior

WEIGHTS = "model.safetensors"  # in a run's folder; the record lies beside it as model.json


class FlatVAE(nn.Module):
    """q(z|x), p(x|z) and p(z). Trained with a flatness penalty it is the VHP-FMVAE, without the VHP-VAE.

    Two numbers about the latent space travel with the weights, for its use as a descriptor: the training data's mean
    latent (the objective leaves the origin free, cosine distances depend on it) and c, the length in observation
    space of a unit step in the latent space.
    """

    latent_mean: Tensor  # [n]
    latent_scale: Tensor  # [], c

    def __init__(self, config: ModelConfig, shape: Sequence[int]) -> None:
        super().__init__()
        self.config = config
        self.shape = tuple(shape)  # of one observation
        self.latent_dim = config.latent_dim
        self.likelihood = LIKELIHOODS[config.likelihood]
        self.encoder = build_encoder(config.encoder, self.shape, config.latent_dim)
        self.decoder = build_decoder(config.decoder, self.shape, config.latent_dim)
        self.prior = HierarchicalPrior(config.latent_dim, config.prior)
        self.register_buffer("latent_mean", torch.zeros(config.latent_dim))
        self.register_buffer("latent_scale", torch.ones(()))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of q(z|x). x [B, *shape] -> two of [B, n]"""
        mean, std = self.encoder(x)
        return mean, std

    def decode(self, z: Tensor) -> Tensor:
        """The mean of p(x|z), whose Jacobian is the metric's. z [B, n] -> [B, *shape]"""
        return self.likelihood.mean(self.decoder(z))

    def sample_prior(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw z from p(z). -> [count, n]; the generator's device must be the CPU."""
        noise = torch.randn((2, count, self.latent_dim), generator=generator)
        return self.prior.sample(noise.to(self.latent_mean))


def save_model(model: FlatVAE, path: Path, record: dict[str, Any]) -> None:
    """Write the weights and, beside them, the record with the model's configuration and observation shape."""
    record = {"model": model.config.model_dump(mode="json"), "shape": list(model.shape), **record}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    with atomic(path) as temporary:
        save_file(tensors, temporary)
    with atomic(path.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def load_model(path: str | Path) -> FlatVAE:
    """Read a model from a .safetensors file with its JSON beside it, or from a run's folder.

    Raises:
        InputError: a file is missing or broken, or the weights do not fit the recorded model.
    """
    weights = Path(path) / WEIGHTS if Path(path).is_dir() else Path(path)
    record = read_record(weights)
    model = FlatVAE(parse_model(record["model"], str(weights.with_suffix(".json"))), record["shape"])
    try:
        model.load_state_dict(load_file(weights))
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(f"{weights}: cannot be read ({error}), expected safetensors weights") from error
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(
            f"{weights}: does not fit the model in {weights.with_suffix('.json').name}: {reason}"
        ) from error
    return model.eval()


def read_record(weights: Path) -> dict[str, Any]:
    """The JSON beside a model's weights: configuration, shape, versions, figures."""
    path = weights.with_suffix(".json")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}), expected the record beside the weights") from error
    if not isinstance(record, dict) or not {"model", "shape"} <= record.keys():
        raise InputError(f"{path}: expected keys model and shape, as `tools.train` writes them")
    return record
