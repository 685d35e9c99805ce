"""The run of `track` as steps on values, for one sequence and for many.

Imports `tracker.footage`, `tracker.output` and what is below them.
"""
