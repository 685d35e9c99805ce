"""No output replaces what is read or another output; what can be refused is refused before anything is written."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tracker.commands.main import track as main
from tracker.errors import InputError
from tracker.files.apart import require_apart


@pytest.fixture
def sequence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """S with detections, ground truth and one picture, in the working folder; beside it the settings c.yaml."""
    monkeypatch.chdir(tmp_path)
    for part in ("det", "gt", "img1"):
        (tmp_path / "S" / part).mkdir(parents=True)
    rows = [[frame, -1, 10 + frame, 20, 30, 60, 0.9] for frame in range(1, 6)]
    np.savetxt("S/det/det.txt", rows, fmt="%g", delimiter=",")
    np.savetxt("S/gt/gt.txt", [[f, 1, 10 + f, 20, 30, 60, 1, 1, 1] for f in range(1, 6)], fmt="%g", delimiter=",")
    (tmp_path / "S/img1/000001.png").write_bytes(b"")
    (tmp_path / "c.yaml").write_text("stages: [{match: iou}]\n")
    (tmp_path / "link.txt").symlink_to("S/gt/gt.txt")
    os.link("S/det/det.txt", "twin.txt")
    return tmp_path / "S"


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--out", "S/gt/gt.txt", "--evaluate"], "S/gt/gt.txt: is the ground truth of S, which is read"),
        (["--out", "S/det/det.txt"], "is the detections of S, which is read"),
        (["--out", "twin.txt"], "is the detections of S"),  # another name of the same file
        (["--out", "link.txt"], "is the ground truth of S"),  # a link to it
        (["--out", "S/../S/det/det.txt"], "is the detections of S"),
        (["--out", "S/seqinfo.ini"], "is the description of S"),
        (["--out", "c.yaml"], "is --config, which is read"),
        (["--out", "x.csv", "--table", "x.csv"], "--table of S x.csv: is --out of S's file too"),
        (["--out", "x.txt", "--json", "./x.txt"], "--json x.txt: is --out of S's file too"),
        (["--out", "x.txt", "--table", "S/det/det.csv/t.csv", "--json", "S/det/det.txt"], "is the detections of S"),
        (["--out", "x.txt", "--sheet", "S/img1/sheet.png"], "lies among the frames of S"),
        (["--out", "x.txt", "--sheet", "sheet.gif"], "expected a name that ends in .png or .jpg"),
        (["--out", "x.txt", "--video", "v.avi"], "expected a name that ends in .mp4"),
        (["--out", "x.txt", "--table", "c.yaml/t.csv"], "cannot be written: Not a directory"),
        (["--out", "x.txt", "--table", "/proc/none/t.csv"], "cannot be written"),
        (["--out", "x.txt", "--json", "S"], "is a folder"),
    ],
)
def test_outputs_that_cannot_be_are_named_before_anything_is_written(
    sequence: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    before = everything(sequence.parent)
    with pytest.raises(SystemExit) as ended:
        main(["--seq", "S", "--det", "det.txt", "--descriptor", "none", "--config", "c.yaml", *options])
    printed = capsys.readouterr()
    assert ended.value.code == 2
    assert said in printed.err and printed.err.count("\n") == 1, printed.err
    assert everything(sequence.parent) == before


def test_the_source_is_not_replaced_by_the_annotated_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("clip.mp4").write_bytes(b"precious")
    with pytest.raises(SystemExit) as ended:
        main(["clip.mp4", "--det", "hog", "--descriptor", "none", "--video", "clip.mp4"])
    assert ended.value.code == 2
    assert "--video of clip clip.mp4: is the source of clip, which is read" in capsys.readouterr().err
    assert Path("clip.mp4").read_bytes() == b"precious"


def test_parquet_without_pyarrow_is_named_before_the_first_frame(
    sequence: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("embedding.extras.find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        main(["--seq", "S", "--det", "det.txt", "--config", "sort", "--out", "x.txt", "--table", "t.parquet"])
    assert "t.parquet: needs pyarrow" in capsys.readouterr().err
    assert not Path("x.txt").exists()


def test_devices_may_be_named_twice() -> None:
    require_apart([("--out", Path(os.devnull)), ("--json", Path(os.devnull))])


def test_two_names_that_do_not_exist_yet_are_one_file_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "alias").symlink_to("real")
    with pytest.raises(InputError, match="is A's file too"):
        require_apart([("A", tmp_path / "real/x"), ("B", tmp_path / "alias/x")])
    assert list((tmp_path / "real").iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written: Permission denied"):
        require_apart([("--out", tmp_path / "x.txt")])


def test_the_table_of_a_batch_replaces_nothing(sequence: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A link of its name to what is read, or a folder, is refused before Ray starts."""
    table = Path("out/batch.parquet")
    table.parent.mkdir()
    for make, why in ((lambda: table.symlink_to(sequence / "det/det.txt"), "which is read"), (table.mkdir, "folder")):
        make()
        with pytest.raises(SystemExit) as ended:
            main(["--seq", "S", "--out", "out/S.txt", "--config", "sort", "--jobs", "ray", "--address", "nowhere:1"])
        assert ended.value.code == 2
        said = capsys.readouterr().err
        assert "batch.parquet" in said and why in said
        if table.is_symlink():
            table.unlink()
