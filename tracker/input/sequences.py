"""Find what to track: a sequence by name, folder, video, camera or stream; and the detections that belong to it."""

from __future__ import annotations

import configparser
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from embedding.errors import quoted, shortened
from tracker.errors import InputError
from tracker.files import storage
from tracker.files.formats.reading import STDIN
from tracker.files.formats.yolo import is_label_folder
from tracker.input.detection.names import DEFAULT, DETECTORS, is_detector
from tracker.input.images import IMAGE_SUFFIXES
from tracker.input.lists import entries
from tracker.input.live.address import is_address, short_name

LAYOUTS = ("", "train", "test", "*/train", "*/test")  # where MOTChallenge's archives put sequences below the root
MARKS = ("seqinfo.ini", "img1", "det", "gt")  # a folder with any of these is a sequence
HERE = (
    Path(tempfile.gettempdir()) / "flatsort-fetched"
)  # where what lies elsewhere is said to be; whoever runs it knows


@dataclass(slots=True)
class Sequence:
    """One sequence and what is known of it before a frame is read; None where unknown.

    Attributes:
        name: the folder's or file's name, `camera0`, or the last part of a URL's path; never a password.
        folder: sequence folder, for its `det/` and `gt/`.
        frames: image folder, video file, camera index or stream URL.
        image_folder: where images were looked for, whether or not there are any.
        length: number of frames, as `seqinfo.ini` says.
        frame_rate: frames a second.
        width, height: of a frame, pixels.
        ground_truth: `gt/gt.txt`.
        detections: what a manifest gives this one for `--det`.
        address: of a video on shared storage, which `frames` shall be fetched from.
    """

    name: str
    folder: Path | None = None
    frames: Path | str | int | None = None
    image_folder: Path | None = None
    length: int | None = None
    frame_rate: float | None = None
    width: int | None = None
    height: int | None = None
    ground_truth: Path | None = None
    detections: str | None = None
    address: str | None = None


def find_sequence(spec: str, root: str | Path | None = None) -> Sequence:
    """The sequence of that name below `root` (or `$MOT_ROOT`), or that folder, video file, camera index or stream URL.

    Names are sought in this order: ROOT/NAME, ROOT/train/NAME, ROOT/test/NAME, ROOT/*/train/NAME, ROOT/*/test/NAME;
    then `spec` as a path, then as a camera index.

    Raises:
        InputError: nothing of that name (the message lists where it looked), several, or a bad `seqinfo.ini`.
    """
    if not spec:
        raise InputError("sequence '': an empty name, expected a name, folder, video, camera index or URL")
    spec = storage.as_path(spec)
    if storage.is_stored(spec):
        storage.require_client(spec)
        file = PurePosixPath(spec)
        return Sequence(name=file.stem, frames=HERE / "in" / file.name, address=spec)
    if is_address(spec):
        return Sequence(name=short_name(spec), frames=spec)
    root = _root(root)
    if root is not None:
        found = [folder for folder in _below(root, spec) if _is_sequence(folder)]
        if len(found) > 1:
            raise InputError(f"sequence {spec!r}: found as {' and '.join(map(str, found))}, expected one of them")
        if found:
            return read_sequence(found[0])
    path = Path(spec)
    if path.is_dir():
        return read_sequence(path)
    if path.is_file():
        return Sequence(name=path.stem, frames=path)
    if spec.isascii() and spec.isdecimal():
        return Sequence(name=f"camera{int(spec)}", frames=int(spec))
    places = f"under {root} ({', '.join(filter(None, LAYOUTS))}) and as a path" if root else "as a path"
    hint = "" if root else "; names need --root or $MOT_ROOT"
    raise InputError(
        f"sequence {spec!r}: not found {places}, expected a name, folder, video, camera index or URL{hint}"
    )


def find_sequences(specs: Iterable[str], root: str | Path | None = None) -> list[Sequence]:
    """`find_sequence` for each; `all` stands for every sequence below the root, sorted by name.

    A word may also be a text file of sequences, a table of them, or a pattern, see `tracker.input.lists`.

    Raises:
        InputError: as `find_sequence`; `all` without a root or with none below it; two sequences of one name.
    """
    found: list[Sequence] = []
    for spec in specs:
        if spec == "all":
            found += _all_sequences(_root(root))
            continue
        place = _root(root)
        for entry in entries(spec, [] if place is None else [one for one in _below(place, ".") if one.is_dir()]):
            sequence = find_sequence(entry.spec, root)
            found.append(replace(sequence, name=entry.name or sequence.name, detections=entry.detections))
    for name, count in Counter(sequence.name for sequence in found).items():
        if count > 1:
            raise InputError(
                f"sequence {name!r}: named {count} times, expected once (outputs share a name; "
                "a manifest's column `name` gives others)"
            )
    return found


def find_detections(det: str, sequence: Sequence) -> Path | None:
    """The file that `det` means for this sequence, or None where it names a detector.

    `{seq}` stands for the sequence's name. A path is relative to the working folder or to the sequence's `det/`.

    Raises:
        InputError: there is no such file (the message lists where it looked).
    """
    if is_detector(det):
        return None
    if det == "-":
        return STDIN
    wanted = Path(det.replace("{seq}", sequence.name))
    places = [wanted] if sequence.folder is None else [wanted, sequence.folder / "det" / wanted]
    for place in places:
        if det and (place.is_file() or place.is_fifo() or is_label_folder(place)):
            return place
    raise InputError(
        f"detections {det!r} of {sequence.name}: no file {' or '.join(map(str, dict.fromkeys(places)))}, "
        f"expected MOT text, .npy, or a detector: {DETECTORS}"
    )


