"""Tables of numbers as text, quickly: a plain table with commas is read here, anything else is left to others."""

from __future__ import annotations

import warnings
from typing import IO

import numpy as np
from numpy.typing import NDArray

from tracker.core.compiled import read_table

CHUNK = 1 << 22  # bytes read at once
TAIL = b",-1,-1,-1\n"  # MOTChallenge's last three columns where nobody knows them: 3 of 10 numbers not to be read


def read_plain_table(file: IO[bytes]) -> NDArray[np.float64] | None:
    """The numbers [N, C] of lines of C numbers with commas between them; None where any line is anything else.

    Where every line ends in `,-1,-1,-1`, those three columns are left away.

    Example:
        >>> import io
        >>> read_plain_table(io.BytesIO(b"1,2.5\\n3,4e1\\n")).tolist()
        [[1.0, 2.5], [3.0, 40.0]]
    """
    table, count = np.empty((0, 0)), 0
    rest, has_tail = b"", True
    while True:
        chunk = file.read(CHUNK)
        text = rest + chunk
        if not chunk and text and not text.endswith(b"\n"):
            text += b"\n"
        end = text.rfind(b"\n") + 1
        rest, text = text[end:], text[:end].replace(b"\r\n", b"\n")
        if not count:
            has_tail = text.count(TAIL) == text.count(b"\n")
        if text:
            part = _numbers(text, has_tail)
            if part is None or (count and part.shape[1] != table.shape[1]):
                return None
            if not count:
                table = np.empty(part.shape)
            if count + len(part) > len(table):  # room for a fifth more, so that growing takes linear time
                table.resize(((count + len(part)) * 6 // 5, part.shape[1]), refcheck=False)
            table[count : count + len(part)] = part
            count += len(part)
        if not chunk:
            return table[:count] if count else None


def _numbers(text: bytes, has_tail: bool) -> NDArray[np.float64] | None:
    rows = text.count(b"\n")
    columns = text.count(b",", 0, text.index(b"\n")) + 1
    values = np.empty(rows * columns)
    if read_table(text, columns, values):
        found = values.reshape(rows, columns)
        if not has_tail:
            return found
        return found[:, :-3] if columns > 3 and (found[:, -3:] == -1).all() else None
    characters = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero((characters == ord(",")) | (characters == ord("\n")))  # of numbers
    if len(ends) != columns * rows or (characters[ends[columns - 1 :: columns]] != ord("\n")).any():
        return None
    if has_tail:
        if text.count(TAIL) != rows:
            return None
        columns -= 3
        text = text.replace(TAIL, b",")
    else:
        text = text.replace(b"\n", b",")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of text that is no number, before NumPy 2.3
        try:
            found = np.fromstring(text[:-1], np.float64, sep=",")
        except ValueError:  # the same
            return None
    return found.reshape(-1, columns) if len(found) == columns * rows else None
