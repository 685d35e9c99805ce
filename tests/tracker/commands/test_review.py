"""`flatsort review`, as far as it goes without a browser."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.tracker.review.test_corrections import SCENE
from tracker.commands.main import run
from tracker.files.motchallenge import read_tracks, write_results
from tracker.review.session import Session, target_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_results(tmp_path / "clip.txt", SCENE.frames, SCENE.ids, SCENE.boxes, SCENE.scores)
    (tmp_path / "video").mkdir()
    for frame in range(1, 9):
        cv2.imwrite(str(tmp_path / "video" / f"{frame:06}.jpg"), np.full((48, 64, 3), 99, np.uint8))
    return tmp_path


def review(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[object, str]:
    with pytest.raises(SystemExit) as ended:
        run("review", [str(one) for one in arguments])
    return ended.value.code, capsys.readouterr().err


def test_replay(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result, log = folder / "clip.txt", folder / "log.jsonl"
    session = Session(read_tracks(result), result, log, target_of(result, folder / "saved.txt", (0, 0)), "clip")
    session.say({"do": "merge", "keep": 3, "other": 7})
    session.say({"do": "name", "id": 3, "name": "Ana"})
    session.save()
    session.close()
    code, said = review(capsys, result, "--replay", log, "--out", folder / "again.txt")
    assert code == 0 and "2 corrections; 13 boxes of 2 identities" in said and "names, for which mot has no" in said
    assert (folder / "again.txt").read_bytes() == (folder / "saved.txt").read_bytes()
    assert json.loads((folder / "again.names.json").read_text("utf-8")) == {"3": "Ana"}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["clip.txt"], "--seq: missing"),
        (["none.txt", "--seq", "video"], "none.txt: cannot be read"),
        (["clip.txt", "--seq", "nowhere.mp4"], "nowhere.mp4': not found"),
        (["clip.txt", "--seq", "short"], "has boxes in frame 8, but short has 2 frames; of another video?"),
        (["clip.txt", "--seq", "7"], "a camera or stream"),
        (["empty.txt", "--seq", "video"], "empty.txt: holds no tracks"),
        (["clip.txt", "--seq", "video", "--out", "clip.txt"], "RESULT, which is read"),
        (["clip.txt", "--seq", "video", "--log", "clip.txt"], "RESULT, which is read"),
        (["clip.txt", "--seq", "video", "--out", "new.xyz"], "not known how to write '.xyz'"),
        (["clip.txt", "--seq", "video", "--descriptor", "nobody"], "descriptor 'nobody': not known"),
        (["clip.txt", "--replay", "clip.txt", "--out", "new.txt"], "line 1: is no JSON"),
        (["clip.txt", "--replay", "none.jsonl", "--out", "new.txt"], "none.jsonl: cannot be read"),
        (["-", "--seq", "video"], "expected a file"),
    ],
)
def test_bad_input_in_one_line(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    why: str,
) -> None:
    monkeypatch.chdir(folder)
    (folder / "empty.txt").touch()
    (folder / "short").mkdir()
    for frame in (1, 2):
        cv2.imwrite(str(folder / "short" / f"{frame:06}.jpg"), np.full((48, 64, 3), 99, np.uint8))
    code, said = review(capsys, *arguments, "--no-browser")
    assert code == 2
    assert why in said and said.count("\n") == 1


@pytest.mark.slow
def test_ended_by_a_signal_and_started_again(folder: Path) -> None:
    command = [sys.executable, "-m", "tracker.commands.main", "review", str(folder / "clip.txt")]
    command += ["--seq", str(folder / "video"), "--no-browser", "--descriptor", "none"]
    for ending, saved in ((signal.SIGKILL, False), (signal.SIGINT, True)):
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ)) as running:
            assert running.stderr is not None
            url = next(found[0] for line in running.stderr if (found := re.search(r"http://\S+/", line)))
            say(url, {"do": "undo"} if saved else {"do": "merge", "keep": 3, "other": 7})
            if not saved:
                say(url, {"do": "delete", "id": 5})
            running.send_signal(ending)
            rest = running.stderr.read()
        assert (folder / "clip.corrected.txt").exists() == saved
    assert "saved: 13 boxes of 2 identities" in rest
    assert set(read_tracks(folder / "clip.corrected.txt").ids.tolist()) == {3, 5}


def say(url: str, content: object) -> None:
    from urllib.request import Request, urlopen

    headers = {"Content-Type": "application/json", "Origin": url.rpartition("/")[0].rpartition("/")[0]}
    assert urlopen(Request(f"{url}say", json.dumps(content).encode(), headers), timeout=20).status == 200
