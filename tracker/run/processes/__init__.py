"""The process a run lives in: how it is told to end, and workers beside it.

Imports nothing else of the project.
Public: `ending.ending_in_order`, `workers.side_by_side`.
"""
