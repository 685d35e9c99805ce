"""The variational auto-encoder with a hierarchical prior, and its files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from glob import escape
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from embedding.config import ModelConfig, parse_model
from embedding.errors import InputError
from embedding.training.checkpoint import atomic
from embedding.vae.likelihood import LIKELIHOODS
from embedding.vae.networks import build_decoder, build_encoder
from embedding.vae.prior import HierarchicalPrior

WEIGHTS = "model.safetensors"  # in a run's folder; the record lies beside it as model.json
ANY_PART = "[0-9]" * 5 + "-of-" + "[0-9]" * 5
PART_BYTES = 15_000_000  # of tensors in one file; more are written in parts, which any host of files takes


class FlatVAE(nn.Module):
    """q(z|x), p(x|z) and p(z). Trained with a flatness penalty it is the VHP-FMVAE, without the VHP-VAE.

    Three things about the latent space travel with the weights, for its use as a descriptor: the training data's mean
    latent (the objective leaves the origin free, cosine distances depend on it); c, the length in observation space of
    a unit step in the latent space; and the whitening of what is left when the mean is subtracted
    (`embedding.descriptors.whitening`), the identity until one is fitted.
    """

    latent_mean: Tensor  # [n]
    latent_scale: Tensor  # [], c
    latent_whitening: Tensor  # [n, n], acts on column vectors

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
        self.register_buffer("latent_whitening", torch.eye(config.latent_dim))

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


def save_model(model: FlatVAE, path: Path, record: dict[str, Any], part_bytes: int = PART_BYTES) -> None:
    """Write the weights and, beside them, the record with the model's configuration and observation shape.

    Weights of more than `part_bytes` are written as NAME-00001-of-00003.safetensors and so on instead of
    NAME.safetensors; the record lists these parts. A tensor is never cut: one that is larger than `part_bytes` makes
    its file larger. A killed save leaves the old model, the new one or no record, but never a record beside weights it
    does not describe.

    Args:
        model: its tensors are written in the precision they have.
        path: NAME.safetensors.
        record: what else to write down.
        part_bytes: bytes of tensors, without a file's header of a few kB.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    groups = _in_parts(tensors, part_bytes)
    files = _part_files(path, len(groups))
    record = {"model": model.config.model_dump(mode="json"), "shape": list(model.shape), **record}
    record.pop("parts", None)  # of a model that this record was copied from
    if len(files) > 1:
        record["parts"] = [file.name for file in files]
    with ExitStack() as stack:  # which puts the files in place in reverse order, the record last
        description = stack.enter_context(atomic(path.with_suffix(".json")))
        for file, group in zip(files, groups, strict=True):
            save_file(group, stack.enter_context(atomic(file)))
        description.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        path.with_suffix(".json").unlink(missing_ok=True)
    for stale in {path, *path.parent.glob(f"{escape(path.stem)}-{ANY_PART}{path.suffix}")} - set(files):
        stale.unlink(missing_ok=True)


def load_model(path: str | Path) -> FlatVAE:
    """Read a model from NAME.safetensors, whole or in parts, with NAME.json beside it, or from a run's folder.

    The model is in single precision whatever the file's; a file from before the whitening gets the identity.

    Raises:
        InputError: a file is missing or broken, or the weights do not fit the recorded model.
    """
    weights = weights_path(path)
    record = read_record(weights)
    model = _untrained(parse_model(record["model"], str(weights.with_suffix(".json"))), record["shape"])
    tensors: dict[str, Tensor] = {}
    for file in weight_files(weights, record):
        tensors |= _read_tensors(file)
    tensors.setdefault("latent_whitening", torch.eye(model.latent_dim))
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(
            f"{weights}: does not fit the model in {weights.with_suffix('.json').name}: {reason}"
        ) from error
    return model.eval()


def weights_path(path: str | Path) -> Path:
    """NAME.safetensors of a model's file or a run's folder. Where the weights are in parts there is no such file."""
    return Path(path) / WEIGHTS if Path(path).is_dir() else Path(path)


def weight_files(weights: Path, record: dict[str, Any]) -> list[Path]:
    """The files that hold a model's tensors: `weights`, or the parts its record lists."""
    return [weights.with_name(name) for name in record.get("parts", [weights.name])]


def stored_precision(weights: Path) -> torch.dtype:
    """Of a model's files: float16 for those that ship, float32 for a training run's."""
    first = _read_tensors(weight_files(weights, read_record(weights))[0])
    return next(tensor.dtype for tensor in first.values() if tensor.is_floating_point())


def read_record(weights: Path) -> dict[str, Any]:
    """The JSON beside a model's weights: configuration, shape, versions, figures.

    Raises:
        InputError: absent, not JSON, or without what `save_model` writes into it.
    """
    path = weights.with_suffix(".json")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}), expected the record beside the weights") from error
    if not isinstance(record, dict) or not {"model", "shape"} <= record.keys():
        raise InputError(f"{path}: expected keys model and shape, as `tools.train` writes them")
    if not _is_list_of(record["shape"], int) or min(record["shape"]) < 1:
        raise InputError(f"{path}: shape: found {record['shape']!r}, expected the sides of an observation")
    parts = record.get("parts", [weights.name])
    if not _is_list_of(parts, str) or any(Path(name).name != name for name in parts):
        raise InputError(f"{path}: parts: found {parts!r}, expected names of files beside it")
    return record


def _untrained(config: ModelConfig, shape: Sequence[int]) -> FlatVAE:
    """A model to load weights into, which need not first be filled with ImageNet's from the network."""
    encoder = config.encoder.model_copy(update={"pretrained": False})
    model = FlatVAE(config.model_copy(update={"encoder": encoder}), shape)
    model.config = config
    return model


def _read_tensors(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(f"{file}: cannot be read ({error}), expected safetensors weights") from error


def _in_parts(tensors: dict[str, Tensor], part_bytes: int) -> list[dict[str, Tensor]]:
    """Tensors in their order, a new part wherever the next would make one larger than `part_bytes`."""
    parts: list[dict[str, Tensor]] = [{}]
    room = part_bytes
    for name, tensor in tensors.items():
        if parts[-1] and tensor.nbytes > room:
            parts.append({})
            room = part_bytes
        parts[-1][name] = tensor
        room -= tensor.nbytes
    return parts


def _part_files(path: Path, count: int) -> list[Path]:
    if count == 1:
        return [path]
    return [path.with_name(f"{path.stem}-{part:05}-of-{count:05}{path.suffix}") for part in range(1, count + 1)]


def _is_list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and bool(value) and all(type(entry) is kind for entry in value)
