"""Online multi-object tracking: detections (and descriptors) in, tracks out."""

from typing import TYPE_CHECKING, Any

from tracker.core.detections import Detections, Tracks
from tracker.core.tracker import Tracker
from tracker.errors import InputError

if TYPE_CHECKING:
    from tracker.core.config import TrackerConfig, load_config

__all__ = ["Detections", "InputError", "Tracker", "TrackerConfig", "Tracks", "load_config"]


def __getattr__(name: str) -> Any:
    """Import what needs pydantic on use: it takes longer to import than all the rest."""
    if name in ("TrackerConfig", "load_config"):
        from tracker.core import config

        return getattr(config, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
