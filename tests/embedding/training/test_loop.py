"""The loop: resumption after kill -9, guards, logs, and a short run whose flatness separates from the VHP-VAE's."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from embedding.config import TrainingConfig, load_config, parse_config
from embedding.data import ArrayDataSet, load_data
from embedding.errors import InputError, TrainingError
from embedding.training import loop as training
from embedding.training.constraint import Constraint
from embedding.training.loop import train
from embedding.vae.flatness import flatness_penalty
from embedding.vae.weights import load_model

ROOT = Path(__file__).resolve().parents[3]
NETWORK = {"widths": [16], "activation": "silu"}
SMALL: dict[str, Any] = {
    "data": {"kind": "pendulum", "count": 200},
    "model": {"encoder": NETWORK, "decoder": NETWORK, "prior": {**NETWORK, "samples": 2}},
    "flatness": {"weight": 1.0, "estimator": "directional", "directions": 1},
    "constraint": {"bound": 0.03, "initial_beta": 1e-5, "max_initial_steps": 60},
    "steps": 120,
    "batch": 16,
    "log_every": 10,
    "checkpoint_every": 20,
    "threads": 1,
    "device": "cpu",
    "tensorboard": False,
}
SLOW_RUN = """
import json, sys, time
from pathlib import Path
from embedding.training import loop as training
from embedding.config import parse_config

take = training.Step.take

def slowly(*arguments):
    time.sleep(0.02)  # so that the signal meets a step
    return take(*arguments)

