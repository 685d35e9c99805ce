"""Files are whole or absent, whatever is in their way; digests differ where what is digested does."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from embedding import files
from embedding.errors import InputError
from embedding.files import (
    ABANDONED,
    RANDOM,
    atomic_path,
    digest,
    growing_path,
    partial_path,
    remove,
    require_writable,
)

CHECKOUT = Path(__file__).resolve().parents[2]
posix = pytest.mark.skipif(os.name != "posix", reason="needs links, devices and locks of a POSIX system")


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("name", ["a.txt", "new/folder/a.npy", "no suffix", "x" * 250])
def test_a_file_is_there_when_the_block_ends_and_not_before(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent
        assert not target.suffix or temporary.suffix == target.suffix  # NumPy adds its own where there is none
        temporary.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert names_in(target.parent) == {target.name}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("is_there", [False, True])
def test_an_exception_leaves_everything_as_it_was(tmp_path: Path, error: type[BaseException], is_there: bool) -> None:
    target = tmp_path / "a.txt"
    if is_there:
        target.write_text("old")
    with pytest.raises(error), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise error
    assert names_in(tmp_path) == ({"a.txt"} if is_there else set())
    assert not is_there or target.read_text() == "old"


def test_two_writers_do_not_meet(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    with atomic_path(target) as first, atomic_path(target) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert target.read_text() == "first"  # who ends last
    assert names_in(tmp_path) == {"a.txt"}


def test_the_bytes_are_on_the_disk_before_the_old_file_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fsync of the file, then the new name, then fsync of the folder that holds the name."""
    done: list[str] = []
    replace, fsync = Path.replace, os.fsync

    def watched(descriptor: int) -> None:
        done.append("folder" if Path(f"/dev/fd/{descriptor}").is_dir() else "file")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    monkeypatch.setattr(Path, "replace", lambda self, target: done.append("replace") or replace(self, target))
    with atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    assert done == ["file", "replace", "folder"]


@posix
def test_a_file_system_that_cannot_sync_is_written_to_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(descriptor: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", unsupported)
    with atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "a.txt").read_text() == "new"


@posix
def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with atomic_path(tmp_path / "a.txt") as temporary:
        temporary.unlink()
        temporary.write_text("")
        temporary.chmod(0o600)  # as a library that makes a file of its own
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "plain").stat().st_mode


@posix
@pytest.mark.parametrize("is_there", [False, True])
def test_a_link_is_followed(tmp_path: Path, is_there: bool) -> None:
    (tmp_path / "elsewhere").mkdir()
    place = tmp_path / "elsewhere" / "real.txt"
    if is_there:
        place.write_text("old")
    (tmp_path / "second.txt").symlink_to("elsewhere/real.txt")
    (tmp_path / "first.txt").symlink_to(tmp_path / "second.txt")
    with atomic_path(tmp_path / "first.txt") as temporary:
        assert temporary.parent == place.parent  # so that replacing stays within one file system
        temporary.write_text("new")
    assert place.read_text() == "new"
    assert (tmp_path / "first.txt").is_symlink() and (tmp_path / "second.txt").is_symlink()
    remove(tmp_path / "first.txt")
    assert not place.exists() and (tmp_path / "first.txt").is_symlink()


@posix
def test_links_in_a_circle_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").symlink_to("b.txt")
    (tmp_path / "b.txt").symlink_to("a.txt")
    with pytest.raises(InputError, match=r"a\.txt: cannot be written: "), atomic_path(tmp_path / "a.txt"):
        pass


@posix
def test_a_device_stays_a_device() -> None:
    before = Path("/dev/null").stat().st_mode
    with atomic_path("/dev/null") as path:
        assert path == Path("/dev/null")
        path.write_text("gone")
    remove(Path("/dev/null"))
    assert Path("/dev/null").stat().st_mode == before


@posix
def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)
    with atomic_path(pipe) as path:
        path.write_text("through")
    assert reader.communicate(timeout=60)[0] == b"through"
    assert pipe.is_fifo()


@posix
def test_standard_output_in_a_file_is_not_replaced(tmp_path: Path) -> None:
    program = (
        "from embedding.files import atomic_path\n"
        "print('before', flush=True)\n"
        "with atomic_path('/dev/stdout') as path, path.open('a') as file:\n"
        "    file.write('between\\n')\n"
        "print('after')\n"
    )
    with (tmp_path / "out").open("w") as out:
        subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, stdout=out, check=True)
    assert (tmp_path / "out").read_text() == "before\nbetween\nafter\n"


@pytest.mark.parametrize("name", ["", "file/a.txt"])
def test_what_cannot_be_written_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match=r"^[^\n]*(is a folder|cannot be written)[^\n]*$"),
        atomic_path(tmp_path / name),
    ):
        pass


def test_a_full_disk_is_one_line_and_another_file_s_trouble_is_not(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.txt: cannot be written: No space left"), atomic_path(tmp_path / "a.txt"):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a.txt"):
        (tmp_path / "another").read_text()


