"""Files on shared storage: `s3://bucket/name`, `gs://bucket/name`, by fsspec; brought here, and sent there whole.

Who may read and write, and where the server is, the storage's own client knows (AWS_PROFILE, AWS_ENDPOINT_URL,
GOOGLE_APPLICATION_CREDENTIALS, ...). `file:///name` is a path like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from embedding.errors import shortened
from embedding.extras import require_package
from tracker.errors import InputError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

CLIENTS = {"s3": "s3fs", "gs": "gcsfs"}  # scheme -> the package that speaks to it
ADDRESS = re.compile(rf"({'|'.join(CLIENTS)})://[^/]+/.+", re.DOTALL)
LOCAL = "file://"


def is_stored(text: str) -> bool:
    """Whether this is an address on shared storage.

    Example:
        >>> is_stored("s3://videos/monday/door.mp4"), is_stored("rtsp://door/stream"), is_stored("door.mp4")
        (True, False, False)
    """
    return ADDRESS.fullmatch(text) is not None


def as_path(text: str) -> str:
    """`file:///name` as the path that it is; anything else as it stands.

    Example:
        >>> as_path("file:///mnt/share/door.mp4")
        '/mnt/share/door.mp4'
    """
    return text.removeprefix(LOCAL) if text.startswith(f"{LOCAL}/") else text


def require_client(address: str) -> None:
    """InputError where the package is missing that speaks to this storage."""
    require_package(CLIENTS[address.partition("://")[0]], address)


def glob(pattern: str) -> list[str]:
    """The addresses that match a pattern, sorted."""
    with _spoken_to(pattern) as storage:
        return sorted(str(storage.unstrip_protocol(name)) for name in storage.glob(pattern))


def exists(address: str) -> bool:
    """Whether there is a file."""
    with _spoken_to(address) as storage:
        return bool(storage.exists(address))


def size(address: str) -> int:
    """Bytes of a file."""
    with _spoken_to(address) as storage:
        return int(storage.size(address) or 0)


def read_bytes(address: str) -> bytes:
    """What a file holds."""
    with _spoken_to(address) as storage:
        return bytes(storage.cat_file(address))


def fetch(address: str, path: Path) -> None:
    """Bring a file here; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _spoken_to(address) as storage:
        storage.get_file(address, str(path))


def deliver(path: Path, address: str) -> None:
    """Send a file there; it is there when all of it is, as object storage has it."""
    with _spoken_to(address) as storage:
        storage.put_file(str(path), address)


def remove(address: str) -> None:
    """Delete a file, if it is there."""
    with _spoken_to(address) as storage:
        if storage.exists(address):
            storage.rm_file(address)


@contextmanager
def _spoken_to(address: str) -> Iterator[AbstractFileSystem]:
    """The storage of an address, asked anew each time: others write there too.

    Raises:
        InputError: the client is not installed, or there is no such file.
        OSError: anything that another try may mend.
    """
    require_client(address)
    import fsspec

    try:
        storage, _ = fsspec.core.url_to_fs(address, use_listings_cache=False)
        yield storage
    except FileNotFoundError:
        raise InputError(f"{address}: no such file") from None
    except PermissionError as error:
        raise InputError(f"{address}: not allowed: {shortened(error)}") from None
    except OSError:
        raise
    except Exception as error:  # each client has its own
        raise OSError(f"{address}: {type(error).__name__}: {shortened(error)}") from error
