"""The parts of `python -m tools.paper table2`; `experiment.run` is where to begin."""
