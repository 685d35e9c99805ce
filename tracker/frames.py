"""Former name of `tracker.input.frames`, until 0.3."""

from tracker.input.frames import Frames, open_frames

__all__ = ["Frames", "open_frames"]
