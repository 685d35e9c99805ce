"""Former name of `tracker.files.motchallenge`, until 0.3."""

from tracker.files.motchallenge import read_detections, read_tracks, write_results

__all__ = ["read_detections", "read_tracks", "write_results"]
