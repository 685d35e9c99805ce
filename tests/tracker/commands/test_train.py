"""The command: exit codes, one line on bad input, and torchrun."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TINY = [
    "data.count=64",
    "steps=4",
    "batch=8",
    "log_every=2",
    "model.prior.samples=1",
    "tensorboard=false",
    "device=cpu",
]


def run(*arguments: str, launcher: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *launcher, "tools.train", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def settings(*pairs: str) -> list[str]:
    return [part for pair in pairs for part in ("--set", pair)]


@pytest.mark.slow
def test_trains_and_prints_where_the_weights_are(tmp_path: Path) -> None:
    result = run("pendulum", *settings(*TINY), "--out", str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(tmp_path / "model.safetensors")
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.pt", "log.csv", "model.json", "model.safetensors"}
    lines = result.stderr.strip().splitlines()
    assert [line.split("  ")[0] for line in lines if line.startswith("step")] == ["step 2/4", "step 4/4"]


@pytest.mark.slow
def test_two_processes_by_torchrun(tmp_path: Path) -> None:
    launcher = ("torch.distributed.run", "--nproc-per-node", "2", "--standalone", "-m")
    result = run("pendulum", *settings(*TINY), "--out", str(tmp_path), launcher=launcher)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(tmp_path / "model.safetensors")  # one process speaks
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["pendulun"], "no preset or file 'pendulun'; presets are"),  # no such preset
        (["pendulum", "--set", "flatness.wieght=3"], "did you mean 'flatness.weight'?"),
    ],
)
@pytest.mark.slow
def test_bad_input_is_one_line_and_exit_code_2(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    result = run(*arguments, "--out", str(tmp_path / "run"))
    assert result.returncode == 2
    assert complaint in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stdout == ""
    assert not (tmp_path / "run").exists()
