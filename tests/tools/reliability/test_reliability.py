"""The programs that try to break the project: they damage the same files each time, and see what breaks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tools.reliability import fuzz
from tools.reliability.kills import kill_all
from tools.reliability.readers import READERS


@pytest.mark.parametrize("kind", [kind for kind in READERS if kind not in ("descriptor", "detector", "closed_form")])
def test_every_kind_is_read_whole_and_damaged_alike_each_time(tmp_path: Path, kind: str) -> None:
    reader = READERS[kind]
    for content in reader.make():
        path = tmp_path / reader.name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        reader.read(path)
    cases = [fuzz.damaged(kind, 0, case) for case in range(20)]
    assert cases == [fuzz.damaged(kind, 0, case) for case in range(20)]
    assert len(set(cases)) > 10
    assert [fuzz._read(kind, 0, case, tmp_path) for case in range(20)] == [""] * 20


def test_what_breaks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path) -> None:
        raise ValueError("no line")

    monkeypatch.setitem(READERS, "tracks", replace(READERS["tracks"], read=broken))
    assert fuzz._read("tracks", 0, 0, tmp_path).startswith("ValueError at test_reliability.py")


@pytest.mark.slow
def test_files_are_read_in_processes_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.fuzz(["tracks"], cases=50, seed=3) == 0
    assert "tracks: 50 cases, 0 faults" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_command_loses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert kill_all(["embed"], times=2, seed=0) == 0
    assert "embed: 2 kills of a run of" in capsys.readouterr().err
