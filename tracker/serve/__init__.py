"""A service that tracks many cameras at once and for ever.

Pictures go one way: `source` (connections that come back) -> `looking` (detections with features, together for all
cameras) -> `camera` (one tracker each) -> `hours` and `lines` (what is written) -> `metrics` and `endpoint` (how it
goes). `service` is the whole of it; `local` runs it in threads, `cluster` as actors of Ray.
Imports `tracker.run` and what is below it; Ray, pyarrow and prometheus-client on use.
Public: `service.serve`, `config.load`, `camera.Camera`.
"""