def default_detections(sequence: Sequence) -> str:
    """What is taken where nobody says: the sequence's `det/det.txt`, else the detector that ships with us.

    Raises:
        InputError: there are neither detections nor frames, or detections of other names to choose from.
    """
    folder = None if sequence.folder is None else sequence.folder / "det"
    if folder is not None and (folder / "det.txt").is_file():
        return "det.txt"
    if folder is not None and (names := sorted(name for name in _names(folder) if not name.startswith("."))):
        raise InputError(f"--det: missing; {folder} holds {', '.join(names)[:200]}; or a detector: {DETECTORS}")
    if sequence.frames is None:
        raise InputError(f"--det: missing, and {sequence.name} has no frames for a detector to look at")
    return DEFAULT


def read_sequence(folder: str | Path) -> Sequence:
    r"""Describe a sequence folder from its `seqinfo.ini` if there is one, and from what lies in it.

    The frames are in the folder `seqinfo.ini` names, in `img1/`, or in the folder itself; names may be written as on
    Windows (`img1\`, `IMG1`) or begin with a slash. Ground truth or detections alone make a sequence too.

    Raises:
        InputError: the folder has none of these, or `seqinfo.ini` is malformed.
    """
    folder = Path(folder)
    info = _read_seqinfo(folder / "seqinfo.ini")
    ground_truth = folder / "gt" / "gt.txt"
    named = info.get("imDir", "img1")
    places = [folder / named, *_inside(folder, named), *_inside(folder, "img1"), folder]
    frames = next((place for place in places if _has_images(place)), None)
    if frames is None and not _is_sequence(folder):
        raise InputError(f"{folder}: holds no sequence, expected images, {', '.join(MARKS)}")
    length = _number(info, "seqLength", folder)
    rate = _number(info, "frameRate", folder)
    width, height = _number(info, "imWidth", folder), _number(info, "imHeight", folder)
    return Sequence(
        name=folder.resolve().name,
        folder=folder,
        frames=frames,
        image_folder=places[0] if frames is None else frames,
        length=int(length) if length else None,
        frame_rate=rate,
        width=int(width) if width else None,
        height=int(height) if height else None,
        ground_truth=ground_truth if ground_truth.is_file() else None,
    )


def _inside(folder: Path, name: str) -> list[Path]:
    """The folders that a relative path may mean, with any slashes and in any case."""
    found = [folder]
    for part in filter(None, re.split(r"[\\/]+", name)):
        found = [
            place / entry
            for place in found
            for entry in ([part] if part in (".", "..") else sorted(_names(place)))
            if entry.casefold() == part.casefold()
        ]
    return found


def _names(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    except OSError as error:
        raise InputError(f"{shortened(folder)}: cannot be read: {error.strerror}") from None


def _root(root: str | Path | None) -> Path | None:
    chosen = root or os.environ.get("MOT_ROOT")
    if not chosen:
        return None
    if not Path(chosen).is_dir():
        raise InputError(f"{'--root' if root else '$MOT_ROOT'} {chosen}: no such folder")
    return Path(chosen)


def _below(root: Path, name: str) -> list[Path]:
    """Where a sequence of that name may be, in the order of LAYOUTS."""
    if Path(name).is_absolute():
        return []
    return [place / name for layout in LAYOUTS for place in (sorted(root.glob(layout)) if layout else [root])]


def _all_sequences(root: Path | None) -> list[Sequence]:
    if root is None:
        raise InputError("sequence 'all': no root, expected --root or $MOT_ROOT")
    if _is_sequence(root):
        return [read_sequence(root)]
    folders = [
        folder for place in _below(root, ".") if place.is_dir() for folder in place.iterdir() if _is_sequence(folder)
    ]
    if not folders:
        raise InputError(
            f"{root}: holds no sequence, expected folders with {', '.join(MARKS)} in it or in train/, test/"
        )
    return [read_sequence(folder) for folder in sorted(folders, key=lambda folder: (folder.name, str(folder)))]


def _is_sequence(folder: Path) -> bool:
    return any((folder / mark).exists() for mark in MARKS)


def _has_images(folder: Path) -> bool:
    names = (name for name in _names(folder) if not name.startswith("."))
    return any(Path(name).suffix.lower() in IMAGE_SUFFIXES for name in names)


def _read_seqinfo(path: Path) -> dict[str, str]:
    """The [Sequence] section with its keys as written; empty where there is no file."""
    if not path.exists():
        return {}
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    try:
        parser.read_string(path.read_text(encoding="utf-8-sig"))
        return dict(parser["Sequence"])
    except OSError as error:
        raise InputError(f"{shortened(path)}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not text, expected a [Sequence] section") from None
    except KeyError:
        raise InputError(f"{path}: no [Sequence] section, found {shortened(parser.sections())}") from None
    except configparser.Error as error:
        raise InputError(f"{path}: {shortened(error)}, expected KEY=VALUE lines") from None


def _number(info: dict[str, str], key: str, folder: Path) -> float | None:
    """A positive number of `seqinfo.ini`, or None where the key is absent."""
    if key not in info:
        return None
    try:
        value = float(info[key])
    except ValueError:
        value = 0.0
    if not 0.0 < value < 1e9 or (key != "frameRate" and value != int(value)):
        kind = "a positive number" if key == "frameRate" else "a positive integer"
        raise InputError(f"{folder / 'seqinfo.ini'}: {key} is {quoted(info[key])}, expected {kind}")
    return value
