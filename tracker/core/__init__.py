"""The tracker itself: detections in, tracks out.

Imports NumPy, SciPy, lap and pydantic; knows no file and no frame.
Public: `tracker.Tracker`, `config.TrackerConfig` and `load_config`, `detections.Detections` and `Tracks`; the rest is theirs.
"""
