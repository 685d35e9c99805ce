"""Section 4.4 at full size: `python -m tools.paper mot16`; `experiment.run` is where to begin."""