training.Step.take = slowly
training.train(parse_config(json.loads(sys.argv[1]), "test"), Path(sys.argv[2]), progress=False)
"""


def small(**overrides: Any) -> TrainingConfig:
    return parse_config({**SMALL, **overrides}, "test")


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    train(small(), folder, progress=False)
    return folder


@pytest.mark.slow
def test_killed_and_resumed_run_ends_in_the_same_bits(uninterrupted: Path, tmp_path: Path) -> None:
    """kill -9 at a random moment between the first checkpoint and the end, then --resume."""
    process = subprocess.Popen([sys.executable, "-c", SLOW_RUN, json.dumps(SMALL), str(tmp_path)], cwd=ROOT)
    deadline = time.monotonic() + 120
    while not (tmp_path / "checkpoint.pt").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(random.uniform(0, 1.5))
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "model.safetensors").exists()

    train(small(), tmp_path, resume=True, progress=False)
    assert same(weights(tmp_path), weights(uninterrupted))
    steps = [int(row["step"]) for row in rows(tmp_path)]
    assert steps == list(range(10, 121, 10))  # no row twice, none missing
    for one, other in zip(rows(tmp_path), rows(uninterrupted), strict=True):
        assert {k: v for k, v in one.items() if k != "seconds"} == {k: v for k, v in other.items() if k != "seconds"}


@pytest.mark.slow
def test_a_longer_run_goes_on_from_a_shorter_one(uninterrupted: Path, tmp_path: Path) -> None:
    train(small(steps=50), tmp_path, progress=False)
    train(small(steps=120), tmp_path, resume=True, progress=False)
    assert same(weights(tmp_path), weights(uninterrupted))


@pytest.mark.parametrize("stop", [49, 50, 51])
def test_a_resumed_run_meets_the_end_of_the_initial_phase_in_the_same_step(stop: int, tmp_path: Path) -> None:
    """The host hears a step late that the phase is over, and until then spares the penalty; so also after a kill."""
    settings: dict[str, Any] = {
        "constraint": {"bound": 1e-9, "max_initial_steps": 50},
        "flatness": {**SMALL["flatness"], "mode": "absolute"},
        "log_every": 1000,
    }
    train(small(steps=stop, **settings), tmp_path / "cut", progress=False)
    train(small(steps=60, **settings), tmp_path / "cut", resume=True, progress=False)
    train(small(steps=60, **settings), tmp_path / "whole", progress=False)
    assert same(weights(tmp_path / "cut"), weights(tmp_path / "whole"))
    assert rows(tmp_path / "whole")[-1]["phase"] == "forced"


def test_a_run_ends_with_its_time(tmp_path: Path) -> None:
    config = small(steps=10**6, minutes=0.02, log_every=10**6, optimiser={"final_learning_rate": 0.01})
    train(config, tmp_path, progress=False)
    (last,) = rows(tmp_path)
    assert 1.2 <= float(last["seconds"]) < 20
    assert float(last["learning_rate"]) == pytest.approx(1e-6)  # decayed to the end of the time
    assert float(last["c"]) > 0  # measured, though nothing was due by steps
    before = weights(tmp_path)
    train(config, tmp_path, resume=True, progress=False)
    assert len(rows(tmp_path)) == 1
    assert same(weights(tmp_path), before)


def test_a_checkpoint_is_written_by_the_clock_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = []
    monkeypatch.setattr(training.Run, "save", lambda run: saved.append(run.step))
    train(small(steps=5, checkpoint_every=1000, checkpoint_minutes=1e-9), tmp_path, progress=False)
    assert saved == [1, 2, 3, 4, 5, 5]


def test_resuming_a_finished_run_changes_nothing(uninterrupted: Path) -> None:
    before = weights(uninterrupted)
    train(small(), uninterrupted, resume=True, progress=False)
    assert same(weights(uninterrupted), before)


def test_the_log_tells_all_that_belongs_together(uninterrupted: Path) -> None:
    table = rows(uninterrupted)
    assert table[0]["phase"] == "initial"
    assert table[-1]["phase"] in ("main", "forced")
    for row in table:
        assert {"C", "F", "beta", "c", "rel", "active_units", "effective_dimension"} <= row.keys()
        assert float(row["effective_dimension"]) == pytest.approx(2 / (1 + max(0.0, float(row["rel"]))))
    record = json.loads((uninterrupted / "model.json").read_text())
    assert record["figures"]["step"] == 120
    assert parse_config(record["config"], "record") == small()
    assert record["versions"]["torch"]
    assert record["data"]["kind"] == "pendulum"


def test_the_prior_rests_in_the_initial_phase(tmp_path: Path) -> None:
    """An unreachable bound: after 30 steps the prior is as it was, encoder and decoder are not."""
    config = small(steps=30, constraint={"bound": 1e-9, "initial_beta": 1e-3})
    train(config, tmp_path, progress=False)
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        start = training.FlatVAE(config.model, (16, 16)).state_dict()
    for name, end in weights(tmp_path).items():
        if not name.startswith("latent"):
            assert torch.equal(end, start[name]) == name.startswith("prior"), name


def test_stored_latent_mean_is_the_data_s(uninterrupted: Path) -> None:
    model, data = load_model(uninterrupted), load_data(small().data)
    with torch.no_grad():
        mean = model.encode(data.batch(torch.arange(len(data))))[0].mean(0)
    torch.testing.assert_close(model.latent_mean, mean)
    assert float(model.latent_scale) == pytest.approx(float(rows(uninterrupted)[-1]["c"]))


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        ({"batch": 201}, r"batch: found 201, expected at most the data's 200"),
        ({"device": "cuda:99"}, r"device: 'cuda:99' is not available"),
        ({"device": "abacus"}, r"device: 'abacus' is not available"),
        (
            {"model": {**SMALL["model"], "likelihood": "bernoulli"}},
            r"values in \[.*\], a Bernoulli .* expects \[0, 1\]",
        ),
    ],
)
def test_runs_that_cannot_start(tmp_path: Path, overrides: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        train(small(**overrides), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_folder_with_a_run_is_not_overwritten(uninterrupted: Path) -> None:
    with pytest.raises(InputError, match="holds a run already; go on with --resume"):
        train(small(), uninterrupted, progress=False)
    with pytest.raises(InputError, match="the checkpoint has batch = 16, the configuration 32"):
        train(small(batch=32), uninterrupted, resume=True, progress=False)
    with pytest.raises(InputError, match="the checkpoint has seed = 0, the configuration 1"):  # another run's noise
        train(small(seed=1), uninterrupted, resume=True, progress=False)


def test_a_broken_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"rubbish")
    with pytest.raises(InputError, match=r"checkpoint\.pt: not a checkpoint"):
        train(small(), tmp_path, resume=True, progress=False)


@pytest.mark.slow
def test_nan_stops_the_run_and_the_last_checkpoint_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load_data(small().data)

    class Spoilt(ArrayDataSet):
        def batch(self, index: torch.Tensor) -> torch.Tensor:
            self.about["batches"] = self.about.get("batches", 0) + 1
            return super().batch(index) * (float("nan") if self.about["batches"] > 50 else 1)

    monkeypatch.setattr(training, "load_data", lambda config: Spoilt(data.values))
    with pytest.raises(TrainingError, match="10 steps in a row without a finite gradient"):
        train(small(), tmp_path, progress=False)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert state["step"] == 40
    assert all(value.isfinite().all() for value in state["model"].values())


def test_steps_without_a_gradient_count_across_a_resumption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four before the checkpoint at step 20, then six: ten in a row, whoever counts."""
    data = load_data(small().data)
    good = 17  # batches: the first is looked at before the first step

    class Spoilt(ArrayDataSet):
        def batch(self, index: torch.Tensor) -> torch.Tensor:
            self.about["batches"] = self.about.get("batches", 0) + 1
            return super().batch(index) * (float("nan") if self.about["batches"] > good else 1)

    monkeypatch.setattr(training, "load_data", lambda config: Spoilt(data.values))
    monkeypatch.setattr(training, "_finish", lambda run, data: tmp_path)  # which looks at the data once more
    train(small(steps=20), tmp_path, progress=False)
    good = 1
    with pytest.raises(TrainingError, match=r"step 26: 10 steps in a row without a finite gradient"):
        train(small(steps=40), tmp_path, resume=True, progress=False)


