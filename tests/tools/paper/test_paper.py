"""The paper's experiments from end to end at small sizes: the layout of what they write, and which models they use."""

import json
from pathlib import Path

import pytest
import torch

from embedding.config import load_config
from embedding.vae.weights import WEIGHTS, load_model
from tools.paper import __main__ as paper
from tools.paper import bench as bench_module
from tools.paper import measures
from tools.paper.__main__ import main
from tools.paper.bench import Bench, keep, matches
from tracker.commands.command_line import run_command

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"
BOX = {"median", "q1", "q3", "p95"}
MOMENTS = {"mean", "std"}


@pytest.mark.slow
def test_pendulum_writes_figures_and_the_agreed_layout(tmp_path: Path) -> None:
    main("pendulum", tmp_path, quick=True)
    figures = json.loads((tmp_path / "pendulum.json").read_text())
    for variant in ("vhp_vae", "vhp_fmvae"):
        model = figures[variant]
        assert set(model["condition"]) == set(model["magnification"]) == BOX
        assert 1 <= model["condition"]["q1"] <= model["condition"]["median"] <= model["condition"]["p95"]
        assert 0 < model["reconstruction"] < 0.1
        ratio = model["length_ratio"]
        assert set(ratio) == {"observation", "latent", "refined", "floor"}
        assert set(ratio["observation"]) == set(ratio["latent"]) == set(ratio["floor"]) == MOMENTS
        assert ratio["refined"]["latent"]["mean"] <= 1 + 1e-6
        assert ratio["refined"]["observation"]["mean"] >= 1 - 1e-3
        assert ratio["floor"]["mean"] < ratio["refined"]["latent"]["mean"]
    for name in ("figure01-pendulum-equidistance.png", "figure02-pendulum-boxes.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert not list(tmp_path.glob(".*")), "a temporary file was left behind"


@pytest.mark.skipif(not (SHARED / "cmu").is_dir(), reason=f"{SHARED / 'cmu'} is absent")
@pytest.mark.slow
def test_human_motion_is_drawn_and_flatness_never_stands_alone(tmp_path: Path) -> None:
    main("human", tmp_path, quick=True)
    figures = json.loads((tmp_path / "human.json").read_text())
    for variant in ("vhp_vae", "vhp_fmvae"):
        assert set(figures[variant]["training"]) == {"step", "C", "F", "beta", "active_units"}
        assert figures[variant]["reconstruction"] > 0
        assert figures[variant]["smoothness"]["mean"] > 0
    drawn = {path.name.partition("-")[0] for path in tmp_path.glob("*.png")}
    assert drawn == {"figure03", "figure05", "figure06", "figure11"}


@pytest.mark.skipif(
    not (SHARED / "cmu").is_dir() or not (SHARED / "mnist").is_dir(), reason=f"{SHARED}: cmu or mnist is absent"
)
@pytest.mark.slow
def test_table1_has_every_model_s_ratios_beside_the_published_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main("table1", tmp_path, quick=True)
    table = json.loads((tmp_path / "table1.json").read_text())
    for name in ("human", "mnist"):
        for variant in ("vhp_vae", "vhp_fmvae"):
            ratio = table[name][variant]["length_ratio"]
            assert set(ratio) == {"observation", "latent", "refined", "floor"}
            assert set(ratio["refined"]) == {"observation", "latent"}
            assert set(table["published"][name][variant]["latent"]) == MOMENTS
    assert "1.020 ± 0.060" in capsys.readouterr().out


@pytest.mark.parametrize("variant", list(bench_module.VARIANTS))
def test_every_variant_is_a_valid_configuration_and_differs_from_the_others(variant: str, tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    config = bench.config("human", variant)
    assert all(bench.config("human", other) != config for other in bench_module.VARIANTS if other != variant)


@pytest.mark.parametrize(
    ("experiment", "near"),
    [("pendulem", "pendulum?"), ("Table1", "table1?"), ("al", "all?"), ("descriptor", "descriptors?")],  # slips
)
def test_an_unknown_experiment_ends_with_code_2(
    experiment: str, near: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run_command(main, "paper", [experiment, "--out", str(tmp_path / "out")])
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert near in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("experiment", "message"),
    [
        ("descriptors", "'MOT16-11': not found"),
        ("table2", "'MOT16-11': not found"),
    ],
)
def test_experiments_on_data_say_what_they_lack(
    experiment: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MOT_ROOT", raising=False)
    with pytest.raises(SystemExit) as ended:
        run_command(main, "paper", [experiment, "--out", str(tmp_path / "out")])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_all_are_those_that_need_no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    monkeypatch.setattr(paper, "_measure", lambda name, bench, data: {"number": len(ran), "name": ran.append(name)})
    main("all", tmp_path)
    assert ran == ["pendulum", "human", "mnist", "table1", "ablations"]
    assert sorted(path.stem for path in tmp_path.glob("*.json")) == sorted(ran)


@pytest.mark.slow
def test_a_model_is_trained_once_and_found_again_if_the_configuration_is_its_own(tmp_path: Path) -> None:
    said: list[str] = []
    first = Bench(tmp_path, quick=True, say=said.append)
    model = first.model("pendulum", "vhp_vae")
    again = Bench(tmp_path, quick=True, say=said.append)
    assert torch.equal(next(again.model("pendulum", "vhp_vae").parameters()), next(model.parameters()))
    assert len(said) == 1
    folder = tmp_path / "models" / "pendulum-vhp_vae"
    keep(folder, tmp_path / "kept" / "pendulum-vhp_vae.safetensors")
    kept = tmp_path / "kept" / "pendulum-vhp_vae.safetensors"
    assert kept.stat().st_size < 0.6 * (folder / WEIGHTS).stat().st_size
    z = torch.randn(50, 2)
    torch.testing.assert_close(load_model(kept).decode(z), model.decode(z), rtol=0, atol=5e-3)
    quick = load_config("pendulum", ["flatness.weight=0", "tensorboard=false", *bench_module.QUICK])
    assert matches(kept, quick.model_copy(update={"threads": 2}))  # of no consequence to the result
    assert not matches(kept, quick.model_copy(update={"steps": 61}))
    assert not matches(tmp_path / "absent.safetensors", quick)


def test_box_statistics_are_numpy_s_percentiles() -> None:
    values = torch.arange(101, dtype=torch.float64)
    assert measures.box(values) == pytest.approx({"median": 50, "q1": 25, "q3": 75, "p95": 95})


def test_the_published_table_is_that_of_the_paper() -> None:
    means = [
        [model[space]["mean"] for space in ("observation", "latent")]
        for data in measures.PUBLISHED_TABLE1.values()
        for model in data.values()
    ]
    assert means == [[1.02, 0.93], [1.23, 0.82], [1.01, 0.92], [1.13, 0.70]]
