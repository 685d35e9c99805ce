"""Checkpoints: whole or absent, and data alone: nothing in such a file is run."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from embedding.errors import InputError
from embedding.training.checkpoint import load_checkpoint, save_checkpoint


def test_tensors_and_plain_values_go_round(tmp_path: Path) -> None:
    state = {"model": {"weight": torch.randn(3, 2)}, "step": 7, "seconds": 1.5, "row": [1, "a", None]}
    save_checkpoint(tmp_path / "checkpoint.pt", state)
    found = load_checkpoint(tmp_path / "checkpoint.pt")
    assert torch.equal(found.pop("model")["weight"], state.pop("model")["weight"])  # type: ignore[index]
    assert found == state


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("by", ["torch", "pickle"])
def test_a_file_that_would_run_something_is_refused_and_runs_nothing(tmp_path: Path, by: str) -> None:
    sprung, path = tmp_path / "sprung", tmp_path / "checkpoint.pt"
    if by == "torch":
        torch.save({"step": Trap(sprung)}, path)
    else:
        path.write_bytes(pickle.dumps({"step": Trap(sprung)}))
    with pytest.raises(InputError, match=r"^[^\n]*checkpoint\.pt: not a checkpoint of this program[^\n]*$"):
        load_checkpoint(path)
    assert not sprung.exists()


def test_a_full_disk_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"step": 1})

    def full(state: dict[str, Any], file: Any) -> None:
        try:
            raise OSError(28, "No space left on device")
        except OSError:
            raise RuntimeError("unexpected pos 64 vs 0")  # noqa: B904 (as torch does)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        save_checkpoint(path, {"step": 2})
    assert load_checkpoint(path) == {"step": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize("damage", [b"", b"rubbish", b"PK\x03\x04 half"])
def test_a_damaged_file_is_one_line(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(damage)
    with pytest.raises(InputError, match=r"^[^\n]*not a checkpoint[^\n]*$"):
        load_checkpoint(tmp_path / "checkpoint.pt")
