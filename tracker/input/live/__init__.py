"""Cameras and streams: pictures that come when they come, lost connections that come back, addresses without secrets.

Imports nothing else of the project but errors and images.
Public: `source.LiveSource`, `address.shown`, `address.short_name`.
"""
