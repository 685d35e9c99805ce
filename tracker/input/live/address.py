"""Addresses of streams as they may be shown: users, passwords, tokens and queries left out."""

from __future__ import annotations

import re

ADDRESS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
SECRET = re.compile(r"(?i)((?:user|usr|login|pass|pwd|pw|auth|token|key|secret|sig)\w*?)([=:])[^/&;,]*")
MOST = 60  # characters of a name

HIDDEN = "***"


def is_address(text: str) -> bool:
    """Whether this is an address such as `rtsp://host/stream` and no file."""
    return ADDRESS.match(text) is not None


def shown(address: str) -> str:
    """An address for messages, without what lets one in.

    Example:
        >>> shown("rtsp://admin:S3cret@cam:554/door?token=1#x")
        'rtsp://cam:554/door'
        >>> shown("rtsp://cam/user=admin_password=S3cret_channel=1.sdp")
        'rtsp://cam/user=***'
    """
    found = ADDRESS.match(address)
    if found is None:
        return address
    before = re.split(r"[?#]", found["rest"])[0]
    host, slash, path = before.partition("/")
    if "@" in before:  # a password may hold a slash, though it should not
        host, slash, path = before.rpartition("@")[2].partition("/")
    return f"{found['scheme']}://{host}{slash}{SECRET.sub(_hidden, path)}"


def _hidden(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}{HIDDEN}"


def short_name(address: str) -> str:
    """What a stream is called in progress and file names: the last part of its path, or its host.

    Example:
        >>> short_name("http://admin:S3cret@cam/cgi/video.cgi?password=S3cret")
        'video.cgi'
        >>> short_name("rtsp://admin:S3cret@cam")
        'cam'
    """
    host, *path = [part for part in shown(address).partition("://")[2].split("/") if part] or ["stream"]
    name = path[-1] if path and HIDDEN not in path[-1] else host.partition(":")[0]
    return re.sub(r"[^\w.-]+", "_", name)[:MOST].strip(".") or "stream"
