"""What is read and written: MOTChallenge text, DeepSORT's .npy, tables, what is kept for the next run.

Imports `tracker.core`.
Public: `motchallenge.read_detections`, `read_tracks`, `write_results`, `write_table`; `cache.kept_path`;
`apart.require_apart`.
"""
