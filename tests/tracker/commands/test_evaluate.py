"""`python -m tools.evaluate` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tracker.commands.command_line import run_command
from tracker.commands.evaluate import find_ground_truth, find_results, main
from tracker.errors import InputError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """A root with the sequences A, which has ground truth, and B, which has none."""
    (tmp_path / "root" / "train" / "A" / "gt").mkdir(parents=True)
    (tmp_path / "root" / "train" / "A" / "gt" / "gt.txt").write_text("1,1,0,0,10,20,1\n2,1,0,0,10,20,1\n")
    (tmp_path / "root" / "test" / "B" / "det").mkdir(parents=True)
    return tmp_path / "root"


@pytest.mark.slow
def test_it_prints_a_table_and_writes_json(truth: Path, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "A.txt").write_text("1,7,0,0,10,20,1,-1,-1,-1\n")
    command = [sys.executable, "-m", "tools.evaluate", "--check", "--gt", truth]
    command += ["--results", tmp_path / "results", "--json", tmp_path / "scores.json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0][:3] == ["IDF1", "IDP", "IDR"]
    assert [line[0] for line in lines[1:3]] == ["A", "OVERALL"]
    for program in ("trackeval", "motmetrics"):
        assert f"largest difference from {program}" in done.stdout
    assert json.loads((tmp_path / "scores.json").read_text())["OVERALL"]["Recall"] == 50.0


@pytest.mark.parametrize(
    ("options", "precision"),
    [
        ([], 50.0),  # the result on a bicycle is wrong
        (["--benchmark", "mot20"], 100.0),  # or a distractor
        (["--classes", "1,6"], 100.0),  # or wanted
        (["--classes", "6"], 50.0),  # and the other one is wrong
    ],
)
def test_options_choose_which_boxes_count(tmp_path: Path, options: list[str], precision: float) -> None:
    rows = ["1,1,0,0,10,20,1", "1,2,50,0,10,20,1"]
    (tmp_path / "A" / "gt").mkdir(parents=True)
    (tmp_path / "A" / "gt" / "gt.txt").write_text(f"{rows[0]},1,1\n{rows[1]},6,1\n")
    (tmp_path / "A.txt").write_text("\n".join(rows))
    options += ["--gt", tmp_path / "A", "--results", tmp_path / "A.txt", "--json", tmp_path / "scores.json"]
    with pytest.raises(SystemExit) as ended:
        run_command(main, "evaluate", list(map(str, options)))
    assert ended.value.code == 0
    assert json.loads((tmp_path / "scores.json").read_text())["A"]["Precision"] == precision


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--classes", "1,x"], "--classes 1,x: expected class numbers"),
        (["--classes", ""], "--classes : expected class numbers"),
        (["--classes", "1", "--benchmark", "MOT15"], "MOT15's ground truth has no classes"),
        (["--benchmark", "KITTI"], "'KITTI' is not one of"),
    ],
)
def test_options_that_choose_nothing_are_refused(
    truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    (tmp_path / "A.txt").write_text("1,7,0,0,10,20\n")
    with pytest.raises(SystemExit) as ended:
        run_command(main, "evaluate", [*options, "--gt", str(truth), "--results", str(tmp_path / "A.txt")])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
@pytest.mark.parametrize("ending", ["| true", "| head -1", ">&-"])
@pytest.mark.slow
def test_nobody_has_to_read_what_it_prints(truth: Path, tmp_path: Path, ending: str) -> None:
    (tmp_path / "A.txt").write_text("1,7,0,0,10,20\n")
    command = f"'{sys.executable}' -m tools.evaluate --check --gt '{truth}' --results '{tmp_path}/A.txt' {ending}"
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("1,7,0,0,10\n", "A.txt, line 1: 5 fields"),  # a malformed row
        ("1,7,500,0,10,20,1,-1,-1,-1\n", "evaluate: nothing matches"),  # nothing there
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: str, said: str
) -> None:
    (tmp_path / "A.txt").write_text(rows)
    options = ["--gt", truth, "--results", tmp_path / "A.txt", "--json", tmp_path / "scores.json"]
    with pytest.raises(SystemExit) as ended:
        run_command(main, "evaluate", list(map(str, options)))
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    assert said in printed.err
    assert len(printed.err.splitlines()) == 1
    assert not (tmp_path / "scores.json").exists()


def test_where_ground_truth_is_found(truth: Path) -> None:
    assert find_ground_truth(truth) == {"A": truth / "train" / "A" / "gt" / "gt.txt"}
    assert list(find_ground_truth(truth / "train" / "A")) == ["A"]  # a sequence folder
    with pytest.raises(InputError, match=r"no sequence has gt/gt\.txt: B"):
        find_ground_truth(truth / "test")


def test_where_results_are_found(tmp_path: Path) -> None:
    (tmp_path / "A.txt").touch()
    (tmp_path / ".A-0f3a.txt").touch()  # what a killed run leaves
    assert find_results(tmp_path) == find_results(tmp_path / "A.txt") == {"A": tmp_path / "A.txt"}
    with pytest.raises(InputError, match="no such folder"):
        find_results(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no NAME\.txt"):
        find_results(tmp_path / "empty")
