"""The tracker itself: detections in, tracks out.

Each `.hpp` is the compiled core's side of the module of the same name; `compiled` binds them.
Imports NumPy, SciPy, lap and pydantic; knows no file and no frame.
Public: `tracker.Tracker`, `config.TrackerConfig`, `config.load_config`, `detections.Detections`, `detections.Tracks`.
"""
