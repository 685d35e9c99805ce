"""A trained model's files: its tensors as .safetensors, whole or in parts, and the record beside them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import ExitStack
from glob import escape
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save
from torch import Tensor

from embedding.config import ModelConfig, parse_model
from embedding.errors import InputError, quoted, shortened
from embedding.files import atomic_path, remove
from embedding.vae.model import FlatVAE

WEIGHTS = "model.safetensors"  # in a run's folder; the record lies beside it as model.json
ANY_PART = "[0-9]" * 5 + "-of-" + "[0-9]" * 5
CHECKSUMS = "sha256"  # of each file, in the record
PART_BYTES = 15_000_000  # of tensors in one file; more are written in parts, which any host of files takes


def save_model(model: FlatVAE, path: Path, record: dict[str, Any], part_bytes: int = PART_BYTES) -> None:
    """Write the weights and, beside them, the record with the model's configuration and observation shape.

    Weights of more than `part_bytes` are written as NAME-00001-of-00003.safetensors and so on instead of
    NAME.safetensors; the record lists these parts, and a checksum of each file. A tensor is never cut: one that is
    larger than `part_bytes` makes its file larger. A killed save leaves the old model, the new one or no record, but
    never a record beside weights it does not describe.

    Args:
        model: its tensors are written in the precision they have.
        path: NAME.safetensors.
        record: what else to write down.
        part_bytes: bytes of tensors, without a file's header of a few kB.

    Raises:
        InputError: nothing can be written there, or the disk is full.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    groups = _in_parts(tensors, part_bytes)
    files = _part_files(path, len(groups))
    record = {"model": model.config.model_dump(mode="json"), "shape": list(model.shape), **record}
    for key in ("parts", CHECKSUMS):  # of a model that this record was copied from
        record.pop(key, None)
    if len(files) > 1:
        record["parts"] = [file.name for file in files]
    with ExitStack() as stack:  # which puts the files in place in reverse order, the record last
        description = stack.enter_context(atomic_path(path.with_suffix(".json")))
        record[CHECKSUMS] = {}
        for file, group in zip(files, groups, strict=True):
            content = save(group)
            stack.enter_context(atomic_path(file)).write_bytes(content)
            record[CHECKSUMS][file.name] = hashlib.sha256(content).hexdigest()
        description.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        remove(path.with_suffix(".json"))
    for stale in {path, *path.parent.glob(f"{escape(path.stem)}-{ANY_PART}{path.suffix}")} - set(files):
        stale.unlink(missing_ok=True)


def load_model(path: str | Path) -> FlatVAE:
    """Read a model from NAME.safetensors, whole or in parts, with NAME.json beside it, or from a run's folder.

    The model is in single precision whatever the file's; a file from before the whitening gets the identity.

    Raises:
        InputError: a file is missing, broken or not the recorded one, holds NaN or infinity, or does not fit the
            recorded model.
    """
    weights = weights_path(path)
    record = read_record(weights)
    where = weights.with_suffix(".json")
    config = parse_model(record["model"], str(where))
    tensors: dict[str, Tensor] = {}
    for file in weight_files(weights, record):
        tensors |= _read_tensors(file)
        _require_unchanged(file, record)
    with torch.device("meta"):  # shapes without memory: a record may ask for any size
        planned = _untrained(config, record["shape"], where).state_dict()
    if "latent_mean" in tensors and planned["latent_mean"].shape == tensors["latent_mean"].shape:
        tensors.setdefault("latent_whitening", torch.eye(config.latent_dim))
    _require_fit(weights, {name: tensor.shape for name, tensor in planned.items()}, tensors)
    model = _untrained(config, record["shape"], where)
    model.load_state_dict(tensors)
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
    except (OSError, ValueError, RecursionError) as error:
        reason = shortened(error)
        raise InputError(f"{path}: cannot be read ({reason}), expected the record beside the weights") from error
    if not isinstance(record, dict) or not {"model", "shape"} <= record.keys():
        raise InputError(f"{path}: expected keys model and shape, as `tools.train` writes them")
    if not _is_list_of(record["shape"], int) or min(record["shape"]) < 1:
        raise InputError(f"{path}: shape: found {quoted(record['shape'])}, expected the sides of an observation")
    parts = record.get("parts", [weights.name])
    if not _is_list_of(parts, str) or any(Path(name).name != name for name in parts):
        raise InputError(f"{path}: parts: found {quoted(parts)}, expected names of files beside it")
    checksums = record.get(CHECKSUMS, {})
    if not isinstance(checksums, dict) or not all(isinstance(value, str) for value in checksums.values()):
        raise InputError(f"{path}: {CHECKSUMS}: found {quoted(checksums)}, expected a checksum of each file")
    return record


def _require_unchanged(file: Path, record: dict[str, Any]) -> None:
    """InputError where a file is not the one that was recorded; records of before have no checksums."""
    expected = record.get(CHECKSUMS, {}).get(file.name)
    if expected is None:
        return
    if hashlib.sha256(file.read_bytes()).hexdigest() != expected:
        raise InputError(
            f"{file}: has another checksum than {file.with_suffix('.json').name} says: damaged, or changed?"
        )


def _untrained(config: ModelConfig, shape: Sequence[int], where: Path) -> FlatVAE:
    """A model to load weights into, which need not first be filled with ImageNet's from the network."""
    encoder = config.encoder.model_copy(update={"pretrained": False})
    try:
        model = FlatVAE(config.model_copy(update={"encoder": encoder}), shape)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:  # torch's, of sizes that it cannot count
        raise InputError(f"{where}: describes no model that can be built ({shortened(error)})") from error
    model.config = config
    return model


def _require_fit(weights: Path, planned: dict[str, torch.Size], tensors: dict[str, Tensor]) -> None:
    """InputError unless there is one tensor of the recorded model's shape for each name."""
    for name in sorted(planned.keys() | tensors.keys()):
        found = list(tensors[name].shape) if name in tensors else "none"
        expected = list(planned[name]) if name in planned else "none"
        if found != expected:
            fault = f"tensor {shortened(name)}: found {found}, expected {expected}"
            raise InputError(f"{weights}: does not fit the model in {weights.with_suffix('.json').name}: {fault}")


def _read_tensors(file: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load_file(file)
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(f"{file}: cannot be read ({shortened(error)}), expected safetensors weights") from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.float().isfinite().all()):
            raise InputError(f"{file}: tensor {shortened(name)} holds NaN or infinity, expected finite values")
    return tensors


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
