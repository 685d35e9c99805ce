"""A made-up scene: rendered, tracked, scored and drawn.

Imports `tracker.run` and what is below it.
Public: `run.run_demo`, `render.render_demo`.
"""
