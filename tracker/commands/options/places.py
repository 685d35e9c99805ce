"""Where the results of a sequence go, as the options say it."""

from __future__ import annotations

from pathlib import Path

from tracker.errors import InputError
from tracker.files.storage import as_path, is_stored
from tracker.input.sequences import Sequence

DEFAULT_OUT = Path("output")


def result_path(asked: str | None, sequence: Sequence, count: int) -> Path:
    """The result file of one sequence of `count`."""
    if asked is None:
        return DEFAULT_OUT / f"{sequence.name}.txt"
    if is_stored(asked):
        from tracker.run.fleet.elsewhere import stand_in

        return stand_in(asked, sequence, count)
    out = Path(as_path(asked))
    if count == 1 and not out.is_dir():
        return out
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: is a file, expected a folder for {count} sequences")
    return out / f"{sequence.name}.txt"


def counts_places(
    zones: str | None, asked: list[str] | None, out: Path, sequence: Sequence, count: int
) -> tuple[Path, ...]:
    """Where counts go: what was asked for, else two files beside the result, or in the default folder for none."""
    if zones is None:
        if asked:
            raise InputError(f"--zones-out {asked[0]}: does nothing without --zones")
        return ()
    if asked:
        return tuple(path for one in asked if (path := named(one, "--zones-out", sequence, count)) is not None)
    place = DEFAULT_OUT / sequence.name if out.exists() and not out.is_file() else out.with_suffix("")
    return tuple(place.with_name(f"{place.name}.zones{suffix}") for suffix in (".json", ".csv"))


def report_place(folder: str | None, sequence: Sequence, count: int) -> Path | None:
    """The folder of a sequence's report: its own, or one of its name in a folder for all."""
    if folder is None:
        return None
    if is_stored(folder):
        raise InputError(f"--report {folder}: only --out may lie on shared storage, expected a path")
    if count > 1 and "{seq}" not in folder:
        return Path(folder) / sequence.name
    return Path(folder.replace("{seq}", sequence.name))


def named(pattern: str | None, option: str, sequence: Sequence, count: int) -> Path | None:
    """A file of a sequence, whose name stands for {seq}."""
    if pattern is None:
        return None
    if is_stored(pattern):
        raise InputError(f"{option} {pattern}: only --out may lie on shared storage, expected a path")
    if count > 1 and "{seq}" not in pattern:
        raise InputError(f"{option} {pattern}: expected {{seq}} in the name, as {count} sequences would share it")
    return Path(pattern.replace("{seq}", sequence.name))
