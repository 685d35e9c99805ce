"""What a killed run goes on from: tensors and plain values in one file, written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from embedding.errors import InputError, shortened
from embedding.files import atomic_path


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values. The bytes are on the disk before the old checkpoint is given up.

    Raises:
        InputError: nothing can be written there, or the disk is full.
    """
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # torch's writer hides what the disk said
                raise error.__context__ from None
            raise


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU, values alone: nothing in the file is run. InputError if it is not one."""
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # a damaged file shows as anything from UnpicklingError to struct.error
        reason = shortened(str(error).partition("\n")[0])
        raise InputError(f"{path}: not a checkpoint of this program ({reason})") from error
