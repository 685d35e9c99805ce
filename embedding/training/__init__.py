"""How the VAE learns: objective, constraint, loop, adaptation to one camera.

Imports `embedding.vae`, `embedding.data`, `embedding.descriptors` and what is below them.
Public: `loop.train`, `adaptation.adapt`.
"""
