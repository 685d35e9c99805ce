"""The experiments of Chen et al. (ICML 2020): each trains what is missing, measures, draws, and returns its figures."""

from __future__ import annotations

# Name on the command line -> module here with `run(bench) -> dict`. Strings, so that listing them imports nothing.
EXPERIMENTS = {
    "pendulum": "embedding.paper.pendulum",
    "human": "embedding.paper.human",
    "mnist": "embedding.paper.mnist",
    "table1": "embedding.paper.table1",
    "ablations": "embedding.paper.ablations",
}

# Measured on sequences under --root. No part of `all`.
ON_DATA = ("descriptors", "table2")
