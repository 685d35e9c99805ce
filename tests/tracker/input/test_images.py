"""Image files: sizes read from headers, and files that declare more than they hold."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from tracker.errors import InputError
from tracker.input.images import IMAGE_SUFFIXES, declared_size, read_image


def png(width: int, height: int, length_of_data: int | None = None) -> bytes:
    """A grey PNG of one chunk of data that may lie about its length."""

    def chunk(kind: bytes, data: bytes, length: int | None = None) -> bytes:
        declared = len(data) if length is None else length
        return struct.pack(">I", declared) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * 100)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data, length_of_data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("suffix", sorted(IMAGE_SUFFIXES))
@pytest.mark.parametrize("size", [(37, 21), (300, 2)])
def test_the_header_tells_the_size(suffix: str, size: tuple[int, int]) -> None:
    """Oracle: OpenCV's encoders, and its decoder."""
    picture = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    encoded = cv2.imencode(suffix, picture)[1].tobytes()
    assert declared_size(encoded) == size


@pytest.mark.parametrize(
    ("encoded", "size"),
    [
        (b"P6 # a comment\n# and another\n 640\t480\n255\n", (640, 480)),
        (b"P3\n2 3\n255\n0 0 0", (2, 3)),
        (
            b"MM\0*\0\0\0\x08\0\x02\x01\0\0\x03\0\0\0\x01\0\x05\0\0\x01\x01\0\x04\0\0\0\x01\0\0\0\x07",
            (5, 7),
        ),  # big-endian
        (b"II+\0\x08\0\0\0" + struct.pack("<QQHHQQHHQQ", 16, 2, 256, 16, 1, 9, 257, 4, 1, 8), (9, 8)),  # BigTIFF
        (b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0\x3f\x0d\x03\x01\0\0", (200000, 2)),  # WebP with alpha
        (b"\xff\xd8\xff\xe0\0\x04\0\0\xff\xff\xc2\0\x0b\x08\0\x10\0\x20\x03", (32, 16)),  # fill bytes, progressive
        (b"GIF89a\1\0\1\0", None),
        (b"", None),
    ],
)
def test_headers_that_opencv_does_not_write(encoded: bytes, size: tuple[int, int] | None) -> None:
    assert declared_size(encoded) == size


def test_lossless_webp() -> None:
    encoded = cv2.imencode(".webp", np.zeros((33, 55, 3), np.uint8), [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
    assert encoded[12:16] == b"VP8L"
    assert declared_size(encoded) == (55, 33)


@pytest.mark.parametrize(
    ("encoded", "message"),
    [
        (png(60_000, 60_000), "declares 60000x60000 pixels, expected 134217728 in all at most"),  # gigabytes
        (png(20_000, 20_000), "declares 20000x20000 pixels"),  # OpenCV would read it
        (png(10, 9, length_of_data=0xFFFFFFFF), r"cannot be decoded as an image \(\d+ bytes\)"),  # seconds, gigabytes
        (png(10, 9)[:-6], "cannot be decoded as an image"),  # cut short
        (b"P6\n99999 99999\n255\n", "declares 99999x99999 pixels"),
        (b"\xff\xd8\xff\xc0\0\x0b\x08\xff\xff\xff\xff\x03", "declares 65535x65535 pixels"),
        (b"\xff\xd8\xff", "cannot be decoded"),  # nothing behind the first marker
        (b"II*\0\xff\xff\xff\x7f", "cannot be decoded"),  # a directory behind the end
        (b"", r"cannot be decoded as an image \(0 bytes\)"),
    ],
)
def test_nothing_is_decoded_that_cannot_be(tmp_path: Path, encoded: bytes, message: str, monkeypatch) -> None:
    decoded: list[int] = []
    decode = cv2.imdecode
    monkeypatch.setattr(cv2, "imdecode", lambda data, flags: decoded.append(data.size) or decode(data, flags))
    path = tmp_path / "000001.png"
    path.write_bytes(encoded)
    with pytest.raises(InputError, match=message) as raised:
        read_image(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not decoded or ("pixels" not in message and max(decoded) < 100)


@pytest.mark.parametrize("suffix", [".ppm", ".png", ".bmp", ".tif"])
def test_a_picture_is_what_opencv_writes(tmp_path: Path, suffix: str) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (21, 37, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / f"1{suffix}"), picture)
    np.testing.assert_array_equal(read_image(tmp_path / f"1{suffix}"), picture)


def test_a_big_tiff_whose_directory_lies_beyond_any_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.tiff").write_bytes(b"II" + (43).to_bytes(2, "little") + b"\x08\x00\x00\x00" + b"\xff" * 8)
    with pytest.raises(InputError, match=r"a\.tiff: cannot be decoded"):
        read_image(tmp_path / "a.tiff")
