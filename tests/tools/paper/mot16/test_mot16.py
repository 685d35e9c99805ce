"""The full-size models at a tiny size: how time is shared, what is refused, what is trained again, and end to end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from embedding.data.crop_pack import CropWriter, identity_path, index_path
from embedding.errors import InputError
from tools.paper.__main__ import main
from tools.paper.experiments import Data
from tools.paper.mot16 import training
from tools.paper.mot16.models import MODELS, Plan, make_plans, share
from tools.paper.mot16.report import fate
from tools.paper.table2.rows import PAPERS
from tracker.commands.command_line import run_command

COLOURS = np.array([(200, 40, 40), (40, 200, 40), (40, 40, 200), (200, 200, 40)])  # BGR, one a person


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four people in two sequences, 90 frames, each person a colour and a tracklet of 45 frames."""
    path = tmp_path_factory.mktemp("pack") / "crops.npy"
    random = np.random.default_rng(0)
    with CropWriter(path) as writer:
        for name in ("MOT16-09", "MOT16-11"):
            for frame in range(1, 91):
                crops = np.clip(COLOURS[:, None, None] + random.normal(0, 30, (4, 64, 64, 3)), 0, 255).astype(np.uint8)
                tracklets = np.arange(4) + 4 * (frame > 45)
                writer.append(name, frame, crops, np.tile([0, 0, 30, 60], (4, 1)), np.ones(4), tracklets, np.arange(4))
    return path


def paper(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        run_command(main, "paper", ["mot16", *map(str, arguments)], many_values=("--seq", "--exclude", "--set"))
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [(1, 15), (2, 30), (3, 30), (4, 60), (9, 60)],  # three at a time still take two rounds
)
def test_all_models_together_take_the_time(jobs: int, expected: float) -> None:
    assert share(60, jobs) == expected


