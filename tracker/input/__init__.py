"""What is tracked: sequences, frames, camera motion, detectors.

Imports `tracker.files` and what is below it; OpenCV, PyAV and ONNX Runtime on use.
Public: `sequences.find_sequences`, `frames.open_frames`, `detectors.load_detector`, `camera_motion.CameraMotion`.
"""
