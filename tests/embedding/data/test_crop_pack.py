"""Packs: what goes in comes out, whole or not at all, and training does not see who is who."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedding.data.crop_pack import (
    CropIndex,
    CropWriter,
    identity_path,
    index_path,
    read_identities,
    read_index,
)
from embedding.errors import InputError

SIZE = (6, 8)  # width, height
CROPS = np.random.default_rng(0).integers(0, 256, (5, 8, 6, 3), dtype=np.uint8)
BOXES = np.arange(20).reshape(5, 4) + 0.5


def append(writer: CropWriter, name: str, frame: int, rows: list[int], tracklets: list[int], **known: Any) -> None:
    writer.append(name, frame, CROPS[rows], BOXES[rows], np.array(rows) / 10, tracklets, **known)


def write(path: Path, rows: int = 3, **known: Any) -> None:
    with CropWriter(path, SIZE) as writer:
        append(writer, "A", 1, list(range(rows)), list(range(rows)), **known)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "pack.npy"
    with CropWriter(path, SIZE) as writer:
        append(writer, "A", 1, [0, 1], [0, 3], identities=[7, -1])
        append(writer, "A", 2, [], [], identities=[])  # a frame without boxes
        append(writer, "B", 1, [2], [0], identities=[7])
        append(writer, "A", 9, [3, 4], [3, 5], identities=[7, 2])  # the first sequence goes on
        assert len(writer) == 5
    np.testing.assert_array_equal(np.load(path, mmap_mode="r"), CROPS)
    index = read_index(path)
    assert len(index) == 5
    assert index.names == ("A", "B")
    assert index.sequence.tolist() == [0, 0, 1, 0, 0]
    assert index.frame.tolist() == [1, 1, 1, 9, 9]
    np.testing.assert_array_equal(index.box, BOXES.astype(np.float32))
    np.testing.assert_allclose(index.score, np.arange(5) / 10)
    assert index.tracklet.tolist() == [0, 3, 6, 3, 5]  # B's begin where A's end
    assert read_identities(path).tolist() == [7, -1, 8 + 7, 7, 2]
    types = {field.name: getattr(index, field.name).dtype for field in fields(index) if field.name != "names"}
    assert types == {"sequence": "int32", "frame": "int32", "box": "float32", "score": "float32", "tracklet": "int64"}
    assert read_identities(path).dtype == np.int64


def test_rows_are_selected(tmp_path: Path) -> None:
    write(tmp_path / "pack.npy", 5)
    index = read_index(tmp_path / "pack.npy")
    for rows in (np.array([4, 0]), np.array([True, False, False, False, True])):
        chosen = index.select(rows)
        assert len(chosen) == 2
        assert chosen.names == index.names
        np.testing.assert_array_equal(chosen.box, index.box[rows])
        np.testing.assert_array_equal(chosen.tracklet, index.tracklet[rows])


def test_an_empty_pack(tmp_path: Path) -> None:
    with CropWriter(tmp_path / "pack.npy"):
        pass
    assert len(read_index(tmp_path / "pack.npy")) == 0
    assert np.load(tmp_path / "pack.npy").shape == (0, 64, 64, 3)


@pytest.mark.parametrize("count", [0, 1, 9, 10, 99_999])
def test_the_header_has_room_for_the_count(tmp_path: Path, count: int) -> None:
    with CropWriter(tmp_path / "pack.npy", (1, 1)) as writer:
        for start in range(0, count, 1000):
            here = min(1000, count - start)
            writer.append(
                "A", 1, np.full((here, 1, 1, 3), 5, np.uint8), np.ones((here, 4)), np.ones(here), np.ones(here)
            )
    crops = np.load(tmp_path / "pack.npy", mmap_mode="r")
    assert crops.shape == (count, 1, 1, 3)
    assert (crops == 5).all()


def test_training_does_not_see_identities(tmp_path: Path) -> None:
    path = tmp_path / "pack.npy"
    write(path, identities=[1, 2, 3])
    assert not any("ident" in field.name for field in fields(CropIndex))
    with np.load(index_path(path)) as columns:
        assert set(columns.files) == {field.name for field in fields(CropIndex)}
    identity_path(path).write_bytes(b"spoiled")
    assert len(read_index(path)) == 3  # was not opened
    with pytest.raises(InputError, match=r"identity\.npz"):
        read_identities(path)


def test_without_ground_truth_there_are_no_identities(tmp_path: Path) -> None:
    path = tmp_path / "pack.npy"
    write(path, identities=[1, 2, 3])
    write(path)  # replaces the pack, and its identities are not this one's
    assert names_in(tmp_path) == {"pack.npy", "pack.index.npz"}
    with pytest.raises(InputError, match=r"pack\.identity\.npz: no such file"):
        read_identities(path)


def test_a_sequence_without_ground_truth_shows_nobody(tmp_path: Path) -> None:
    with CropWriter(tmp_path / "pack.npy", SIZE) as writer:
        append(writer, "A", 1, [0], [0])
        append(writer, "B", 1, [1], [0], identities=[0])
    assert read_identities(tmp_path / "pack.npy").tolist() == [-1, 0]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, OSError])
@pytest.mark.parametrize("is_there", [False, True])
def test_an_exception_leaves_everything_as_it_was(tmp_path: Path, error: type[BaseException], is_there: bool) -> None:
    path = tmp_path / "pack.npy"
    if is_there:
        write(path, identities=[1, 2, 3])
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    expected = InputError if error is OSError else error  # as a disk that is full
    with pytest.raises(expected), CropWriter(path, SIZE) as writer:
        append(writer, "B", 1, [0, 1], [0, 1])
        raise error
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("failing", ["pack.identity.npz", "pack.index.npz", "pack.npy"])
def test_a_disk_that_fails_at_the_end_leaves_no_mixture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = tmp_path / "pack.npy"
    write(path, identities=[1, 2, 3])
    replace = Path.replace

    def fail(self: Path, target: Path) -> Path:
        if target.name == failing:
            raise OSError("disk gone")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(InputError, match=r"cannot be written: disk gone"):
        write(path, identities=[4, 5, 6])
    assert not path.exists()  # so that no new index is read beside an old array
    assert not [name for name in names_in(tmp_path) if name.startswith(".")]
    with pytest.raises(InputError, match="no such file"):
        read_index(path)


@pytest.mark.slow
def test_a_kill_leaves_no_pack(tmp_path: Path) -> None:
    program = (
        "import sys, numpy as np\n"
        "from embedding.data.crop_pack import CropWriter\n"
        "with CropWriter(sys.argv[1]) as writer:\n"
        "    writer.append('A', 1, np.zeros((9, 64, 64, 3), np.uint8), np.ones((9, 4)), np.ones(9), np.arange(9))\n"
        "    print('written', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "pack.npy")]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert all(name.startswith(".") for name in names_in(tmp_path))
    with pytest.raises(InputError, match="no such file"):
        read_index(tmp_path / "pack.npy")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_crops(tmp_path: Path) -> None:
    path, count, step = tmp_path / "pack.npy", 100_000, 20
    crops, boxes = np.zeros((step, 16, 16, 3), np.uint8), np.ones((step, 4))
    tracemalloc.start()
    with CropWriter(path, (16, 16)) as writer:
        for frame in range(count // step):
            writer.append("A", frame, crops, boxes, np.ones(step), np.arange(step), np.arange(step))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"peak {peak / 1e6:.1f} MB for {path.stat().st_size / 1e6:.1f} MB of crops")
    assert path.stat().st_size > count * 768
    assert peak < 0.2 * count * 768  # the index alone, 52 bytes a crop, and copies of some of its columns
    assert len(read_index(path)) == count


@pytest.mark.parametrize(
    "change",
    [
        {"crops": CROPS.astype(np.float32)},
        {"crops": CROPS[:, :4]},  # another size
        {"crops": CROPS[..., :1]},
        {"boxes": BOXES[:2]},
        {"scores": [1.0]},
        {"tracklets": [0, 1, 2, 3]},
        {"tracklets": [0, 1, 2, 3, -1]},  # unlinked crops have tracklets of their own
        {"identities": [1]},
    ],
)
def test_columns_that_do_not_fit_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    columns = {"crops": CROPS, "boxes": BOXES, "scores": np.ones(5), "tracklets": np.arange(5)} | change
    with pytest.raises(ValueError, match="expected"), CropWriter(tmp_path / "pack.npy", SIZE) as writer:
        writer.append("A", 1, **columns)
    assert not names_in(tmp_path)


@pytest.mark.parametrize("name", ["pack", "pack.npz", "pack.npy.gz", "folder.npy"])
def test_other_names_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(InputError, match="expected"):
        CropWriter(tmp_path / name)
    assert names_in(tmp_path) == {"folder.npy"}


def drop_column(path: Path) -> None:
    with np.load(index_path(path)) as file:
        columns = {name: file[name] for name in file.files if name != "tracklet"}
    np.savez(index_path(path), **columns)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (Path.unlink, "pack.npy: no such file"),
        (lambda path: index_path(path).unlink(), "pack.index.npz: no such file"),
        (lambda path: np.save(path, CROPS), "holds 5 crops"),  # another array in its place
        (lambda path: path.write_bytes(b"not an array"), "pack.npy: cannot be read"),
        (lambda path: path.write_bytes(path.read_bytes()[:200]), "pack.npy: cannot be read"),  # cut short
        (lambda path: index_path(path).write_bytes(b"PK"), "pack.index.npz: cannot be read"),
        (lambda path: index_path(path).write_bytes(b""), "pack.index.npz: cannot be read"),
        (lambda path: np.save(index_path(path).open("wb"), CROPS), "pack.index.npz: cannot be read"),
        (drop_column, "pack.index.npz: cannot be read"),
    ],
)
def test_damage_is_named_in_one_line(tmp_path: Path, damage: Callable[[Path], Any], said: str) -> None:
    path = tmp_path / "pack.npy"
    write(path)
    damage(path)
    with pytest.raises(InputError) as caught:
        read_index(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_index_can_be_written_as_json(tmp_path: Path) -> None:
    """Names come back as plain strings."""
    write(tmp_path / "pack.npy")
    assert json.dumps(read_index(tmp_path / "pack.npy").names) == '["A"]'
