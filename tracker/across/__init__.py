"""Identities across cameras and days: who in one result is who in another, by looks and by what is possible.

Imports `tracker.run` and what stands below it; faiss on use.
Public: `link.link_results`.
"""
