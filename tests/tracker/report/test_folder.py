"""A report's folder replaces an earlier report and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracker.errors import InputError
from tracker.report.folder import put_in_place, require_place

OURS = '<!doctype html><meta name="generator" content="FlatSORT">'


def folder(path: Path, **files: str) -> Path:
    path.mkdir()
    for name, text in files.items():
        (path / name.replace("_", ".")).write_text(text)
    return path


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"index_html": OURS, "notes_txt": "mine"}, "notes.txt"),  # something was put beside it
        ({"index_html": "<html>my homepage"}, "index.html"),  # not one of ours
        ({"video_mp4": "mine"}, "index.html"),  # no page at all
        ({"a_jpg": ""}, "a.jpg"),
    ],
)
def test_what_is_no_report_stays(tmp_path: Path, files: dict[str, str], found: str) -> None:
    place = folder(tmp_path / "report", **files)
    made = folder(tmp_path / "made", index_html=OURS)
    before = sorted(path.name for path in place.iterdir())
    with pytest.raises(InputError, match=f"--report .*report: holds {found}, which is no part of a report"):
        put_in_place(made, place)
    assert sorted(path.name for path in place.iterdir()) == before


def test_a_file_and_the_working_folder_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(tmp_path)
    for place in (tmp_path / "file", Path()):
        with pytest.raises(InputError, match="expected a folder of its own"):
            require_place(place)


@pytest.mark.parametrize("before", [None, {}, {"index_html": OURS}, {"index_html": OURS, "video_mp4": "old"}])
def test_an_earlier_report_is_replaced(tmp_path: Path, before: dict[str, str] | None) -> None:
    place = tmp_path / "report"
    if before is not None:
        folder(place, **before)
    put_in_place(folder(tmp_path / "made", index_html=OURS + "new"), place)
    assert (place / "index.html").read_text().endswith("new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report"]
    assert sorted(path.name for path in place.iterdir()) == ["index.html"]
