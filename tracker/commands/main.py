"""`flatsort COMMAND ...`, and `track ...`, which is `flatsort track ...`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

from tracker.commands.command_line import fail, let_threads_sleep, run_command

BARE = {"--link": ("on", "off")}  # options that may stand without a value: those they take, the first if none is given
# Name -> what it does, and the options that take several values. The module of that name here has a function `main`.
COMMANDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "track": ("Track objects through image sequences and videos.", ("--seq", "--set")),
    "serve": ("Track many cameras at once, for ever.", ()),
    "link": ("Join what looks like one person in any tracker's result, or in several.", ()),
    "review": ("Correct a result by hand in the browser; suggestions say where.", ()),
    "zones": ("Draw lines and zones on a video, count at them in a result.", ()),
    "convert": ("Bring detections and tracks from one format to another.", ()),
    "evaluate": ("Score results against ground truth.", ()),
    "embed": ("Give detections features, for `track` or other trackers.", ("--seq",)),
    "calibrate": ("Say which gate tells the people of one's own footage apart.", ("--seq", "--det")),
    "adapt": ("Fit a descriptor to the people of one camera, without labels.", ("--seq", "--corrections")),
    "crops": ("Cut people out of sequences, to train on.", ("--seq", "--det")),
    "train": ("Train a descriptor's model.", ("--set",)),
    "export": ("Write a trained descriptor as an ONNX file.", ()),
    "tune": ("Choose a preset's parameters on one's own ground truth.", ("--det", "--seq", "--parameters")),
}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The `flatsort` command; bad input ends with one line and exit code 2."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if not given or given[0] in ("-h", "--help"):
        print(_usage())
        sys.exit(0)
    if given[0] == "--version":
        from importlib.metadata import version

        from tracker.core.tracker import chosen_backend
        from tracker.errors import InputError

        try:
            print(f"flatsort {version('flatsort')} ({chosen_backend()} core)")
        except InputError as error:
            print(f"flatsort: {error}", file=sys.stderr)
            sys.exit(2)
        sys.exit(0)
    if given[0] not in COMMANDS:
        import difflib

        near = difflib.get_close_matches(given[0], COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(COMMANDS)}"
        fail("flatsort", f"{given[0]}: no such command; {hint}")
    run(given[0], given[1:], f"flatsort {given[0]}")


def track(arguments: Sequence[str] | None = None) -> NoReturn:
    """The `track` command."""
    run("track", arguments)


def run(name: str, arguments: Sequence[str] | None = None, usage: str | None = None) -> NoReturn:
    """One command by its name, with the arguments of the process if there are none."""
    let_threads_sleep()
    command = importlib.import_module(f"tracker.commands.{name}").main
    run_command(command, name, arguments, COMMANDS[name][1], BARE, usage)


def _usage() -> str:
    lines = [f"  {name:<10} {about}" for name, (about, _) in COMMANDS.items()]
    return "\n".join(
        (
            "Usage: flatsort COMMAND [OPTIONS]",
            "",
            "Multi-object tracking with a flat, label-free appearance descriptor.",
            "",
            "Commands:",
            *lines,
            "",
            "flatsort COMMAND --help says what a command takes; `track` is `flatsort track`.",
        )
    )


if __name__ == "__main__":
    main()
