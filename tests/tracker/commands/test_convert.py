"""`flatsort convert`: from one format to another, and one line for whatever is wrong."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tracker.commands.main import main

ROWS = "1,1,10,20,30,40,0.9,-1,-1,-1\n2,1,11,20,30,40,0.8,-1,-1,-1\n2,2,50,20,30,40,0.7,-1,-1,-1\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("in.txt").write_text(ROWS)
    return tmp_path


def convert(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["convert", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_around_all_formats(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = ["in.txt", "a.csv", "b.json", "c.parquet", "d", "e.txt"]
    for source, out in pairwise(steps):
        assert convert(source, out, "--size", "640x480") == 0
    assert "d: 3 rows of 2 tracks in 2 frames -> e.txt" in capsys.readouterr().err
    np.testing.assert_allclose(
        np.loadtxt("e.txt", delimiter=",")[:, :7], np.loadtxt("in.txt", delimiter=",")[:, :7], atol=1e-3
    )
    assert convert("in.txt", "f.txt", "--to", "kitti") == 0
    assert Path("f.txt").read_text().startswith("0 1 Pedestrian -1 -1 -10 10.0000 20.0000 40.0000 60.0000")


def test_detections_without_ids(folder: Path) -> None:
    Path("in.txt").write_text(ROWS.replace(",1,", ",-1,").replace(",2,5", ",-1,5"))
    assert convert("in.txt", "a.json") == 2
    assert convert("in.txt", "a.json", "--detections") == 0
    assert len(json.loads(Path("a.json").read_text())["annotations"]) == 3


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["in.txt", "a.doc"], "a.doc: not known how to write '.doc', expected .txt (mot), .csv (csv)"),
        (["in.txt", "in.txt"], "in.txt"),
        (["none.txt", "a.csv"], "none.txt: cannot be read"),
        (["in.txt", "labels"], "neither frames nor seqinfo.ini, which say the size"),
        (["in.txt", "labels", "--size", "big"], "--size big: expected width and height in pixels, as 1920x1080"),
        (["in.txt", ".", "--to", "yolo", "--size", "9x9"], "not an empty folder"),
        (["in.txt", "x.txt", "--to", "csv"], "expected a name that ends in .csv"),
    ],
)
def test_what_is_wrong_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    assert convert(*arguments) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert expected in said
    assert [path.name for path in folder.iterdir()] == ["in.txt"]
