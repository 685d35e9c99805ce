"""Formats of detections and tracks, each in a module of its own; `reading` tells them apart.

Every reader gives `tracker.files.tables.Rows`, which are checked and sorted there.
"""
