"""The command `flatsort`: its sub-commands, its version, and help that can be typed as it stands."""

from __future__ import annotations

import importlib
import re
import runpy
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tracker.commands.main import COMMANDS, main, track
from tracker.core.tracker import chosen_backend

CHECKOUT = Path(__file__).resolve().parents[3]
THIN = sorted(path.stem for path in (CHECKOUT / "tools").glob("*.py") if path.stem != "__init__")


def said(capsys: pytest.CaptureFixture[str], arguments: list[str], command: object = main) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        command(arguments)  # type: ignore[operator]
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out, printed.err


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"]])
def test_the_usage_names_every_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, arguments)
    assert (code, err) == (0, "")
    assert re.findall(r"^  (\w+) ", out, re.MULTILINE) == list(COMMANDS)


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    core = chosen_backend()
    assert said(capsys, ["--version"]) == (0, f"flatsort {version('flatsort')} ({core} core)\n", "")


def test_a_core_that_is_none_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLATSORT_BACKEND", "fortran")
    status, out, error = said(capsys, ["--version"])
    assert (status, out) == (2, "")
    assert error == "flatsort: FLATSORT_BACKEND=fortran: expected compiled or numpy\n"


@pytest.mark.parametrize(
    ("name", "hint"),
    [("trakc", "did you mean track?"), ("--seq", "expected one of track, "), ("detect", "expected one of track, ")],
)
def test_a_command_that_is_none_is_one_line(name: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, [name, "--help"])
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"flatsort: {name}: no such command; {hint}")


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example_of_options_that_there_are(
    name: str, flag: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    code, out, err = said(capsys, [name, flag])
    assert (code, err) == (0, "")
    assert f"Usage: flatsort {name} " in out
    described, options = out.split("╭─", 1)
    example = " ".join(described.partition("Example: ")[2].split())
    assert example.startswith((f"flatsort {name} ", f"{name} "))
    for option in re.findall(r"--[\w-]+", example):
        assert re.search(rf"{option}\b", options), f"the example has {option}"


def test_track_is_a_command_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, ["--help"], track)
    assert code == 0
    assert "Usage: track " in out


@pytest.mark.parametrize("name", THIN)
def test_tools_are_thin_entries_to_the_same_commands(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(CHECKOUT))
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"tools.{name}", run_name="__main__")
    assert not ended.value.code
    assert "Example: " in capsys.readouterr().out
    assert callable(importlib.import_module(f"tracker.commands.{name}").main)
