"""Runs that are told to end, lose their listeners or their disk: what is there afterwards, and what is not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from tracker.commands.main import track as main
from tracker.files.motchallenge import read_tracks
from tracker.input.frames import open_frames

CHECKOUT = Path(__file__).resolve().parents[3]
TRACK = "from tracker.commands.main import track; track()"
RESET = "import signal as s; s.signal(1, s.SIG_DFL); s.signal(15, s.SIG_DFL); s.signal(2, s.default_int_handler)"
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def add(root: Path, name: str, length: int = 10, pictures: bool = False) -> Path:
    """Two people for some frames of a sequence that goes on for `length`."""
    folder = root / name
    (folder / "det").mkdir(parents=True)
    rows = [[f, -1, 20 + 3 * f + 60 * p, 20, 30, 60, 0.9] for f in range(1, 11) for p in range(2)]
    np.savetxt(folder / "det/det.txt", rows, fmt="%g", delimiter=",")
    (folder / "seqinfo.ini").write_text(f"[Sequence]\nseqLength={length}\nframeRate=10\n")
    if pictures:
        (folder / "img1").mkdir()
        for frame in range(1, length + 1):
            cv2.imwrite(str(folder / f"img1/{frame:06d}.png"), np.full((96, 160, 3), 90, np.uint8))
    return folder


def start(*arguments: object, cwd: Path) -> subprocess.Popen[str]:
    """The command in a session of its own, where nothing is ignored from the outside."""
    return subprocess.Popen(
        [sys.executable, "-c", f"{RESET}\nif __name__ == '__main__':\n    {TRACK}", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def workers_of(pid: int) -> list[int]:
    """Processes whose parent is this one."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(stat.parent.name))
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# --- outputs that fail -----------------------------------------------------------------------------------------------

NAMES = {"--out": "o.txt", "--video": "v.mp4", "--sheet": "s.png", "--table": "t.csv"}


@pytest.mark.parametrize("full", list(NAMES))
def test_an_output_on_a_full_disk_costs_a_line_and_not_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], full: str
) -> None:
    add(tmp_path, "A", pictures=True)
    places = {option: tmp_path / name for option, name in NAMES.items()}
    common = ["--seq", str(tmp_path / "A"), "--det", "det.txt", "--descriptor", "none", "--config", "sort"]
    whole = {option: tmp_path / f"whole-{name}" for option, name in NAMES.items()}
    with pytest.raises(SystemExit) as ended:
        main([*common, *(str(part) for pair in whole.items() for part in pair)])
    assert ended.value.code == 0
    places[full].symlink_to("/dev/full")
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([*common, *(str(part) for pair in places.items() for part in pair)])
    assert ended.value.code == 2
    told = [line for line in capsys.readouterr().err.splitlines() if "cannot be written" in line]
    assert len(told) == 1 and str(places[full]) in told[0] and "No space left" in told[0]
    for option in set(NAMES) - {full, "--video"}:
        assert places[option].read_bytes() == whole[option].read_bytes(), option
    if full != "--video":  # the encoder's bytes differ by chance
        with open_frames(places["--video"]) as frames:
            assert len(list(frames)) == 10
    assert not list(tmp_path.glob("*.partial")) and not list(tmp_path.glob(".*"))


def test_the_table_is_told_to_be_missing_in_parquet_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyarrow")
    add(tmp_path, "A")
    (tmp_path / "t.parquet").symlink_to("/dev/full")
    with pytest.raises(SystemExit) as ended:
        main(
            [
                *("--seq", str(tmp_path / "A"), "--det", "det.txt", "--config", "sort"),
                *("--out", str(tmp_path / "o.txt"), "--table", str(tmp_path / "t.parquet")),
            ]
        )
    assert ended.value.code == 2 and len(read_tracks(tmp_path / "o.txt")) == 20
    assert "t.parquet: cannot be written: " in capsys.readouterr().err


# --- rows can be read while a run goes on ----------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--smooth",)])
def test_a_killed_run_leaves_its_rows_and_the_next_one_nothing(tmp_path: Path, options: tuple[str, ...]) -> None:
    folder = add(tmp_path, "Long", length=100_000_000)
    process = start("--seq", folder, "--det", "det.txt", "--config", "sort", "--out", "l.txt", *options, cwd=tmp_path)
    partial = tmp_path / "l.txt.partial"
    wait_for(lambda: partial.exists() and partial.stat().st_size)
    assert not (tmp_path / "l.txt").exists()
    process.kill()
    process.communicate(timeout=60)
    assert len(read_tracks(partial)) == 20  # all rows there will ever be
    (folder / "seqinfo.ini").unlink()
    done = start("--seq", folder, "--det", "det.txt", "--config", "sort", "--out", "l.txt", *options, cwd=tmp_path)
    done.communicate(timeout=60)
    assert done.returncode == 0 and names_in(tmp_path) == {"Long", "l.txt"}


# --- signals ---------------------------------------------------------------------------------------------------------


def test_a_second_signal_ends_at_once() -> None:
    program = """
import time
from tracker.run.processes.ending import Interrupted, ending_in_order
with ending_in_order():
    try:
        print("ready", flush=True)
        time.sleep(60)
    except Interrupted:
        print("first", flush=True)
        time.sleep(60)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    assert process.stdout.readline() == "first\n"
    process.terminate()
    assert process.wait(30) == 128 + signal.SIGTERM


def test_what_nohup_ignores_stays_ignored() -> None:
    program = """
