"""The flat VAE: networks, prior, likelihood, flatness penalty, the model and its files.

Imports torch, `embedding.config` and what is below it.
Public: `model.FlatVAE`, `flatness.flatness_penalty`, `weights.load_model` and `save_model`.
"""