@pytest.mark.slow
def test_a_collapsed_latent_space_stops_the_run(tmp_path: Path) -> None:
    """beta = 10 from the start, as Alg. 1 is printed: F wins, z tells nothing, and flatness scores would be perfect."""
    config = small(
        steps=2000, log_every=100, constraint={"bound": 1e-3, "initial_beta": 10.0}, optimiser={"learning_rate": 1e-2}
    )
    with pytest.raises(TrainingError, match="the latent space collapsed"):
        train(config, tmp_path, progress=False)


def test_an_unreachable_bound_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(small(steps=40, constraint={"bound": 1e-9}), tmp_path)
    assert "the prior is not being trained" in capsys.readouterr().err


def test_the_bound_as_a_fraction_of_the_variance(tmp_path: Path) -> None:
    train(small(steps=10, constraint={"bound_fraction": 0.25}), tmp_path, progress=False)
    variance = load_data(small().data).variance
    assert float(rows(tmp_path)[-1]["bound"]) == pytest.approx(0.25 * variance)


def test_a_checkpoint_holds_the_controller(uninterrupted: Path) -> None:
    state = torch.load(uninterrupted / "checkpoint.pt", weights_only=True)
    constraint = Constraint(small().constraint, 0.03)
    constraint.load_state_dict(state["constraint"])
    assert int(constraint.steps) == 120
    assert float(constraint.beta) == pytest.approx(float(rows(uninterrupted)[-1]["beta"]))


@pytest.mark.slow
def test_a_short_run_is_flat_where_the_vhp_vae_is_not(tmp_path: Path) -> None:
    """500 steps on the committed pendulum configuration, the penalty at work from the first step."""
    rel = {}
    for name, weight in [("vhp_vae", 0), ("vhp_fmvae", 3)]:
        changes = ["steps=500", "data.count=4000", "tensorboard=false", "flatness.mode=relative", "device=cpu"]
        config = load_config("pendulum", [*changes, f"flatness.weight={weight}"])
        model = load_model(train(config, tmp_path / name, progress=False))
        data = load_data(config.data)
        with torch.no_grad():
            x = data.batch(torch.arange(500))
            z = model.encode(x)[0]
            rel[name] = float(flatness_penalty(model.decode, z).rel)
            assert float((model.decode(z) - x).square().mean()) < 0.3 * data.variance  # not by collapsing
    assert rel["vhp_vae"] > 0.1
    assert rel["vhp_fmvae"] < 0.03
