"""The run of `track` as steps on values, for one sequence and for many.

Imports `tracker.footage`, `tracker.output` and what is below them.
Public: `job.Job`, `pipeline.run` and `embed`, `parallel.run_all`, `account.Account`.
"""
