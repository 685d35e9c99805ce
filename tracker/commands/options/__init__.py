"""What the options of `track` stand for: words to choose from, and the places where results go.

Imports `tracker.input` and what is below it.
"""
