"""Videos, detections and results on an S3-compatible server on this machine."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tracker.commands.main import track
from tracker.errors import InputError
from tracker.files import storage
from tracker.input.sequences import find_sequences
from tracker.run.fleet.elsewhere import sent, stand_in
from tracker.run.fleet.parts import Plan
from tracker.run.fleet.records import TABLE, collect
from tracker.run.fleet.tasks import Task, perform
from tracker.run.job import Job, Summary
from tracker.run.pipeline import run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[None]:
    """moto's server, which every client in this process is told of."""
    pytest.importorskip("s3fs", reason="needs s3fs: pip install 'flatsort[s3]'")
    moto = pytest.importorskip("moto.server", reason="needs moto[server]")
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        yield
    running.stop()


@pytest.fixture
def bucket(server: None) -> str:
    """An empty bucket."""
    import fsspec

    name = f"videos-{secrets.token_hex(4)}"
    fsspec.filesystem("s3").mkdir(name)
    return f"s3://{name}"


def run_track(*arguments: object) -> None:
    with pytest.raises(SystemExit) as ended:
        track([str(argument) for argument in arguments])
    assert ended.value.code == 0


def test_from_storage_to_storage(bucket: str, clip: Path, make_job: Callable[..., Job], tmp_path: Path) -> None:
    for name in ("a", "b"):
        storage.deliver(clip, f"{bucket}/in/{name}.mp4")
        storage.deliver(clip.with_suffix(".txt"), f"{bucket}/det/{name}.txt")
        make_job("any", name)
    run_track("--seq", tmp_path / "videos/*.mp4", "--det", clip.with_suffix(".txt"), "--out", tmp_path / "here")
    there = ("--seq", f"{bucket}/in/*.mp4", "--det", f"{bucket}/det/{{seq}}.txt", "--out", f"{bucket}/out")
    run_track(*there)
    for path in (tmp_path / "here").iterdir():
        assert storage.read_bytes(f"{bucket}/out/{path.name}") == path.read_bytes()
    storage.remove(f"{bucket}/out/b.txt")
    before = storage.glob(f"{bucket}/out/*")
    run_track(*there, "--resume")
    assert storage.glob(f"{bucket}/out/*") == sorted([*before, f"{bucket}/out/b.txt"])


def test_lists_and_manifests_on_storage(bucket: str, clip: Path, tmp_path: Path) -> None:
    for name in ("in/a.mp4", "in/b.mp4"):
        storage.deliver(clip, f"{bucket}/{name}")
    (tmp_path / "list.txt").write_text(f"a.mp4\n{bucket}/in/b.mp4\n")
    (tmp_path / "m.csv").write_text("video,det,name\na.mp4,a.txt,door\n")
    for name in ("list.txt", "m.csv"):
        storage.deliver(tmp_path / name, f"{bucket}/in/{name}")
    assert [one.address for one in find_sequences([f"{bucket}/in/list.txt"])] == [
        f"{bucket}/in/a.mp4",
        f"{bucket}/in/b.mp4",
    ]
    (found,) = find_sequences([f"{bucket}/in/m.csv"])
    assert (found.name, found.address, found.detections) == ("door", f"{bucket}/in/a.mp4", f"{bucket}/in/a.txt")
    with pytest.raises(InputError, match=r"in/x\*: no file or folder matches"):
        find_sequences([f"{bucket}/in/x*"])


def test_what_is_not_there_is_said(bucket: str, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        track(["--seq", f"{bucket}/no.mp4", "--det", str(clip.with_suffix(".txt")), "--out", str(tmp_path / "a.txt")])
    assert ended.value.code == 2
    assert capsys.readouterr().err.strip().splitlines()[-1] == f"track: {bucket}/no.mp4: no such file"


def test_parts_and_records_lie_on_storage(
    bucket: str, clip: Path, make_job: Callable[..., Job], tmp_path: Path
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
    storage.deliver(clip, f"{bucket}/in/clip.mp4")
    expected = run(make_job("one"))
    (sequence,) = find_sequences([f"{bucket}/in/*.mp4"])
    out = f"{bucket}/out"
    job = replace(make_job("one"), sequence=sequence, out=stand_in(out, sequence, 2))
    task = Task("plan", sent(job, out), "batch", tmp_path, frames_a_part=8)
    plan = perform(task).result
    assert isinstance(plan, Plan) and len(plan.parts) == 3
    for part in range(3):
        describe = replace(task, step="describe", planned=plan, part=part)
        assert perform(describe).result != 0.0
        assert perform(describe).result == 0.0  # it is there
    finish = replace(task, step="finish", planned=plan)
    found = perform(finish).result
    assert isinstance(found, Summary) and found.account == expected.account and found.out == f"{out}/clip.txt"
    for path in (tmp_path / "one").iterdir():
        assert storage.read_bytes(f"{out}/{path.name}") == path.read_bytes()
    assert storage.glob(f"{out}/.batch/*") == [f"{out}/.batch/clip.parquet"]  # the parts are gone
    assert perform(finish).was_done
    collect(tmp_path / TABLE, [(task.job, ["why"])], [])
    assert parquet.read_table(tmp_path / TABLE)["retries"].to_pylist() == [["why"]]
