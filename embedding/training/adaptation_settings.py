"""How a network is adapted: apart from the learning, so that asking for it needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from embedding.config import AugmentationConfig, TrackletConfig


@dataclass(frozen=True)
class AdaptationSettings:
    """How to adapt; the defaults are what the figures in docs/descriptors.md were measured with."""

    minutes: float = 4.0  # of CPU time, over all threads; elapsed time on a GPU
    steps: int | None = None  # instead of minutes: a run that can be repeated exactly
    learning_rate: float = 1e-3  # Adam, in each half decayed to nothing
    batch: int = 128  # crops a step
    held_out: float = 0.25  # share of the long tracklets that are compared on, and not learnt from in the first half
    shrinkage: float = 0.6  # of the whitening: an encoder that learned by cosines needs little, and gates less surely
    seed: int = 0
    device: str = "auto"
    tracklet: TrackletConfig = field(default_factory=lambda: TrackletConfig(weight=1.0))
    augmentation: AugmentationConfig = field(
        default_factory=lambda: AugmentationConfig(flip=True, shift=0.08, brightness=0.1)
    )
