"""Matplotlib's pyplot as the experiments use it: figures are files, no window is needed."""

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot

__all__ = ["pyplot"]
