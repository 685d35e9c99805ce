"""The pictures of the concepts, one module each; every one is drawn by what the project itself computes."""
