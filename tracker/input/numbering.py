"""Which picture of a folder is which frame, from the files' names.

Those digits count that stand in the same surroundings in all names (of `cam2_0001_a3f9` and `cam2_0002_07b` the `2` and
`0001`, not the digits of the hash). Of these runs of digits, those that differ in every file may number them:

1. One run: it is the frame number, gaps and all (1, 6, 11). Numbering from 0 is shifted by one.
2. Several runs that put the files in the same order: the last one that is no time.
3. Several that do not: the one whose numbers lie closest together; none is right where two are equally close.
4. Times: the pictures are numbered 1, 2, 3, ... in their order, and a line says so. Times are Unix times (s, ms, us,
   ns, or s with decimals), dates with or without a time of day (20240131_105959, 2024-01-31, 20240131105959), and
   times of day (105959 or 10-59-59, with decimals behind them) where they pass a minute or an hour: 105959 -> 110000
   is one second, not 4,041 frames. Six-digit names that read as well as plain numbers (000100, 000200) are numbers.

Where none does, the last number of each name counts; where a name has no digits, the files are counted in order.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from tracker.core.detections import LIMIT
from tracker.errors import InputError
from tracker.files.motchallenge import DetectionTable
from tracker.input.images import IMAGE_SUFFIXES

DAY = 86_400  # seconds

_DATE = r"(?P<date>(?:19|20)\d\d(?P<dash>[-_.]?)(?:0[1-9]|1[0-2])(?P=dash)(?:0[1-9]|[12]\d|3[01]))"
_CLOCK = r"(?P<clock>(?:[01]\d|2[0-3])(?P<colon>[-_.]?)[0-5]\d(?P=colon)[0-5]\d)(?:[-_.]?(?P<decimals>\d{3}|\d{6}))?"
_UNIX = r"(?P<unix>[1-3]\d{9}(?:\d{3}|\d{6}|\d{9})?)(?:\.(?P<decimals>\d+))?"
# Dates come before times of day, which would find one in their middle; nothing else may touch the digits.
_TIMES = [re.compile(rf"(?<!\d){time}(?!\d)") for time in (_UNIX, rf"{_DATE}[-_. T]*{_CLOCK}", _DATE, _CLOCK)]

logger = logging.getLogger(__name__)

Key = tuple[int, ...]  # what files are sorted by


@dataclass(slots=True)
class _Column:
    """A run of digits in the same place of every name."""

    start: int  # of it in the first name
    numbers: list[int]

    @property
    def spread(self) -> int:
        return max(self.numbers) - min(self.numbers)


@dataclass(slots=True)
class _Times:
    """A time in every name: what sorts the files, and the part of the first name where it stands."""

    keys: list[Key]
    numbers: list[int]  # its digits
    span: tuple[int, int]

    def holds(self, column: _Column) -> bool:
        return self.span[0] <= column.start < self.span[1]


def image_files(folder: Path) -> list[Path]:
    """The pictures in a folder, by name; hidden files are none."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != ".")


def numbered(paths: Sequence[Path]) -> list[tuple[int, Path]]:
    """Frame number and path of each picture of one folder, in the order of frames.

    Raises:
        InputError: two pictures are one frame, nothing tells which of two runs of digits counts, or a number is too
            large for a frame.
    """
    found, times = _numbered(paths)
    if times is not None:
        _say_times(found[0][1], len(found))
    return found


@cache  # a folder may be read twice
def _say_times(first: Path, count: int) -> None:
    names = f"{first.parent}: names are taken for times ({first.name})"
    logger.warning(f"{names}: its {count} pictures are frames 1 to {count} in their order")


