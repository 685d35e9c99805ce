"""The gate on appearance, found on the footage itself: `online` by the shares of many pairs, `few_people` before that.

Imports the rest of `tracker.core`; NumPy.
"""

from tracker.core.gate.online import BINS, LAG, MIN_SAME_PAIRS, Histogram, OnlineThreshold

__all__ = ["BINS", "LAG", "MIN_SAME_PAIRS", "Histogram", "OnlineThreshold"]
