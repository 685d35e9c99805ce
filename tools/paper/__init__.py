"""The parts of `python -m tools.paper`: the experiments of Chen et al. (ICML 2020) and what came after them."""
