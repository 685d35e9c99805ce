"""Online multi-object tracking: detections (and descriptors) in, tracks out."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracker.core.config import TrackerConfig, load_config
    from tracker.core.detections import Detections, Tracks
    from tracker.core.tracker import Tracker
    from tracker.errors import InputError

_PLACES = {
    "Detections": "tracker.core.detections",
    "InputError": "tracker.errors",
    "Tracker": "tracker.core.tracker",
    "TrackerConfig": "tracker.core.config",
    "Tracks": "tracker.core.detections",
    "load_config": "tracker.core.config",
}

__all__ = ["Detections", "InputError", "Tracker", "TrackerConfig", "Tracks", "load_config"]


def __getattr__(name: str) -> Any:
    """Import on use: pydantic takes longer than all the rest, and a command sets NumPy's threads before it is there."""
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
