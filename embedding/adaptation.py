"""Fit a descriptor to the people of one video or camera, without labels, in a few minutes of a CPU.

The video's own detections are linked into tracklets; the encoder goes on learning from them with the contrastive term
alone, and the whitening is fitted anew. Some tracklets are held back. On them the shipped descriptor, the same with a
new whitening, and the adapted one are compared, and the best is written: never a worse one than before.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from embedding.augmentation import NUMBERS, augment
from embedding.config import AugmentationConfig, TrackletConfig
from embedding.contrast import contrastive_loss
from embedding.data.crop_pack import CropIndex, read_index
from embedding.data.crops import CropDataSet
from embedding.data.dataset import spread
from embedding.data.pair_sampler import PairSampler
from embedding.distributed import choose_device
from embedding.errors import InputError
from embedding.latent import colour_scale
from embedding.model import FlatVAE, load_model, read_record, save_model, weights_path
from embedding.retrieval import comparable, similarity, verification
from embedding.whitening import fit_whitening

Progress = Callable[[float, str], None]  # share done, what is going on

CROPS_A_TRACKLET = 12  # that a comparison looks at: long tracklets must not decide alone
APART = 10  # frames between two crops of a tracklet that are compared
MIN_PAIRS = 200  # of each kind, for a comparison to mean anything
LATENT_SAMPLE = 10_000  # crops that mean and whitening are fitted to


@dataclass(frozen=True)
class AdaptationSettings:
    """How to adapt; the defaults are what the figures in docs/descriptors.md were measured with."""

    minutes: float = 3.0  # of CPU time, over all threads; elapsed time on a GPU
    steps: int | None = None  # instead of minutes: a run that can be repeated exactly
    learning_rate: float = 1e-3  # Adam, warmed up and decayed to nothing
    batch: int = 128  # crops a step
    held_out: float = 0.15  # share of the tracklets that are compared on, and not learnt from
    shrinkage: float = 0.1  # of the whitening
    seed: int = 0
    device: str = "auto"
    tracklet: TrackletConfig = field(default_factory=lambda: TrackletConfig(weight=1.0))
    augmentation: AugmentationConfig = field(
        default_factory=lambda: AugmentationConfig(flip=True, shift=0.08, brightness=0.1)
    )


@dataclass(frozen=True)
class Separation:
    """How a descriptor tells apart people of tracklets it has not learnt from.

    Attributes:
        auc: probability that two crops of one tracklet are more similar than two of tracklets seen together.
        true_accepts: share of the first kind accepted where 1 % of the second are.
    """

    auc: float
    true_accepts: float


@dataclass(frozen=True)
class AdaptationReport:
    """What came of it.

    Attributes:
        chosen: "shipped", "whitened" (a new whitening only) or "adapted".
        reason: one sentence.
        separation: of each candidate that was compared, by its name.
        tracklets, held_out: learnt from, and held back.
        steps, minutes: of training.
    """

    chosen: str
    reason: str
    separation: dict[str, Separation]
    tracklets: int = 0
    held_out: int = 0
    steps: int = 0
    minutes: float = 0.0


def adapt(
    base: str | Path,
    pack: str | Path,
    out: str | Path,
    settings: AdaptationSettings | None = None,
    progress: Progress = lambda share, text: None,
) -> AdaptationReport:
    """Write OUT.safetensors and OUT.json: the base model, fitted to a pack of crops where that makes it better.

    The record keeps the report. The decoder stays as it was and no longer belongs to an adapted encoder.

    Args:
        base: a model's file or a run's folder.
        pack: FILE.npy of `tools.crops`, with its index.
        out: the weights to write.

    Raises:
        InputError: a file is missing or broken, or `base` is no model of crops.
    """
    settings = settings or AdaptationSettings()
    weights = weights_path(base)
    record, model = read_record(weights), load_model(weights)
    crops, index = np.load(pack, mmap_mode="r"), read_index(pack)
    work = _Work(model.to(choose_device(settings.device)), crops, index, colour_scale(weights, record), settings)
    report = work.run(progress)
    kept = {key: value for key, value in record.items() if key not in ("model", "shape", "parts")}
    save_model(work.model.cpu(), Path(out), {**kept, "adaptation": _as_record(report, settings, index)})
    return report


class _Work:
    """The model and the crops of one adaptation."""

    def __init__(
        self,
        model: FlatVAE,
        crops: NDArray[np.uint8],
        index: CropIndex,
        scale: tuple[torch.Tensor, torch.Tensor],
        settings: AdaptationSettings,
    ) -> None:
        self.model = model
        self.settings = settings
        self.device = model.latent_mean.device
        rows = np.arange(len(index))
        held = _held_back(index, settings)
        self.learnt = CropDataSet(crops, rows[~held], "given", index.select(~held), scale)
        compared = rows[held][_evenly(index.tracklet[held], CROPS_A_TRACKLET)]
        self.held = CropDataSet(crops, compared, "given", index.select(compared), scale) if len(compared) else None

    def run(self, progress: Progress) -> AdaptationReport:
        """Train, compare, and leave the best candidate in `self.model`."""
        try:
            sampler = self._sampler()
        except InputError as error:
            return AdaptationReport("shipped", f"nothing to learn from: {error}", {})
        pairs = None if self.held is None else known_pairs(self.held.origin)
        if pairs is None or min(int(kind.sum()) for kind in pairs) < MIN_PAIRS:
            return AdaptationReport("shipped", "too few people to tell whether it would help", {})
        shipped = _state(self.model)
        separation = {"shipped": self._separation(pairs)}
        self._refit()
        separation["whitened"] = self._separation(pairs)
        candidates = {"shipped": shipped, "whitened": _state(self.model)}
        steps, minutes = self._learn(sampler, progress)
        self._refit()
        separation["adapted"] = self._separation(pairs)
        candidates["adapted"] = _state(self.model)
        chosen = max(separation, key=lambda name: separation[name].true_accepts + separation[name].auc)
        self.model.load_state_dict(candidates[chosen])
        counts = (_count(self.learnt.origin), _count(self.held.origin if self.held else None))
        return AdaptationReport(chosen, _reason(chosen, separation), separation, *counts, steps, minutes)

    def _sampler(self) -> PairSampler:
        tracklet, origin = self.settings.tracklet, self.learnt.origin
        assert origin is not None
        return PairSampler(origin, self.settings.batch, tracklet.frames, tracklet.min_length)

    def _learn(self, sampler: PairSampler, progress: Progress) -> tuple[int, float]:
        """Contrastive steps on the encoder until the time is over. -> steps, minutes"""
        settings, encoder = self.settings, self.model.encoder
        optimiser = torch.optim.Adam(encoder.parameters(), settings.learning_rate)
        noise = torch.Generator().manual_seed(settings.seed)
        clock = time.process_time if self.device.type == "cpu" else time.perf_counter
        began, step, share = clock(), 0, 0.0
        encoder.train()
        while share < 1:
            rows, pairs = sampler.draw(np.random.default_rng([settings.seed, step]))
            x = self.learnt.batch(torch.from_numpy(rows)).to(self.device)
            numbers = torch.rand(len(x), NUMBERS, generator=noise).to(self.device)
            mean, _ = encoder(augment(x, numbers, settings.augmentation))
            loss = contrastive_loss(mean, pairs.to(self.device), settings.tracklet.temperature)
            for group in optimiser.param_groups:
                group["lr"] = settings.learning_rate * min(1.0, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * share))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(encoder.parameters(), 5.0)
            optimiser.step()
            step += 1
            share = step / settings.steps if settings.steps else (clock() - began) / (60 * settings.minutes)
            progress(min(share, 1.0), f"step {step}, {float(loss):.2f} nats")
        encoder.eval()
        return step, (clock() - began) / 60

    def _refit(self) -> None:
        """Mean and whitening from the crops that are learnt from."""
        chosen = torch.from_numpy(spread(len(self.learnt), LATENT_SAMPLE))
        means = self._means(self.learnt, chosen)
        assert self.learnt.origin is not None
        whitening = fit_whitening(means, self.learnt.origin.tracklet[chosen.numpy()], self.settings.shrinkage)
        self.model.latent_mean.copy_(torch.from_numpy(whitening.mean))
        self.model.latent_whitening.copy_(torch.from_numpy(whitening.matrix))

    @torch.no_grad()
    def _means(self, data: CropDataSet, rows: torch.Tensor) -> NDArray[np.float32]:
        self.model.eval()
        found = [self.model.encode(data.batch(part).to(self.device))[0].cpu() for part in rows.split(64)]
        return torch.cat(found).numpy()

    def _separation(self, pairs: tuple[NDArray[np.bool_], NDArray[np.bool_]]) -> Separation:
        assert self.held is not None
        means = self._means(self.held, torch.arange(len(self.held)))
        offset, matrix = (part.cpu().numpy() for part in (self.model.latent_mean, self.model.latent_whitening))
        vectors = comparable((means - offset) @ matrix.T, "cosine")
        score = similarity(vectors, vectors)
        return Separation(*verification(score[pairs[0]], score[pairs[1]]))


def known_pairs(index: CropIndex | None) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Pairs [N, N], each once, of one tracklet (at least `APART` frames apart) and of two that share a frame."""
    assert index is not None
    names, label = np.unique(index.tracklet, return_inverse=True)
    first, last = np.full(len(names), np.iinfo(np.int64).max), np.zeros(len(names), np.int64)
    np.minimum.at(first, label, index.frame)
    np.maximum.at(last, label, index.frame)
    start, end = first[label], last[label]  # a tracklet has no gaps
    once = np.triu(index.sequence[:, None] == index.sequence, 1)
    same = label[:, None] == label
    together = (start[:, None] <= end) & (start <= end[:, None])
    apart = np.abs(index.frame[:, None] - index.frame) >= APART
    return once & same & apart, once & ~same & together


