"""What is tracked: sequences, frames, camera motion, detectors.

Imports `tracker.files` and what is below it; OpenCV, PyAV and ONNX Runtime on use.
"""
