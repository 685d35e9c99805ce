"""`flatsort link RESULT RESULT`: the demo from two sides."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from tracker.commands.main import run
from tracker.demo.render import render_demo
from tracker.files.motchallenge import read_tracks, write_results

LENGTH = 90


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sequences `front` and `behind`, and results of the same names: ground truth, under other identities."""
    folder = tmp_path_factory.mktemp("demo")
    for name in ("front", "behind"):
        render_demo(folder / f"made-{name}", LENGTH, behind=name == "behind").rename(folder / name)
        truth = read_tracks(folder / name / "gt/gt.txt")
        ids = truth.ids if name == "front" else 11 - truth.ids
        (folder / "results").mkdir(exist_ok=True)
        write_results(folder / f"results/{name}.txt", truth.frames, ids, truth.boxes, np.ones(len(truth)))
    return folder


def link(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        run("link", [str(argument) for argument in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def results(demo: Path) -> tuple[Path, Path]:
    return demo / "results/front.txt", demo / "results/behind.txt"


@pytest.mark.slow
def test_people_are_found_from_the_other_side(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert link(*results(demo), "--root", demo, "--out", tmp_path / "m.csv") == 0
    rows = list(csv.DictReader((tmp_path / "m.csv").open()))
    assert len(rows) >= 8  # of ten
    assert all(int(row["id_a"]) == 11 - int(row["id_b"]) for row in rows)  # none of them wrong
    assert {(row["result_a"], row["result_b"]) for row in rows} == {("front", "behind")}
    assert all(0.5 <= float(row["confidence"]) <= 1 for row in rows)
    assert f"{len(rows)} pairs are one person" in capsys.readouterr().err
    (tmp_path / "cameras.csv").write_text(
        "name,video,view,start\n"
        f"front,{demo}/front,square,2024-01-31T10:59:59\nbehind,{demo}/behind,elsewhere,2024-01-31T10:59:59\n"
    )
    known = ("--manifest", tmp_path / "cameras.csv", "--out", tmp_path / "m.csv")
    assert link(*results(demo), *known) == 0  # nobody is in two places at once, and all are seen throughout
    assert len(list(csv.DictReader((tmp_path / "m.csv").open()))) <= 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--out", "m.txt"], "expected a name that ends in .csv or .parquet"),
        (["--out", "m.csv", "--seq", "front"], "--seq: 1 given beside 2 results"),
        (["--out", "m.csv", "--picture", "why.png"], "--picture why.png: draws one result"),
        (["--out", "m.csv", "--manifest", "c.csv"], "c.csv: no row of behind, found front"),
        (
            ["--out", "m.csv", "--manifest", "t.csv"],
            "t.csv, front: start is 'noon', expected seconds or a date and time",
        ),
        (["--out", "m.csv", "--manifest", "c.csv", "--seq", "a", "--seq", "b"], "--seq: 2 given beside a manifest"),
    ],
)
def test_what_does_not_go_together_is_said(
    demo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.csv").write_text(f"video\n{demo}/front\n")
    Path("t.csv").write_text(f"video,start\n{demo}/front,noon\n{demo}/behind,1\n")
    assert link(*results(demo), "--root", demo, *options) == 2
    assert said in capsys.readouterr().err
    assert not Path("m.csv").exists()
