"""Tuning: what is held out stays unseen, nothing is computed twice, and what is written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("optuna", reason="needs the extra [tune]")

from tracker import InputError, load_config
from tracker.commands import tune
from tracker.commands.command_line import run_command
from tracker.core.config import Search, TrackerConfig
from tracker.evaluate.scores import Row, evaluate
from tracker.files.motchallenge import write_detections_npy
from tracker.input.sequences import find_sequence
from tracker.run.job import Job
from tracker.run.pipeline import run
from tracker.tune import cases as tune_cases
from tracker.tune.cases import Case, Scores, load_cases, run_case
from tracker.tune.parameters import choose_parameters
from tracker.tune.search import cross_validate

NAMES = ("east", "north", "west")
FRAMES = 30


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three sequences of people who walk side by side and are now and then not detected, each with two files."""
    for number, name in enumerate(NAMES):
        _write_sequence(tmp_path / "root" / name, np.random.default_rng(number))
    return tmp_path / "root"


def _write_sequence(folder: Path, random: np.random.Generator) -> None:
    rows = np.array(
        [(frame, person, 60 * person + 4 * frame, 20, 20, 60) for frame in range(1, FRAMES + 1) for person in (1, 2, 3)]
    )
    for part in ("gt", "det"):
        (folder / part).mkdir(parents=True)
    (folder / "gt/gt.txt").write_text("".join(f"{','.join(map(str, row))},1,1,1\n" for row in rows.tolist()))
    for file, missed in (("good.txt", 0.1), ("bad.txt", 0.3)):
        seen = rows[random.random(len(rows)) > missed]
        scores = random.uniform(0.3, 1, len(seen))
        lines = [f"{f},-1,{x},{y},{w},{h},{s:.3f}\n" for (f, _, x, y, w, h), s in zip(seen, scores, strict=True)]
        (folder / "det" / file).write_text("".join(lines))


def options(root: Path, out: Path, *more: str) -> list[str]:
    return ["--root", str(root), "--det", "good.txt", "bad.txt", "--out", str(out), *more]


def run_tune(arguments: list[str]) -> int | str | None:
    with pytest.raises(SystemExit) as ended:
        run_command(tune.main, "tune", arguments, many_values=("--det", "--seq", "--parameters"))
    return ended.value.code


def searched(config: TrackerConfig, *names: str) -> dict[str, Search]:
    return choose_parameters(config, list(names), with_features=True)


class Landscape:
    """Stands for `Scores`: figures that follow from the configuration and the sequence alone; keeps what was asked."""

    BEST_OVERLAP = {"east": 0.4, "north": 0.8, "west": 0.8}  # noqa: RUF012

    def __init__(self) -> None:
        self.asked: list[set[str]] = []

    def rows(self, config: TrackerConfig, cases: list[Case]) -> list[Row]:
        self.asked.append({case.sequence for case in cases})
        return [self.figures(config, case.sequence) for case in cases]

    def figures(self, config: TrackerConfig, sequence: str) -> Row:
        value = 100 - 50 * abs(config.max_iou_distance - self.BEST_OVERLAP[sequence])
        return {"HOTA": value, "IDF1": value, "MOTA": 0.0, "IDs": 1}


# --- held out


def test_the_search_does_not_see_the_held_out_sequence(root: Path) -> None:
    config, scores = load_config("flatsort", {"max_iou_distance": 0.6}), Landscape()
    cases = load_cases(root, ["all"], ["good.txt", "bad.txt"])
    assert [case.sequence for case in cases] == ["east", "east", "north", "north", "west", "west"]
    steps: list[tuple[str, int]] = []
    folds = cross_validate(
        scores,  # type: ignore[arg-type]
        cases,
        config,
        searched(config, "max_iou_distance"),
        ("HOTA", "IDF1"),
        trials=15,
        progress=lambda doing, done, total: steps.append((doing.split(":")[0], len(scores.asked))),
    )
    begun = 0
    for text, asked in steps:
        held_out = text.removeprefix("without ")
        assert {held_out} | set.union(*scores.asked[begun:asked]) == set(NAMES)
        assert held_out not in scores.asked[asked - 1]
        begun = asked - 1
    assert [fold.held_out for fold in folds] == list(NAMES)
    east = folds[0]
    assert east.chosen == {"max_iou_distance": 0.8}  # what suits north and west
    assert (east.default, east.choice) == pytest.approx((90, 80))  # on east, where it is a loss
    assert east.searched_gain == pytest.approx(100 - 90)  # on the others
    assert east.best > 95  # what the other folds tried, chosen by looking at east
    assert all(fold.best >= max(fold.choice, fold.default) for fold in folds)
    assert all(fold.trials[0].values == {"max_iou_distance": 0.6} for fold in folds)


