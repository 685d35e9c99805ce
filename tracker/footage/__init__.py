"""What a video teaches without labels: crops, tracklets, calibration, adaptation.

Imports `tracker.input`, `tracker.evaluate` and what is below them; `embedding` on use.
"""
