"""Correct a result by hand, in a browser on this machine: `flatsort review RESULT --seq VIDEO`."""

from tracker.commands.review.command import main

__all__ = ["main"]
