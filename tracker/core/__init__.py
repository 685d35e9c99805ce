"""The tracker itself: detections in, tracks out.

Imports NumPy, SciPy, lap and pydantic; knows no file and no frame.
Public: `tracker.Tracker`, `config.TrackerConfig`, `config.load_config`, `detections.Detections`, `detections.Tracks`.
"""
