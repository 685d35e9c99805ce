"""Programs of a checkout, `python -m tools.NAME`: thin entries of the commands, benchmarks, the paper's experiments.

Not installed. Each imports `tracker` and `embedding`, and none of the others.
"""
