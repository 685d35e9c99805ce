"""What tracks become: result files, video, drawings.

Imports `tracker.files`, `tracker.input` and what is below them; OpenCV and PyAV on use.
"""
