"""What a video teaches without labels: crops, tracklets, calibration, adaptation.

Imports `tracker.input`, `tracker.evaluate` and what is below them; `embedding` on use.
Public: `crops.pack_sequences`, `adapt.adapt_to`, `calibration.calibrate` and `report`.
"""
