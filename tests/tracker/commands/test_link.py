"""`--link`, `--raw` and `flatsort link`, through the command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.tracker.run.test_second_pass import PEOPLE, write
from tracker.commands.command_line import fill_bare
from tracker.commands.main import run
from tracker.files.motchallenge import read_tracks


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["--link"], ["--link", "on"]),
        (["--link", "off"], ["--link", "off"]),
        (["--link", "--raw"], ["--link", "on", "--raw"]),
        (["--link", "clip.mp4"], ["--link", "on", "clip.mp4"]),
        (["clip.mp4"], ["clip.mp4"]),
    ],
)
def test_an_option_may_stand_without_its_value(given: list[str], meant: list[str]) -> None:
    assert fill_bare(given, {"--link": ("on", "off")}) == meant


def tracks(folder: Path, *options: str) -> int:
    """Identities that `track` gives a crowd of whom the first pass loses everybody."""
    out = folder / "out.txt"
    with pytest.raises(SystemExit) as ended:
        run("track", ["--seq", str(folder / "clip"), "--det", str(folder / "crowd.npy"), "--out", str(out), *options])
    assert ended.value.code == 0
    return len(np.unique(read_tracks(out).ids))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clip" / "det").mkdir(parents=True)
    (tmp_path / "clip" / "seqinfo.ini").write_text(
        "[Sequence]\nname=clip\nframeRate=25\nseqLength=160\nimWidth=1000\nimHeight=1400\n"
    )
    write(tmp_path / "crowd.npy")
    return tmp_path


def test_recordings_are_linked_unless_told_otherwise(folder: Path) -> None:
    short = ("--set", "max_age=20")
    assert tracks(folder, *short) == PEOPLE
    assert tracks(folder, *short, "--link", "off") == 2 * PEOPLE
    assert tracks(folder, *short, "--raw") == 2 * PEOPLE
    assert tracks(folder, "--config", "sort", "--set", "max_age=20") == 2 * PEOPLE
    assert tracks(folder, "--link", "--config", "sort", "--set", "max_age=20") == PEOPLE


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--raw", "--link"], "--raw and --link: both given, expected one"),
        (["--raw", "--delay", "5"], "--raw and --delay: both given, expected one"),
    ],
)
def test_options_that_contradict_each_other(
    folder: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        run("track", ["--seq", str(folder / "clip"), "--det", str(folder / "crowd.npy"), *options])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_the_command_on_a_finished_result(tmp_path: Path) -> None:
    """The demo's tracks by overlap alone, linked by looks."""
    from tracker.demo.render import render_demo

    clip = render_demo(tmp_path, frames=120)
    raw, linked = tmp_path / "raw.txt", tmp_path / "linked.txt"
    with pytest.raises(SystemExit):
        run("track", ["--seq", str(clip), "--det", "det.txt", "--config", "sort", "--out", str(raw)])
    picture = tmp_path / "why.png"
    with pytest.raises(SystemExit) as ended:
        run("link", [str(raw), "--seq", str(clip), "--out", str(linked), "--picture", str(picture)])
    assert ended.value.code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    for wrong in ("why.gif", "."):
        with pytest.raises(SystemExit) as refused:
            run("link", [str(raw), "--seq", str(clip), "--out", str(linked), "--picture", str(tmp_path / wrong)])
        assert refused.value.code == 2
    before, after = read_tracks(raw), read_tracks(linked)
    assert len(np.unique(after.ids)) <= len(np.unique(before.ids))
    with pytest.raises(SystemExit) as refused:
        run("link", [str(raw), "--seq", str(clip), "--out", str(raw)])
    assert refused.value.code == 2