def test_four_models_differ_in_the_penalty_alone_and_hold_out_what_is_measured(pack: Path, tmp_path: Path) -> None:
    plans = make_plans(tmp_path, Data(crops=pack, minutes=8, jobs=2), quick=False)
    configs = [plan.config for plan in plans]
    assert [(one.flatness.mode, one.flatness.weight) for one in configs] == [
        ("relative", 0),
        ("absolute", 300),
        ("absolute", 3000),
        ("relative", 0.1),
    ]
    rest = {one.model_copy(update={"flatness": None}).model_dump_json() for one in configs}
    assert len(rest) == 1
    assert {one.minutes for one in configs} == {4}
    assert {one.data.exclude for one in configs} == {("MOT16-11",)}
    assert (configs[0].model.encoder.width, configs[0].model.latent_dim, configs[0].batch) == (1, 128, 256)
    assert {label: f"runs/{name}" for label, (name, _) in MODELS.items()} == PAPERS  # Table 2 has the same labels


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--crops", "absent.npy"], "no crops (absent.npy); it holds crops of people"),  # says the command
        (["--minutes", "0"], "--minutes 0: expected a time above 0"),
        (["--minutes", "nan"], "--minutes nan"),
        (["--jobs", "0"], "--jobs 0: expected a number from 1"),
        (["--exclude", "MOT16-99"], "has no MOT16-99, only MOT16-09, MOT16-11"),
        (["--set", "bacth=3"], "bacth"),
        (["--seq", "MOT16-99"], "knows nobody in a held-out sequence"),  # and no --root either
    ],
)
def test_what_cannot_be_is_refused_before_training(
    arguments: list[str], message: str, pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crops = [] if "--crops" in arguments else ["--crops", pack]
    assert paper("--out", tmp_path / "out", *crops, *arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("lacks", [index_path, identity_path])
def test_a_pack_without_its_index_or_identities_is_refused(lacks: object, pack: Path, tmp_path: Path) -> None:
    for path in {pack, index_path(pack), identity_path(pack)} - {lacks(pack)}:  # type: ignore[operator]
        (tmp_path / path.name).symlink_to(path)
    assert paper("--out", tmp_path / "out", "--crops", tmp_path / pack.name) == 2
    assert not (tmp_path / "out").exists()


class Recorded(Plan):
    """A plan that is done or not, whatever lies in its folder."""

    is_done = False


def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> list[Recorded]:
    """Plans whose processes run a script in place of the training."""
    start = subprocess.Popen

    def popen(command: list[str], **options: object) -> object:
        return start([sys.executable, "-c", script], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(training.subprocess, "Popen", popen)
    return [Recorded(label, tmp_path / name, ("minutes=1",)) for label, (name, _) in MODELS.items()]


def test_a_model_that_stops_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = stand_in(tmp_path, monkeypatch, "import sys; sys.exit('train: step 7: the latent space collapsed')")
    said: list[str] = []
    stopped = training.train_all(plans[:2], 2, said.append)
    assert stopped == dict.fromkeys(
        ("VHP-VAE", "VHP-FMVAE 300"), "stopped: step 7: the latent space collapsed (exit code 1)"
    )
    assert "$ python -m tools.train mot16 --set minutes=1" in (plans[0].folder / "train.log").read_text()


def test_bad_input_of_one_ends_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = stand_in(tmp_path, monkeypatch, "import sys; print('train: batch: too large'); sys.exit(2)")
    with pytest.raises(InputError, match=r"VHP-VAE: train: batch: too large"):
        training.train_all(plans, 1, lambda line: None)


def test_what_is_done_is_left_and_what_runs_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = stand_in(tmp_path, monkeypatch, "import time; print('step 3/9', flush=True); time.sleep(1.5)")
    monkeypatch.setattr(Recorded, "is_done", property(lambda plan: plan.label == "VHP-VAE"))
    said: list[str] = []
    assert training.train_all(plans[:2], 1, said.append, told_every=0.5) == {}
    assert not any("VHP-VAE" in line for line in said)
    assert "mot16: VHP-FMVAE 300: step 3/9" in said
    assert said[-1] == "mot16: VHP-FMVAE 300: trained"


@pytest.mark.skipif(training.fcntl is None, reason="no locks of files here")
def test_two_commands_do_not_train_one_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = stand_in(tmp_path, monkeypatch, "import time; time.sleep(60)")
    process = training._start(plans[0], 1)
    try:
        with pytest.raises(InputError, match="is being trained by another process"):
            training.train_all(plans[:1], 1, lambda line: None)
    finally:
        training._end([process])
    assert process.returncode < 0


def test_the_fate_of_a_run() -> None:
    last = {"phase": "main", "C_smoothed": 0.2, "bound": 0.18}
    assert fate(last) == "bound reached; above the bound at the end"


@pytest.mark.slow
def test_from_end_to_end_and_nothing_is_trained_twice(
    pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("--crops", pack, "--out", tmp_path, "--quick", "--jobs", 2)
    assert paper(*common) == 0
    figures = json.loads((tmp_path / "mot16.json").read_text())
    assert list(figures["models"]) == list(figures["descriptors"]["descriptors"]) == list(MODELS)
    for label, (name, _) in MODELS.items():
        assert figures["models"][label]["step"] == 12
        assert figures["models"][label]["crops"] == 360  # the other sequence is held out
        assert {row["form"] for row in figures["descriptors"]["descriptors"][label]["comparison"]} >= {
            "plain",
            "whitened",
        }
        assert (tmp_path / "models" / name / "log.csv").is_file()
    report = (tmp_path / "mot16.md").read_text()
    assert "48 detections of 4 people: MOT16-11, every 8 frames" in report
    assert report.count("forced out of the initial phase") == 4
    assert (tmp_path / "spectra.png").read_bytes().startswith(b"\x89PNG")
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("models/*/model.safetensors")}
    (tmp_path / "models" / "vhp_fmvae" / "model.json").unlink()  # as if killed before the end
    capsys.readouterr()
    assert paper(*common) == 0
    again = {path for path, time in written.items() if path.stat().st_mtime_ns != time}
    assert again == {tmp_path / "models" / "vhp_fmvae" / "model.safetensors"}
    assert capsys.readouterr().out.count("mot16: training") == 1
