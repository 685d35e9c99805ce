"""What tracks become: result files, video, drawings.

Imports `tracker.files`, `tracker.input` and what is below them; OpenCV and PyAV on use.
Public: `sinks.Sink` and its kinds, `video.VideoWriter`, `drawing.draw_tracks`, `contact_sheet`.
"""