import os, signal
signal.signal(signal.SIGHUP, signal.SIG_IGN)
from tracker.run.processes.ending import ending_in_order, is_interrupted
with ending_in_order():
    os.kill(os.getpid(), signal.SIGHUP)
print(is_interrupted())
"""
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment).stdout == (
        "False\n"
    )


@pytest.mark.parametrize("number", SIGNALS)
def test_as_process_one_a_run_ends_as_well(tmp_path: Path, number: int) -> None:
    """The kernel gives process 1 of a container only signals that it handles."""
    inside = ["unshare", "--pid", "--fork", "--kill-child"]
    if subprocess.run([*inside, "true"], capture_output=True).returncode:
        pytest.skip("needs the right to make a PID namespace")
    folder = add(tmp_path, "Long", length=100_000_000)
    process = subprocess.Popen(
        [
            *(*inside, sys.executable, "-c", f"{RESET}; {TRACK}", "--seq", str(folder), "--det", "det.txt"),
            *("--config", "sort", "--out", "l.txt"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: (tmp_path / "l.txt.partial").exists())
    (one,) = workers_of(process.pid)
    time.sleep(0.3)
    os.kill(one, number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number and "track: interrupted" in err
    assert names_in(tmp_path) == {"Long"}


# --- nobody listens --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-", ">&-", "2>&1 | head -1", "2>/dev/full"])
def test_a_run_goes_on_where_nobody_listens(tmp_path: Path, closed: str) -> None:
    folder = add(tmp_path, "A")
    command = f"{sys.executable} -c '{TRACK}' --seq {folder} --det det.txt --config sort --out o.txt {closed}"
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, timeout=60, stdout=subprocess.DEVNULL)
    assert len(read_tracks(tmp_path / "o.txt")) == 20
    assert names_in(tmp_path) == {"A", "o.txt"}


def test_scores_that_nobody_reads(tmp_path: Path) -> None:
    folder = add(tmp_path, "A")
    (folder / "gt").mkdir()
    np.savetxt(folder / "gt/gt.txt", [[f, 1, 20 + 3 * f, 20, 30, 60, 1, 1, 1] for f in range(1, 11)], "%g", ",")
    command = f"{sys.executable} -c '{TRACK}' --seq {folder} --det det.txt --config sort --out o.txt --evaluate >&-"
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "Traceback" not in done.stderr


# --- several at once -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_bad_sequence_does_not_stop_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str], jobs: str) -> None:
    for name in "ABC":
        add(tmp_path / "data", name)
    (tmp_path / "data/B/det/det.txt").write_text("1,-1,5,5,10,20,1\nrubbish\n")
    with pytest.raises(SystemExit) as ended:
        main(
            [
                *("--root", str(tmp_path / "data"), "--seq", "A", "B", "C", "--det", "det.txt", "--config", "sort"),
                *("--out", str(tmp_path / "out"), "--jobs", jobs, "--json", str(tmp_path / "j.json")),
            ]
        )
    err = capsys.readouterr().err
    assert ended.value.code == 2
    assert "1 of 3 sequences failed: B; the others are done" in err and "line 2" in err
    assert names_in(tmp_path / "out") == {"A.txt", "C.txt"}
    told = json.loads((tmp_path / "j.json").read_text())
    assert "line 2" in told["B"]["error"] and told["A"]["frames"] == 10


@pytest.mark.slow
@pytest.mark.parametrize("number", [*SIGNALS, signal.SIGKILL])
def test_workers_end_with_their_parent(tmp_path: Path, number: int) -> None:
    for name in "ABC":
        add(tmp_path / "data", name, length=100_000_000)
    process = start(
        *("--root", "data", "--seq", "A", "B", "C", "--det", "det.txt", "--config", "sort"),
        *("--out", "out", "--jobs", "2"),
        cwd=tmp_path,
    )
    wait_for(lambda: len(list(tmp_path.glob("out/*.partial"))) == 2)
    workers = workers_of(process.pid)
    assert len(workers) >= 2
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    _, err = process.communicate(timeout=60)
    wait_for(lambda: not any(map(is_alive, workers)), 30)
    assert names_in(tmp_path / "out") == set()
    assert "Traceback" not in err and "leaked" not in err
    assert process.returncode == (-9 if number == signal.SIGKILL else 128 + number)


def test_a_worker_that_dies_costs_its_own_sequence(tmp_path: Path) -> None:
    for name, length in (("A", 100_000_000), ("B", 10), ("C", 10)):
        add(tmp_path / "data", name, length=length)
    process = start(
        *("--root", "data", "--seq", "A", "B", "C", "--det", "det.txt", "--config", "sort"),
        *("--out", "out", "--jobs", "2"),
        cwd=tmp_path,
    )
    wait_for(
        lambda: {"A.txt.partial", "B.txt", "C.txt"} <= names_in(tmp_path / "out") if (tmp_path / "out").exists() else 0
    )
    for worker in workers_of(process.pid):
        if b"spawn_main" in Path(f"/proc/{worker}/cmdline").read_bytes():
            os.kill(worker, signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "A: its process ended early (SIGKILL: out of memory?)" in err and "1 of 3 sequences failed: A" in err
