"""Descriptors compared on ground-truth crops: `python -m tools.paper descriptors`."""
