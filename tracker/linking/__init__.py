"""Identities after the last frame: sure pieces, evidence learnt on the video, clustering, completion.

Imports `tracker.core` and `tracker.files`; SciPy, and the whitening of `embedding.descriptors`.
Public: `link.link_identities`.
"""
