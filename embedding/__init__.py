"""Flat latent manifolds (Chen et al., ICML 2020) and the appearance descriptor made of them.

Importing this package does not import torch; the modules that compute do.
"""

from embedding.descriptor import Descriptor

__all__ = ["Descriptor"]