@posix
def test_what_killed_runs_left_goes_what_others_write_stays(tmp_path: Path) -> None:
    hour_ago = time.time() - ABANDONED - 60
    left = tmp_path / f".a.part-{'0' * RANDOM}.txt"
    young = tmp_path / f".a.part-{'1' * RANDOM}.txt"  # of another machine, whose locks may not show here
    ours = tmp_path / f".a.part-{files.this_machine()}{'1' * (RANDOM - 8)}.txt"
    other = tmp_path / f".b.part-{'2' * RANDOM}.txt"
    for path in (left, young, ours, other):
        path.write_text("half")
    for path in (left, other):
        os.utime(path, (hour_ago, hour_ago))
    with atomic_path(tmp_path / "a.txt") as held:
        os.utime(held, (hour_ago, hour_ago))  # a long run that is still at it
        with atomic_path(tmp_path / "a.txt") as temporary:
            temporary.write_text("new")
        assert held.exists()
    assert names_in(tmp_path) == {"a.txt", young.name, other.name}


# --- files that grow -------------------------------------------------------------------------------------------------


def test_what_grows_can_be_read_meanwhile_and_has_its_name_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with growing_path(path) as growing:
        assert growing == partial_path(path) == tmp_path / "a.txt.partial"
        growing.write_text("half")
        assert path.read_text() == "old"
    assert path.read_text() == "half" and names_in(tmp_path) == {"a.txt"}


def test_an_exception_leaves_no_partial_file(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), growing_path(tmp_path / "a.txt") as growing:
        growing.write_text("half")
        raise KeyboardInterrupt
    assert names_in(tmp_path) == set()


def test_what_a_killed_run_wrote_is_kept_where_it_cannot_come_again(tmp_path: Path) -> None:
    kept: list[Path] = []
    for expected in ("a.txt.cut-1", "a.txt.cut-2"):
        partial_path(tmp_path / "a.txt").write_text("rows")
        with growing_path(tmp_path / "a.txt", kept.append) as growing:
            assert growing.read_text() == ""
        assert kept[-1].name == expected and kept[-1].read_text() == "rows"
    partial_path(tmp_path / "a.txt").write_text("rows")
    with growing_path(tmp_path / "a.txt"):  # a recording's come again
        pass
    assert names_in(tmp_path) == {"a.txt", "a.txt.cut-1", "a.txt.cut-2"}


def test_two_runs_do_not_write_one_growing_file(tmp_path: Path) -> None:
    with growing_path(tmp_path / "a.txt") as growing:
        growing.write_text("first")
        with pytest.raises(InputError, match=r"a\.txt: another run is writing it"), growing_path(tmp_path / "a.txt"):
            pass
    assert (tmp_path / "a.txt").read_text() == "first"


def test_behind_a_link_the_file_grows_beside_what_the_link_names(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "a.txt").symlink_to("real/b.txt")
    with growing_path(tmp_path / "a.txt") as growing:
        assert growing == tmp_path / "real/b.txt.partial"
        growing.write_text("new")
    assert (tmp_path / "a.txt").is_symlink() and (tmp_path / "real/b.txt").read_text() == "new"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("folder", "is a folder"),
        ("file/x", "Not a directory"),
        ("/proc/none/x", "cannot be written"),
        ("n" * 300, "cannot be written"),
    ],
)
def test_what_can_never_be_written_is_known_before(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=said):
        require_writable(tmp_path / name)
    for fine in ("folder/x", "new/folder/x", "file"):
        require_writable(tmp_path / fine)
    assert names_in(tmp_path) == {"folder", "file"}


# --- digests ---------------------------------------------------------------------------------------------------------


@dataclass
class Point:
    x: float
    y: object = None


def test_a_digest_is_the_same_in_another_process() -> None:
    program = (
        "import numpy as np; from embedding.files import digest; print(digest('a', 1.5, np.arange(3), {'b': None}))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest("a", 1.5, np.arange(3), {"b": None})
    assert len(done.stdout.strip()) == 12


def test_a_digest_differs_where_anything_does(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"1")
    (tmp_path / "two").write_bytes(b"2")
    different: list[tuple[object, ...]] = [
        (),
        ("ab",),
        ("a", "b"),  # neighbours do not run together
        (["a", "b"],),
        (("a", "b"),),
        ("",),
        (None,),
        (1,),
        (1.0,),
        ("1",),
        (np.zeros(4),),
        (np.zeros((2, 2)),),
        (np.zeros(4, np.float32),),
        (np.array([0.0, 0, 0, 1]),),
        (tmp_path / "one",),
        (tmp_path / "two",),
        (Point(1),),
        (Point(1, 2),),
        (Point(1, [2]),),
        ({"x": 1},),
        ({"y": 1},),
    ]
    assert len({digest(*parts) for parts in different}) == len(different)


def test_of_a_file_the_bytes_count_and_not_the_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"same")
    assert digest(tmp_path / "a") == digest(tmp_path / "b")


@pytest.mark.parametrize("part", [object(), {1, 2}, [object()], np.array([None])])
def test_what_prints_differently_each_time_has_no_digest(part: object) -> None:
    with pytest.raises(TypeError, match="no digest"):
        digest(part)


def test_windows_has_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "fcntl", None)
    with atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "a.txt").read_text() == "new"
    with growing_path(tmp_path / "a.txt") as growing:
        growing.write_text("newer")
    assert (tmp_path / "a.txt").read_text() == "newer"
