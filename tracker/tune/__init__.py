"""The search for a preset's parameters, one sequence held out at a time.

Imports `tracker.run` and what is below it; Optuna on use.
Public: `search.cross_validate`, `cases.load_cases`.
"""
