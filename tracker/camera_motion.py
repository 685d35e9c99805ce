"""Former name of `tracker.input.camera_motion`, until 0.3."""

from tracker.input.camera_motion import CameraMotion

__all__ = ["CameraMotion"]
