"""What is read and written: MOTChallenge text, DeepSORT's .npy, tables.

Imports `tracker.core`.
"""
