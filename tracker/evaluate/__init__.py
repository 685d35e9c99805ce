"""How good tracks are: metrics, and why nothing matches.

Imports `tracker.files` and what is below it; trackeval and motmetrics on use.
Public: `scores.evaluate`, `table.print_table`.
"""
