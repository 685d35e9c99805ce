"""Image files: which names they have, how large a picture they declare, and the picture itself.

A file of a few kilobytes may declare a picture of gigabytes. What its header says is read before anything is decoded.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tracker.errors import InputError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm"})
MAX_PIXELS = 1 << 27  # of one picture: 16384x8192, 400 MB in memory

PNG, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND"
JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # start-of-frame markers
JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a segment behind them
TIFF_FORMATS = {3: "H", 4: "I", 16: "Q"}  # types of a whole number
TIFF_WIDTH, TIFF_HEIGHT = 256, 257  # tags


def read_image(path: Path) -> NDArray[np.uint8]:
    """The picture in a file, BGR uint8 [H, W, 3].

    Raises:
        InputError: it cannot be read or decoded, or has more than `MAX_PIXELS`.
    """
    import cv2

    try:
        encoded = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    require_image(encoded, path)
    try:
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR) if encoded else None
    except cv2.error:  # OpenCV's own bounds
        image = None
    if image is None:
        raise InputError(f"{path}: cannot be decoded as an image ({len(encoded)} bytes): cut short or corrupt?")
    return np.asarray(image, np.uint8)


def require_image(encoded: bytes, path: Path) -> None:
    """Raise `InputError` where a decoder would spend memory or minutes on what the file only declares."""
    try:
        width, height = declared_size(encoded) or (0, 0)
        sound = not encoded.startswith(PNG) or _png_is_whole(encoded)
    except (struct.error, IndexError, KeyError, OverflowError):
        return  # cut short in its header: the decoder says so at once
    if width * height > MAX_PIXELS:
        raise InputError(f"{path}: declares {width}x{height} pixels, expected {MAX_PIXELS} in all at most")
    if not sound:
        raise InputError(f"{path}: cannot be decoded as an image ({len(encoded)} bytes): cut short or corrupt?")


def declared_size(encoded: bytes) -> tuple[int, int] | None:
    """Width and height that an encoded image declares; None where its format is none of `IMAGE_SUFFIXES`.

    Raises:
        struct.error, IndexError, KeyError, OverflowError: the header is cut short or makes no sense.
    """
    if encoded.startswith(PNG):
        return struct.unpack_from(">II", encoded, 16)
    if encoded.startswith(b"\xff\xd8"):
        return _jpeg_size(encoded)
    if encoded.startswith(b"BM"):
        width, height = struct.unpack_from("<ii", encoded, 18)
        return abs(width), abs(height)
    if encoded[:4] == b"RIFF" and encoded[8:12] == b"WEBP":
        return _webp_size(encoded)
    if encoded[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _tiff_size(encoded)
    if pnm := re.match(rb"P[1-6](?:\s|#[^\n]*\n)+(\d{1,19})(?:\s|#[^\n]*\n)+(\d{1,19})\s", encoded[:4096]):
        return int(pnm[1]), int(pnm[2])
    return None


def _png_is_whole(encoded: bytes) -> bool:
    """Whether the chunks lie one behind the other within the file, up to the last: no length is a lie."""
    start = len(PNG)
    while start + 8 <= len(encoded):
        (length,) = struct.unpack_from(">I", encoded, start)
        if encoded[start + 4 : start + 8] == PNG_END:
            return True
        start += 12 + length
    return False


def _jpeg_size(encoded: bytes) -> tuple[int, int]:
    start = 2
    while True:
        start = encoded.find(b"\xff", start) % (len(encoded) + 1)  # where there is none, behind the end
        while encoded[start] == 0xFF:  # any number of fill bytes
            start += 1
        marker = encoded[start]
        start += 1
        if marker in JPEG_SIZES:
            height, width = struct.unpack_from(">HH", encoded, start + 3)
            return width, height
        if marker not in JPEG_BARE:
            start += struct.unpack_from(">H", encoded, start)[0]


def _webp_size(encoded: bytes) -> tuple[int, int]:
    kind = encoded[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(encoded[at : at + 3], "little") + 1 for at in (24, 27))
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", encoded, 21)
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", encoded, 26))
    return width, height


def _tiff_size(encoded: bytes) -> tuple[int, int]:
    """Of the first directory; TIFF or BigTIFF, either byte order."""
    order, is_big = "<" if encoded[:2] == b"II" else ">", b"+" in encoded[:4]
    (start,) = struct.unpack_from(order + ("Q" if is_big else "I"), encoded, 8 if is_big else 4)
    (entries,) = struct.unpack_from(order + ("Q" if is_big else "H"), encoded, start)
    first, each = (start + 8, 20) if is_big else (start + 2, 12)
    found = {}
    for entry in range(first, min(first + entries * each, len(encoded)), each):
        tag, kind = struct.unpack_from(order + "HH", encoded, entry)
        if tag in (TIFF_WIDTH, TIFF_HEIGHT):
            (found[tag],) = struct.unpack_from(order + TIFF_FORMATS[kind], encoded, entry + (12 if is_big else 8))
    return found[TIFF_WIDTH], found[TIFF_HEIGHT]