def renumbered(table: DetectionTable, frames: object) -> DetectionTable:
    """Detections whose frames are the times in the names of a folder's pictures, by the pictures' frame numbers.

    Others are returned as they are, such as those that count the pictures from 1.
    """
    if not isinstance(frames, Path) or not len(table) or not frames.is_dir():
        return table
    paths = image_files(frames)
    if table.last_frame <= len(paths):
        return table
    found, times = _numbered(paths) if paths else ([], None)
    if times is None:
        return table
    order = np.argsort(times.numbers)
    ascending = np.array(times.numbers)[order]
    place = np.searchsorted(ascending, table.frames).clip(max=len(ascending) - 1)
    if not (ascending[place] == table.frames).all() or len(set(times.numbers)) < len(paths):
        return table
    _say_times(found[0][1], len(found))
    frame_of = {path: frame for frame, path in found}
    frame_at = np.array([frame_of[paths[position]] for position in order])
    frames_of_rows = frame_at[place]
    ascend = np.argsort(frames_of_rows, kind="stable")  # past midnight the times begin anew
    return replace(table.select(ascend), frames=frames_of_rows[ascend])


def _numbered(paths: Sequence[Path]) -> tuple[list[tuple[int, Path]], _Times | None]:
    """The frames, and the times in the sorted names where it is those that tell."""
    paths = sorted(paths)
    stems = [path.stem for path in paths]
    runs = [re.findall(r"\d+", stem) for stem in stems]
    if not all(runs):
        return list(enumerate(paths, start=1)), None
    distinct = [column for column in _columns(stems) if len(set(column.numbers)) == len(paths)]
    times = _times(stems)
    if times is not None:
        order = _order(times.keys)
        distinct = [one for one in distinct if not times.holds(one) and _order(one.numbers) == order]
        if not distinct:
            return list(enumerate((paths[position] for position in order), start=1)), times
    numbers = _chosen(distinct, paths).numbers if distinct else [int(found[-1]) for found in runs]
    return _checked(sorted(zip(numbers, paths, strict=True))), None


def _checked(found: list[tuple[int, Path]]) -> list[tuple[int, Path]]:
    folder = found[0][1].parent
    for (frame_index, path), (following, other) in pairwise(found):
        if frame_index == following:
            raise InputError(f"{folder}: {path.name} and {other.name} are both frame {frame_index}, expected one")
    last, path = found[-1]
    if last >= LIMIT:
        raise InputError(f"{path}: is frame {last}, expected a number below {LIMIT:.0f}")
    first = 1 if found[0][0] == 0 else 0
    return [(frame_index + first, path) for frame_index, path in found]


def _columns(stems: list[str]) -> list[_Column]:
    """The runs of digits whose word, `_` and the like apart, differs from file to file in its digits only."""
    words = [list(re.finditer(r"[^\W_]+", stem)) for stem in stems]
    shortest = min(map(len, words))
    same_length = all(len(found) == shortest for found in words)
    places = [*range(shortest), *(() if same_length else range(-shortest, 0))]  # from the left; from the right
    columns: dict[tuple[int, ...], _Column] = {}
    for place in places:
        there = [found[place] for found in words]
        if len({re.sub(r"\d+", "0", word[0]) for word in there}) > 1:
            continue
        digits = [list(re.finditer(r"\d+", word[0])) for word in there]
        for run in range(len(digits[0])):
            numbers = [int(found[run][0]) for found in digits]
            columns.setdefault(tuple(numbers), _Column(there[0].start() + digits[0][run].start(), numbers))
    return sorted(columns.values(), key=lambda column: column.start)


def _order(keys: Sequence[int] | Sequence[Key]) -> list[int]:
    return sorted(range(len(keys)), key=lambda position: keys[position])


def _chosen(distinct: list[_Column], paths: list[Path]) -> _Column:
    """The one that numbers the files, of columns that all could."""
    if all(_order(column.numbers) == _order(distinct[0].numbers) for column in distinct):
        return distinct[-1]
    closest = sorted(distinct, key=lambda column: column.spread)
    one, other = closest[:2]
    if one.spread == other.spread and _order(one.numbers) != _order(other.numbers):
        raise InputError(
            f"{paths[0].parent}: {one.numbers[0]} or {other.numbers[0]} may be the frame of {paths[0].name}, "
            "expected names with one number that differs"
        )
    return max((column for column in distinct if column.spread == one.spread), key=lambda column: column.start)


