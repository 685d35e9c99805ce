"""Flat latent manifolds (Chen et al., ICML 2020) and the appearance descriptor made of them.

Importing this package imports neither torch nor OpenCV; what computes does, on use.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embedding.descriptor import Descriptor

__all__ = ["Descriptor"]


def __getattr__(name: str) -> Any:
    """Import the descriptor on use: the tracker, which takes its exception from here, has no need of it."""
    if name == "Descriptor":
        from embedding.descriptor import Descriptor

        return Descriptor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