def test_the_first_trials_of_all_folds_are_the_same(root: Path) -> None:
    config = load_config("flatsort")
    cases = load_cases(root, ["all"], ["good.txt"])
    folds = cross_validate(
        Landscape(),  # type: ignore[arg-type]
        cases,
        config,
        searched(config, "max_age", "n_init"),
        ("HOTA",),
        trials=5,
        seed=3,
    )
    first, *others = [[trial.values for trial in fold.trials] for fold in folds]
    assert others == [first, first]


# --- scores


def test_a_case_is_scored_as_the_commands_score_it(shared: Path, tmp_path: Path) -> None:
    root, name = shared / "data" / "mot15", "TUD-Campus"
    config = load_config("flatsort")
    (case, _) = load_cases(root, [name, "TUD-Stadtmitte"], ["det.txt"])
    sequence = find_sequence(name, root)
    run(Job(sequence, config, "det.txt", "none", tmp_path / f"{name}.txt"))
    assert sequence.ground_truth is not None
    expected = evaluate({name: sequence.ground_truth}, {name: tmp_path / f"{name}.txt"})[name]
    found = run_case(config, case)
    assert found == pytest.approx(expected, abs=0.05)  # the file holds four decimals
    assert found["HOTA"] > 30


@pytest.mark.slow
def test_scores_are_kept_and_processes_agree(root: Path, tmp_path: Path) -> None:
    cases = load_cases(root, ["all"], ["good.txt", "bad.txt"])
    config = load_config("flatsort")
    with Scores(tmp_path / "a" / "scores.sqlite", cases) as alone:
        rows = alone.rows(config, cases)
        assert alone.rows(config, cases[::-1]) == rows[::-1]
        assert alone.computed == len(cases)
    with Scores(tmp_path / "a" / "scores.sqlite", cases) as again:
        assert again.rows(config, cases) == rows
        assert again.computed == 0
        again.rows(load_config(config, {"n_init": 2}), cases[:1])
        assert again.computed == 1
    with Scores(tmp_path / "b.sqlite", cases, jobs=2) as together:
        assert together.rows(config, cases) == rows
        assert together.computed == len(cases)


