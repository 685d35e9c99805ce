"""Hidden folders: gone when the block ends, and those of killed runs before the next one begins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tracker.errors import InputError
from tracker.files.folders import hidden_folder

HOLD = """
import sys, time
from pathlib import Path
from tracker.files.folders import hidden_folder
with hidden_folder(Path(sys.argv[1])) as folder:
    (folder / "large").write_text("x")
    print(folder, flush=True)
    time.sleep(60)
"""


def test_a_folder_is_gone_when_its_block_ends(tmp_path: Path) -> None:
    with hidden_folder(tmp_path / "a.npz") as folder:
        assert folder.is_dir()
    with pytest.raises(ZeroDivisionError), hidden_folder(tmp_path / "a.npz"):
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []


def test_one_of_a_killed_run_is_removed_and_one_that_is_in_use_is_not(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    out = tmp_path / "a.npz"
    checkout = Path(__file__).resolve().parents[3]
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(out)], stdout=subprocess.PIPE, cwd=checkout, text=True)
    assert process.stdout is not None
    held = Path(process.stdout.readline().strip())
    with hidden_folder(out):
        assert held.is_dir()
    process.kill()
    process.wait()
    assert (held / "large").is_file()
    with hidden_folder(out):
        assert not held.exists()


def test_where_nothing_can_be_written_is_said() -> None:
    with pytest.raises(InputError, match="cannot be written"), hidden_folder(Path("/proc/nowhere/a.npz")):
        pass
