"""The experiments of Chen et al. (ICML 2020): each trains what is missing, measures, draws, and returns its figures."""

from __future__ import annotations

# Name on the command line -> module here with `run(bench) -> dict`. Strings, so that listing them imports nothing.
EXPERIMENTS = {
    "pendulum": "tools.paper.pendulum",
    "human": "tools.paper.human",
    "mnist": "tools.paper.mnist",
    "table1": "tools.paper.table1",
    "ablations": "tools.paper.ablations",
}

# Measured on sequences under --root. No part of `all`.
ON_DATA = ("descriptors", "table2")