@pytest.mark.slow
def test_changed_data_or_another_version_is_scored_again(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, config = root / "east" / "det" / "good.txt", load_config("flatsort")

    def computed() -> int:
        cases = load_cases(root, ["all"], ["good.txt"])
        with Scores(tmp_path / "scores.sqlite", cases) as scores:
            scores.rows(config, cases)
            return scores.computed

    assert [computed(), computed()] == [3, 0]
    file.write_text("".join(file.read_text().splitlines(keepends=True)[1:]))
    assert computed() == 1
    monkeypatch.setattr(tune_cases, "version", lambda _: "another")
    assert computed() == 3


def test_a_file_that_is_no_store_is_named(root: Path, tmp_path: Path) -> None:
    (tmp_path / "scores.sqlite").write_text("figures, figures, and no table " * 50)
    with pytest.raises(InputError, match=r"scores\.sqlite: .*expected the scores of an earlier run"):
        Scores(tmp_path / "scores.sqlite", load_cases(root, ["all"], ["good.txt"]))


@pytest.mark.slow
def test_a_killed_run_goes_on_without_repeating_anything(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[tuple[str, str]] = []

    def counted(config: TrackerConfig, case: Case) -> Row:
        if len(calls) == killed_at:
            raise KeyboardInterrupt
        calls.append((case.name, config.model_dump_json()))
        return run_case(config, case)

    monkeypatch.setattr(tune_cases, "run_case", counted)
    more = ("--trials", "4", "--parameters", "max_age", "n_init", "--seed", "1")
    killed_at = 13
    assert run_tune(options(root, tmp_path / "a", *more)) == 130
    assert not (tmp_path / "a" / "tune.json").exists()
    killed_at = -1
    assert not run_tune(options(root, tmp_path / "a", *more))
    resumed = calls.copy()
    assert len(set(resumed)) == len(resumed) > 13
    calls.clear()
    assert not run_tune(options(root, tmp_path / "b", *more))
    assert sorted(calls) == sorted(resumed)
    assert (tmp_path / "a" / "tune.json").read_text() == (tmp_path / "b" / "tune.json").read_text()
    calls.clear()
    assert not run_tune(options(root, tmp_path / "b", *more))
    assert calls == []
    assert "0 runs were new" in capsys.readouterr().out


# --- the command


@pytest.mark.slow
def test_it_writes_a_report_and_a_configuration_that_track_takes(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("max_age", "n_init", "new_track_confidence", "stages.3.use")
    out = tmp_path / "out"
    assert not run_tune(options(root, out, "--trials", "8", "--parameters", *names))
    printed = capsys.readouterr().out
    assert (out / "tune.md").read_text() in printed
    for line in ("| held out | defaults | choice |", "| `stages.3.use` | true |", "| standard deviation |"):
        assert line in printed
    found = json.loads((out / "tune.json").read_text())
    assert [fold["held_out"] for fold in found["folds"]] == list(NAMES)
    assert found["cases"] == [f"{name} {file}" for name in NAMES for file in ("good.txt", "bad.txt")]
    assert all(len(fold["trials"]) == 8 and list(fold["chosen"]) == list(names) for fold in found["folds"])
    assert found["summary"]["gain"] == pytest.approx(np.mean([fold["gain"] for fold in found["folds"]]))
    assert (out / "tune.png").stat().st_size > 10_000
    tuned, own = load_config(out / "flatsort.yaml"), load_config("flatsort")
    assert tuned == load_config(own, found["summary"]["consensus"])
    assert sorted(path.name for path in out.iterdir()) == [
        "flatsort.yaml",
        "scores.sqlite",
        "tune.json",
        "tune.md",
        "tune.png",
    ]


@pytest.mark.slow
def test_features_in_a_file_are_compared(root: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in NAMES:
        (case,) = (c for c in load_cases(root, ["all"], ["good.txt"]) if c.sequence == name)
        table = case.detections
        features = random.normal(size=(len(table), 4))
        write_detections_npy(tmp_path / f"{name}.npy", table.frames, table.boxes, table.scores, features)
    more = ("--trials", "2", "--parameters", "momentum", "--det", str(tmp_path / "{seq}.npy"))
    assert not run_tune(options(root, tmp_path / "out", *more))
    cases = load_cases(root, ["all"], ["good.txt", str(tmp_path / "{seq}.npy")])
    assert [case.has_features for case in cases] == [False, True] * 3
    assert len({case.digest for case in cases}) == 6
    (tmp_path / "east.npy").unlink()  # as of a sequence without frames
    cases = load_cases(root, ["all"], ["good.txt", str(tmp_path / "{seq}.npy")])
    assert [case.has_features for case in cases] == [False, False, True, False, True]
    with pytest.raises(InputError, match="east: has none of "):
        load_cases(root, ["all"], [str(tmp_path / "{seq}.npy")])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--parameters", "min_hits"), "--parameters min_hits: no range to search here; those with one are min_conf"),
        (("--parameters", "stages.9.use"), "stages.9.use: no range to search here"),
        (("--parameters", "momentum"), "--parameters momentum: has no effect where nothing compares appearance"),
        (("--objective", "speed"), "--objective speed: expected hota_idf1, hota"),
        (("--seq", "east"), "1 of 1 sequences with gt/gt.txt, expected two or more"),
        (("--det", "hog"), "--det hog: a detector, expected a file"),
        (("--det", "none.txt"), "no sequence has none.txt"),
        (("--config", "best"), "no preset or file 'best'"),
        (("--trials", "0"), "--trials"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], said: str
) -> None:
    assert run_tune(options(root, tmp_path / "out", *more)) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert not (tmp_path / "out").exists()


def test_detections_beyond_the_sequence_are_named(root: Path) -> None:
    (root / "north" / "seqinfo.ini").write_text(f"[Sequence]\nseqLength={FRAMES - 5}\n")
    with pytest.raises(InputError, match=r"good\.txt: detections in frame \d+, but north has 25 frames"):
        load_cases(root, ["all"], ["good.txt"])
