"""Files that are whole or absent, and digests that tell whether a kept one still belongs to what it was made from."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import secrets
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import fields, is_dataclass
from functools import cache
from glob import escape
from itertools import count
from pathlib import Path
from types import ModuleType

import numpy as np

from embedding.errors import InputError, shortened

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows: temporaries are not locked there, and those of killed runs stay
    fcntl = None

ABANDONED = (
    3600.0  # seconds without a write after which another machine's temporary that nobody has locked is a killed run's
)
MOST_LINKS = 40  # one behind the other, Linux's own limit
STEM = 50  # characters of the target's name in the temporary's, so that the latter is no longer than a name may be
RANDOM = 24  # hexadecimal digits; the first eight say which machine
PARTIAL = ".partial"
DISK = {None, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}  # of a write to an open file; NumPy's has no number


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A path beside the target, of the same suffix, to write to: it replaces the target when the block ends.

    When the block raises, the file is removed and the target left as it was. Parent folders are created. The bytes are
    on the disk before the old file is given up, so that a power cut leaves one or the other. Permissions are those of
    any new file. A link is followed: what it names is replaced. A device, a pipe and an open file of a process
    (/dev/stdout, whatever it is redirected to) cannot be replaced and are written directly.

    Temporaries that killed runs left of the same target are removed: those that no process holds. A writer holds its
    temporary by a lock (flock), which ends with the process however that ends. As some file systems keep locks to one
    machine, those of other machines have an hour of grace.

    Raises:
        InputError: nothing can be written there (permission, a folder of that name, a full disk).
    """
    with _replacing(path, _hidden) as temporary:
        yield temporary


@contextmanager
def growing_path(path: str | Path, keep_cut: Callable[[Path], None] | None = None) -> Iterator[Path]:
    """As `atomic_path`, but what is written can be read meanwhile, in NAME.SUFFIX.partial beside the target.

    The target is there only when all of it is. What a killed run left in the partial file is written over, or, with
    `keep_cut`, first given a name of its own.

    Args:
        keep_cut: is told under which name (NAME.SUFFIX.cut-1, -2, ...) the rows of a killed run are kept.

    Raises:
        InputError: as `atomic_path`; another run is writing the same file.
    """
    with _replacing(path, lambda place: _visible(place, keep_cut)) as temporary:
        yield temporary


def partial_path(path: Path) -> Path:
    """Where `growing_path` writes what is to become a file; links of its name are followed."""
    place = _behind_links(path)
    return place.with_name(f"{place.name}{PARTIAL}")


def sync(path: Path) -> None:
    """Wait until what was written so far is on the disk, where there is one."""
    with suppress(FileNotFoundError):
        _sync(path, os.O_RDONLY)


Temporary = AbstractContextManager[tuple[Path, int]]  # the file and the permissions it is to have


@contextmanager
def _replacing(path: str | Path, open_temporary: Callable[[Path], Temporary]) -> Iterator[Path]:
    target = Path(path)
    place, temporary, direct = target, None, False
    try:
        place = _behind_links(target)
        direct = _is_written_directly(place, target)
        if direct:
            yield target
            _move_to_end(place)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            with open_temporary(place) as (temporary, mode):
                yield temporary
                _put_in_place(temporary, place, mode)
    except OSError as error:
        ours = {str(name) for one in (target, place) for name in (one, *one.parents)} | {str(temporary)}
        if (direct or error.errno in DISK) if error.filename is None else str(error.filename) in ours:
            raise InputError(f"{path}: cannot be written: {shortened(error.strerror or error)}") from error
        raise


