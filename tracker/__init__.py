"""Online multi-object tracking: detections (and descriptors) in, tracks out."""

from tracker.config import TrackerConfig, load_config
from tracker.detections import Detections, Tracks
from tracker.errors import InputError
from tracker.tracker import Tracker

__all__ = ["Detections", "InputError", "Tracker", "TrackerConfig", "Tracks", "load_config"]
