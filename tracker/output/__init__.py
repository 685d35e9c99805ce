"""Where tracks go: files, annotated video, a contact sheet, a live window.

Imports `tracker.files` and what is below it; OpenCV and PyAV on use.
"""
