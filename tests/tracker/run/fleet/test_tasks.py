"""What a worker does: long videos in parts give the bits of one go, and nothing is done twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tracker.errors import InputError
from tracker.input.video_file import NotAsListed
from tracker.run.fleet.parts import Plan
from tracker.run.fleet.tasks import Task, perform
from tracker.run.job import Job, Summary
from tracker.run.pipeline import run

pytest.importorskip("pyarrow", reason="needs pyarrow")
pytestmark = pytest.mark.slow

MakeJob = Callable[..., Job]


def planned(task: Task) -> Plan:
    """The plan of a video."""
    result = perform(replace(task, step="plan", frames_a_part=8)).result
    assert isinstance(result, Plan), result
    return result


def bytes_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("as_folder", [False, True])
def test_parts_give_the_bits_of_one_go(make_job: MakeJob, tmp_path: Path, as_folder: bool) -> None:
    one, cut = make_job("one"), make_job("cut")
    if as_folder:  # pictures in place of a video
        from tracker.demo.render import render_demo

        folder = render_demo(tmp_path / "demo", 24) / "img1"
        one, cut = (replace(job, sequence=replace(job.sequence, frames=folder)) for job in (one, cut))
    expected = run(one)
    task = Task("whole", cut, "batch", tmp_path)
    plan = planned(task)
    assert plan.parts[0][0] == 1 and plan.parts[-1][1] == 24 and len(plan.parts) == 3
    for part in (2, 0, 1):  # in any order
        perform(replace(task, step="describe", planned=plan, part=part))
    found = perform(replace(task, step="finish", planned=plan)).result
    assert isinstance(found, Summary)
    assert bytes_in(tmp_path / "cut") == bytes_in(tmp_path / "one")
    assert found.account == expected.account
    assert [path.name for path in (tmp_path / "cut/.batch").iterdir()] == ["clip.parquet"]  # the parts are gone


def test_what_is_done_is_not_done_again(make_job: MakeJob, tmp_path: Path) -> None:
    task = Task("whole", make_job("a"), "batch", tmp_path)
    first = perform(task)
    written = (tmp_path / "a/clip.txt").stat().st_ino
    assert not first.was_done
    assert perform(task) == replace(first, was_done=True)  # its worker's answer was lost
    assert perform(replace(task, batch="other", resume=True)).was_done
    assert (tmp_path / "a/clip.txt").stat().st_ino == written
    assert not perform(replace(task, batch="other")).was_done  # a new run begins anew
    (tmp_path / "a/clip.txt").unlink()
    assert not perform(replace(task, batch="other", resume=True)).was_done  # there is no result any more


def test_a_part_on_the_shelf_is_not_described_again(make_job: MakeJob, tmp_path: Path) -> None:
    task = Task("whole", make_job("a"), "batch", tmp_path)
    describe = replace(task, step="describe", planned=planned(task), part=1)
    assert not perform(describe).was_done
    shelf = {path.name: path.stat().st_ino for path in (tmp_path / "a/.batch").iterdir()}
    perform(describe)
    assert {path.name: path.stat().st_ino for path in (tmp_path / "a/.batch").iterdir()} == shelf


def test_parts_whose_pictures_disagree_are_not_believed(make_job: MakeJob, tmp_path: Path) -> None:
    task = Task("whole", make_job("a"), "batch", tmp_path)
    plan = planned(task)
    for part in range(len(plan.parts)):
        perform(replace(task, step="describe", planned=plan, part=part))
    path = tmp_path / "a/.batch" / plan.file_of(1)
    with np.load(path) as arrays:
        kept = dict(arrays)
    kept["ends"][0] += 1  # another picture than the one before it ends with
    np.savez(path, **kept)
    told = perform(replace(task, step="finish", planned=plan)).result
    assert isinstance(told, NotAsListed) and f"frame {plan.parts[1][0] - 1} looks different" in str(told)
    assert not (tmp_path / "a/clip.txt").exists()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"detections": "fastestdet"}, "a detector looks at it"),
        ({"descriptor": "none"}, "there is nothing to describe"),
        ({"embed_when": "ambiguous", "second_pass": "fill"}, "its features are not all of one kind"),
    ],
)
def test_some_videos_are_not_cut(make_job: MakeJob, tmp_path: Path, changes: dict[str, str], why: str) -> None:
    task = Task("plan", replace(make_job("a"), **changes), "batch", tmp_path, frames_a_part=8)  # type: ignore[arg-type]
    assert perform(task).result == why


def test_bad_input_is_told(make_job: MakeJob, tmp_path: Path) -> None:
    told = perform(Task("whole", replace(make_job("a"), detections="nowhere.txt"), "batch", tmp_path)).result
    assert isinstance(told, InputError) and "nowhere.txt" in str(told)