def require_writable(path: str | Path, name: str | None = None) -> None:
    """Raise where a file cannot be written at all, before anything is worked on for it; nothing is left there.

    Args:
        name: what the file is called in messages, its path if None.

    Raises:
        InputError: it is a folder, or its folder takes no files, or cannot be made.
    """
    target = Path(path)
    try:
        place = _behind_links(target)
        if _is_open_file(place):
            return
        if _is_written_directly(place, target):
            if not os.access(place, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return
        folder = next(one for one in place.absolute().parents if os.path.lexists(one))
        with tempfile.TemporaryFile(dir=folder):
            pass
        with suppress(FileNotFoundError):
            _temporary(place).lstat()  # is its name too long?
    except OSError as error:
        raise InputError(f"{name or path}: cannot be written: {shortened(error.strerror or error)}") from error


def remove(path: Path) -> None:
    """Remove the file that an `atomic_path` of this target would replace, if there is one; never a link or device."""
    place = _behind_links(path)
    if not _is_written_directly(place, path):
        place.unlink(missing_ok=True)


def digest(*parts: object) -> str:
    """Twelve hexadecimal characters that differ where any part does.

    Of an array count type, shape and values, of a `Path` the bytes of its file (not its name: give that as text), of
    lists, tuples, mappings and data classes what they hold, of anything else its `repr`.

    Raises:
        TypeError: of a value whose `repr` says where it lies in memory or has no fixed order (a set).
        OSError: a file cannot be read.
    """
    total = hashlib.sha1(usedforsecurity=False)
    for part in parts:
        for piece in _pieces(part):
            total.update(piece)
    return total.hexdigest()[:12]


def _pieces(part: object) -> Iterator[bytes | memoryview]:
    """The bytes of a part, behind its kind and length: neighbours never run into each other."""
    if isinstance(part, np.ndarray | np.generic):
        array = np.ascontiguousarray(part)
        if array.dtype.hasobject:
            raise TypeError(f"no digest of an array of {array.dtype}, which holds addresses")
        yield f"array {array.dtype.str} {np.shape(part)} ".encode()
        yield array.tobytes()
    elif isinstance(part, Path):
        with part.open("rb") as file:
            yield f"file {os.fstat(file.fileno()).st_size} ".encode()
            while chunk := file.read(1 << 20):
                yield chunk
    elif isinstance(part, list | tuple | Mapping) or (is_dataclass(part) and not isinstance(part, type)):
        inside = _contents(part)
        yield f"{type(part).__name__} {len(inside)} ".encode()
        for one in inside:
            yield from _pieces(one)
    else:
        if isinstance(part, set | frozenset) or type(part).__repr__ is object.__repr__:
            raise TypeError(f"no digest of a {type(part).__name__}: it prints differently in each run")
        text = repr(part).encode("utf-8", "backslashreplace")
        yield f"value {len(text)} ".encode()
        yield text


def _contents(part: object) -> list[object]:
    if isinstance(part, Mapping):
        return [one for item in part.items() for one in item]
    if isinstance(part, list | tuple):
        return list(part)
    return [one for field in fields(part) for one in (field.name, getattr(part, field.name))]  # type: ignore[arg-type]


def _behind_links(path: Path) -> Path:
    """What a link stands for, which need not exist. The links that stand for open files lead nowhere else."""
    for _ in range(MOST_LINKS):
        if _is_open_file(path) or not path.is_symlink():
            return path
        path = path.parent / path.readlink()
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def _is_open_file(path: Path) -> bool:
    """Whether this is an entry of /dev/fd or /proc/PID/fd: it looks like a link to a file, but is a process's own."""
    folder = os.path.realpath(path.parent)
    return folder == "/dev/fd" or (folder.startswith("/proc/") and folder.endswith("/fd"))


def _is_written_directly(place: Path, target: Path) -> bool:
    if _is_open_file(place):
        return True
    try:
        mode = place.stat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        raise InputError(f"{target}: is a folder, expected the name of a file to write")
    return not stat.S_ISREG(mode)


def _move_to_end(place: Path) -> None:
    """Of standard output in a file: what is printed afterwards comes after what was written, not over it."""
    if os.path.realpath(place.parent) in ("/dev/fd", os.path.realpath("/proc/self/fd")):
        with suppress(OSError, ValueError):  # of a pipe or terminal, which have no place to move to
            os.lseek(int(place.name), 0, os.SEEK_END)


def _temporary(place: Path) -> Path:
    drawn = f"{this_machine()}{secrets.token_hex((RANDOM - 8) // 2)}"
    return place.with_name(f".{place.stem[:STEM]}.part-{drawn}{place.suffix}")


@contextmanager
def _hidden(place: Path) -> Iterator[tuple[Path, int]]:
    """A new file of a random name; it is removed in the end unless it was put in place."""
    _remove_abandoned(place)
    while True:
        temporary = _temporary(place)
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        _lock(descriptor)
        if _is_still(temporary, descriptor):  # and was not taken for a killed run's before it was locked
            break
        os.close(descriptor)
    try:
        yield temporary, mode
    finally:
        with suppress(OSError):
            temporary.unlink()
        _close(descriptor)


@contextmanager
def _visible(place: Path, keep_cut: Callable[[Path], None] | None) -> Iterator[tuple[Path, int]]:
    """The empty partial file of a target, which no other process holds; removed in the end if it is still there."""
    _remove_abandoned(place)
    partial = partial_path(place)
    descriptor = _open_unheld(partial, place)
    try:
        if keep_cut is not None and partial.stat().st_size:
            kept = next(name for n in count(1) if not (name := place.with_name(f"{place.name}.cut-{n}")).exists())
            partial.rename(kept)
            keep_cut(kept)
            _close(descriptor)
            descriptor = _open_unheld(partial, place)
        os.truncate(partial, 0)
        yield partial, stat.S_IMODE(partial.stat().st_mode)
    finally:
        with suppress(OSError):
            if _is_still(partial, descriptor):  # and not another run's by now
                partial.unlink()
        _close(descriptor)


def _open_unheld(partial: Path, place: Path) -> int:
    while True:
        descriptor = os.open(partial, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            _lock(descriptor, wait=False)
        except BlockingIOError:
            os.close(descriptor)
            raise InputError(f"{place}: another run is writing it, to {partial.name}") from None
        if _is_still(partial, descriptor):  # it may have been put in place
            return descriptor
        os.close(descriptor)


def _lock(descriptor: int, wait: bool = True) -> None:
    """Hold a file as long as it is open here. Windows, which renames no open file, has it closed at once.

    Raises:
        BlockingIOError: another process holds it, and nobody is to wait.
    """
    if fcntl is None:
        os.close(descriptor)
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks
        pass


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether the name still stands for the open file."""
    if fcntl is None:
        return True
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _close(descriptor: int) -> None:
    if fcntl is not None:
        os.close(descriptor)


def _put_in_place(temporary: Path, place: Path, mode: int) -> None:
    if stat.S_IMODE(temporary.stat().st_mode) != mode:  # safetensors writes a file of its own, for its owner alone
        temporary.chmod(mode)
    _sync(temporary, os.O_RDWR)
    temporary.replace(place)
    with suppress(OSError):  # Windows opens no folder; the file is in place
        _sync(place.parent, os.O_RDONLY)


def _sync(path: Path, flags: int) -> None:
    """Wait until the bytes are on the disk, where the file system knows how."""
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _remove_abandoned(place: Path) -> None:
    """Remove the temporaries of the same target that no process is going to finish."""
    if fcntl is None:
        return
    name = f".{escape(place.stem[:STEM])}.part-{'[0-9a-f]' * RANDOM}{escape(place.suffix)}"
    with suppress(OSError):
        for old in place.parent.glob(name):
            with suppress(OSError):
                ours = f".part-{this_machine()}" in old.name  # its lock is known here
                if (ours or time.time() - old.lstat().st_mtime > ABANDONED) and _is_unheld(old):
                    old.unlink()


@cache
def this_machine() -> str:
    """Eight hexadecimal digits of this machine since it was started; containers on it share them."""
    try:
        name = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except OSError:
        name = platform.node()
    return hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()[:8]


def _is_unheld(temporary: Path) -> bool:
    """Whether a lock on the file can be had; OSError where that cannot be found out."""
    assert fcntl is not None
    descriptor = os.open(temporary, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return stat.S_ISREG(os.fstat(descriptor).st_mode)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