def _times(stems: list[str]) -> _Times | None:
    """The first kind of time that is in every name, is not the same in all, and tells the files apart."""
    for pattern in _TIMES:
        found = [list(pattern.finditer(stem)) for stem in stems]
        for place in range(min(map(len, found))):
            there = [matches[place] for matches in found]
            seconds = _seconds(there)
            if seconds is None:
                continue
            behind = [re.findall(r"\d+", stem[match.end() :]) for stem, match in zip(stems, there, strict=True)]
            keys = [(*time, *map(int, digits)) for time, digits in zip(seconds, behind, strict=True)]
            if len(set(keys)) == len(keys):
                return _Times(keys, [int(re.sub(r"\D", "", match[0])) for match in there], there[0].span())
    return None


def _seconds(found: list[re.Match[str]]) -> list[tuple[int, int]] | None:
    """Whole units and decimals of each time, or None where they are all one, or rather numbers than times."""
    parts = [match.groupdict() for match in found]
    decimals = [int((part.get("decimals") or "").ljust(18, "0")) for part in parts]
    if "unix" in parts[0]:
        whole = [int(part["unix"]) for part in parts]
        varies = len(set(zip(whole, decimals, strict=True))) > 1 and len({len(part["unix"]) for part in parts}) == 1
        return list(zip(whole, decimals, strict=True)) if varies else None
    days = [_day(part.get("date")) for part in parts]
    plain = [int(re.sub(r"\D", "", part.get("clock") or "0")) for part in parts]
    of_day = [number // 10_000 * 3600 + number // 100 % 100 * 60 + number % 100 for number in plain]
    if None in days or len(set(zip(days, of_day, strict=True))) == 1:
        return None
    if len(set(days)) == 1:
        is_one_number = parts[0].get("date") and len(re.findall(r"\d+", found[0][0])) == 1  # 20240131105959
        if not is_one_number and not _pass_as_clock(plain, of_day):
            return None
        if not parts[0].get("date"):
            of_day = _past_midnight(of_day)
    return [
        (day * DAY + second, decimal)
        for day, second, decimal in zip(days, of_day, decimals, strict=True)
        if day is not None
    ]


def _day(date: str | None) -> int | None:
    """Number of a day; 0 where there is no date, None where the calendar has no such day."""
    if date is None:
        return 0
    try:
        return datetime.strptime(re.sub(r"\D", "", date), "%Y%m%d").toordinal()
    except ValueError:
        return None


def _past_midnight(of_day: list[int]) -> list[int]:
    """Seconds that go on over midnight, where more than half a day without pictures says that they do."""
    ascending = sorted(set(of_day))
    gap, begin = max((later - earlier, later) for earlier, later in pairwise(ascending))
    return [second + DAY * (second < begin) for second in of_day] if gap > DAY // 2 else of_day


def _pass_as_clock(plain: list[int], of_day: list[int]) -> bool:
    """Whether six-digit numbers make better sense as times of day, HHMMSS: a minute has 60 seconds, not 100.

    The largest step shrinks at least tenfold; or, from one o'clock on, it halves and all steps become alike. Numbers in
    equal steps are numbers.
    """
    together = sorted(set(zip(_past_midnight(of_day), plain, strict=True)))
    as_clock = [later[0] - earlier[0] for earlier, later in pairwise(together)]
    as_number = [abs(later[1] - earlier[1]) for earlier, later in pairwise(together)]
    if len(as_number) > 1 and len(set(as_number)) == 1:
        return False
    if 10 * max(as_clock) <= max(as_number):
        return True
    return min(plain) >= 10_000 and 2 * max(as_clock) <= max(as_number) and max(as_clock) <= 2 * min(as_clock)
