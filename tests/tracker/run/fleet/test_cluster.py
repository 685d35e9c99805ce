"""A batch on Ray: a made-up Ray that loses workers, and the real one where it is installed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tracker.commands.main import track
from tracker.run.fleet import cluster
from tracker.run.fleet.tasks import Task
from tracker.run.job import Fleet, Job
from tracker.run.parallel import attempt_all

parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
pytestmark = pytest.mark.slow

MakeJob = Callable[..., Job]


class RayError(Exception):
    pass


class RayTaskError(RayError):
    pass


class WorkerCrashedError(RayError):
    pass


class FakeRay(ModuleType):
    """Runs a step when it is waited for; `loses` says of which one the worker dies, before or behind it."""

    def __init__(self, loses: Callable[[Task], str]) -> None:
        super().__init__("ray")
        self.loses = loses
        self.steps: list[tuple[str, str, int]] = []
        self.exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)
        self.ended: list[Any] = []

    def remote(self, **_: Any) -> Callable[[Any], Any]:
        return lambda function: SimpleNamespace(remote=lambda task: _Reference(function, task))

    def wait(self, references: list[_Reference], **_: Any) -> tuple[list[_Reference], list[_Reference]]:
        return references[:1], references[1:]

    def get(self, reference: _Reference) -> Any:
        task = reference.task
        self.steps.append((task.step, task.job.sequence.name, task.part))
        lost = self.loses(task)
        told = reference.function(task) if lost != "before" else None
        if lost:
            raise WorkerCrashedError(f"lost {lost}")
        return told

    def is_initialized(self) -> bool:
        return True

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2.0}

    def nodes(self) -> list[dict[str, bool]]:
        return [{"Alive": True}]


class _Reference:
    def __init__(self, function: Callable[[Task], Any], task: Task) -> None:
        self.function, self.task = function, task


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Task], str]], FakeRay]:
    def install(loses: Callable[[Task], str]) -> FakeRay:
        ray = FakeRay(loses)
        monkeypatch.setitem(sys.modules, "ray", ray)
        monkeypatch.setattr(cluster, "require_package", lambda *_: None)
        monkeypatch.setattr(cluster, "_connect", lambda address: False)
        return ray

    return install


def bytes_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".txt", ".npy")}


def test_every_step_may_be_lost_once(
    fake: Any, make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it is done or behind: all is there in the end, a video in parts and one in one go, and said why."""
    seen: set[tuple[str, str, int, str]] = set()

    def loses(task: Task) -> str:
        for when in ("before", "behind"):
            key = (task.step, task.job.sequence.name, task.part, when)
            if key not in seen:
                seen.add(key)
                return when
        return ""

    ray = fake(loses)
    attempt_all([make_job("one", name) for name in ("a", "b")])
    jobs = [make_job("ray", name) for name in ("a", "b")]
    monkeypatch.setattr(cluster, "frames_about", lambda job: 24 if job.sequence.name == "a" else 8)  # too short to cut
    outcome = attempt_all(jobs, "ray", Fleet(frames_a_part=8))
    assert outcome.failures == {} and [one.name for one in outcome.summaries] == ["a", "b"]
    assert bytes_in(tmp_path / "ray") == bytes_in(tmp_path / "one")
    assert {step for step, name, _ in ray.steps if name == "a"} == {"plan", "describe", "finish"}
    assert {step for step, name, _ in ray.steps if name == "b"} == {"whole"}
    table = parquet.read_table(tmp_path / "ray/batch.parquet").to_pylist()
    assert [(row["name"], row["status"]) for row in table] == [("a", "done"), ("b", "done")]
    assert table[1]["retries"] == [f"whole: WorkerCrashedError: lost {when}" for when in ("before", "behind")]
    assert len(table[0]["retries"]) == 2 * 5  # plan, three parts, finish
    rows = [tuple(track.values())[:2] for track in table[0]["tracks"]]
    lines = (tmp_path / "ray/a.txt").read_text().splitlines()
    assert rows == [tuple(map(int, line.split(",")[:2])) for line in lines]
    assert json.loads(table[0]["account"])["frames"] == table[0]["frames"] == 24


def test_a_video_that_kills_its_workers_is_given_up(fake: Any, make_job: MakeJob, tmp_path: Path) -> None:
    ray = fake(lambda task: "before" if task.job.sequence.name == "a" else "")
    outcome = attempt_all([make_job("ray", "a"), make_job("ray", "b")], "ray")
    assert outcome.failures == {"a": "given up after 4 tries: WorkerCrashedError: lost before"}
    assert [one.name for one in outcome.summaries] == ["b"] and outcome.exit_code == 2
    assert len([name for _, name, _ in ray.steps if name == "a"]) == 4
    failed = parquet.read_table(tmp_path / "ray/batch.parquet").to_pylist()[1]
    assert failed["name"] == "a" and failed["status"] == "failed" and "given up" in failed["error"]
    assert failed["tracks"] is None and len(failed["retries"]) == 4


def test_bad_input_is_not_tried_again(fake: Any, make_job: MakeJob) -> None:
    ray = fake(lambda task: "")
    outcome = attempt_all([make_job("ray", "a", detections="nowhere.txt"), make_job("ray", "b")], "ray")
    assert "nowhere.txt" in outcome.failures["a"] and [one.name for one in outcome.summaries] == ["b"]
    assert [name for _, name, _ in ray.steps if name == "a"] == ["a"]


def test_two_real_workers(make_job: MakeJob, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command, from a list, by paths that begin in the working folder."""
    ray = pytest.importorskip("ray", reason="needs ray: pip install 'flatsort[ray]'")
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "c"):
        make_job("any", name)
    Path("list.txt").write_text("".join(f"videos/{name}.mp4\n" for name in ("a", "b", "c")))
    shared = ["--seq", "list.txt", "--det", str(clip.with_suffix(".txt"))]
    ray.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=80_000_000, log_to_driver=False)
    try:
        for options in (["--out", "one"], ["--out", "two", "--jobs", "ray", "--part", "8"]):
            with pytest.raises(SystemExit) as ended:
                track([*shared, *options])
            assert ended.value.code == 0
    finally:
        ray.shutdown()
    assert bytes_in(tmp_path / "two") == bytes_in(tmp_path / "one") and len(bytes_in(tmp_path / "one")) == 6
    assert parquet.read_table("two/batch.parquet")["status"].to_pylist() == ["done"] * 3
