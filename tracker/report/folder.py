"""A report's folder: whole or absent, and never in the place of anything but a report."""

from __future__ import annotations

import shutil
from pathlib import Path

from tracker.errors import InputError

PAGE, VIDEO = "index.html", "video.mp4"
MARK = b'<meta name="generator" content="FlatSORT">'  # in templates/base.html
HEAD = 2000  # bytes of a page in which the mark is


def require_place(folder: Path) -> None:
    """Raise where a report's folder cannot be put.

    Raises:
        InputError: there is a file of that name, or a folder that holds anything but an earlier report.
    """
    try:
        if not folder.exists():
            return
        if not folder.is_dir() or folder.resolve() == Path.cwd():
            raise InputError(f"--report {folder}: expected a folder of its own, new or with an earlier report")
        others = sorted(path.name for path in folder.iterdir() if path.name not in (PAGE, VIDEO))
        if others or not _is_report(folder):
            found = others[0] if others else PAGE
            raise InputError(
                f"--report {folder}: holds {found}, which is no part of a report; expected a new folder, or an "
                "earlier report to replace"
            )
    except OSError as error:
        raise InputError(f"--report {folder}: cannot be read: {error.strerror or error}") from error


def _is_report(folder: Path) -> bool:
    """Whether its page is one of ours; a folder that is empty will do."""
    page = folder / PAGE
    if not page.is_file():
        return not (folder / VIDEO).exists()
    with page.open("rb") as file:
        return MARK in file.read(HEAD)


def put_in_place(made: Path, folder: Path) -> None:
    """Give a finished folder its name; an earlier report there is replaced.

    Raises:
        InputError: it cannot be put there.
    """
    require_place(folder)
    aside = made.with_name(f"{made.name}.old")
    try:
        if folder.exists():
            folder.rename(aside)
        try:
            made.rename(folder)
        except OSError:
            if aside.exists():
                aside.rename(folder)
            raise
    except OSError as error:
        raise InputError(f"--report {folder}: cannot be written: {error.strerror or error}") from error
    shutil.rmtree(aside, ignore_errors=True)
