"""Many videos: what lies on shared storage, long videos in parts, and the tasks of a Ray cluster.

`elsewhere` brings a job's files to where it runs and sends its results back. `parts` cuts the describing of a long
video into parts that can be done anywhere, and puts them together to the same features, bit by bit. `tasks` is what one
worker does, each step written so that doing it again does nothing; `cluster` hands the steps out and collects; `shelf`
and `records` keep what is done. Only `cluster` knows Ray.
"""