def _held_back(index: CropIndex, settings: AdaptationSettings) -> NDArray[np.bool_]:
    """[N] the crops of a random share of the tracklets that can be compared on."""
    labels, lengths = np.unique(index.tracklet, return_counts=True)
    long = labels[lengths >= settings.tracklet.min_length]
    random = np.random.default_rng(settings.seed)
    return np.isin(index.tracklet, random.permutation(long)[: round(settings.held_out * len(long))])


def _evenly(labels: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Rows of at most `most` crops of each label, evenly spread over its crops, which are in the order of time."""
    order = np.argsort(labels, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    return np.sort(np.concatenate([group[spread(len(group), most)] for group in groups])) if len(order) else order


def _state(model: FlatVAE) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def _count(index: CropIndex | None) -> int:
    return 0 if index is None else len(np.unique(index.tracklet))


def _reason(chosen: str, separation: dict[str, Separation]) -> str:
    before, after = separation["shipped"].true_accepts, separation[chosen].true_accepts
    if chosen == "shipped":
        return f"nothing was better than before ({before:.1%} true accepts at 1 % false ones)"
    return f"true accepts at 1 % false ones rose from {before:.1%} to {after:.1%} on tracklets held back"


def _as_record(report: AdaptationReport, settings: AdaptationSettings, index: CropIndex) -> dict[str, Any]:
    return {
        **asdict(report),
        "crops": len(index),
        "sequences": list(index.names),
        "minutes_asked": settings.minutes,
        "learning_rate": settings.learning_rate,
        "seed": settings.seed,
    }
