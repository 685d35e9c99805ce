"""Fit a descriptor to the people of one video or camera, without labels, in a few minutes of a CPU.

The video's own detections are linked into tracklets; the encoder goes on learning from them with the contrastive term
alone, and the whitening is fitted anew. In the first half of the time some tracklets are held back. On them the shipped
descriptor, the same with a new whitening, and the adapted one are compared, and the best goes on: never one that tells
people apart worse than before. If it is the adapted one, it spends the other half on all tracklets, the held-back ones
too, since they show people who will be seen again.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from embedding.data.crop_pack import CropIndex, read_index
from embedding.data.crops import CropDataSet
from embedding.data.dataset import spread
from embedding.descriptors.latent import colour_scale
from embedding.descriptors.whitening import fit_whitening
from embedding.distributed import choose_device
from embedding.errors import InputError
from embedding.progress import Progress, unseen
from embedding.training.adaptation_settings import AdaptationSettings
from embedding.training.augmentation import NUMBERS, augment
from embedding.training.contrast import contrastive_loss
from embedding.training.held_back import (
    CROPS_A_TRACKLET,
    AdaptationReport,
    HeldBackPairs,
    Separation,
    evenly,
    held_back,
    reason,
)
from embedding.training.pair_sampler import PairSampler
from embedding.vae.model import FlatVAE
from embedding.vae.weights import load_model, read_record, save_model, stored_precision, weights_path

Scale = tuple[torch.Tensor, torch.Tensor]  # each colour's mean and divisor, [3]

LATENT_SAMPLE = 10_000  # crops that mean and whitening are fitted to
WARM_UP = 50  # steps in which the learning rate rises
CLIP_NORM = 5.0  # largest norm of a gradient


def adapt(
    base: str | Path,
    pack: str | Path,
    out: str | Path,
    settings: AdaptationSettings | None = None,
    progress: Progress = unseen,
    writes_unchanged: bool = True,
    people: NDArray[np.int64] | None = None,
) -> AdaptationReport:
    """Write OUT.safetensors and OUT.json: the base model, fitted to a pack of crops where that makes it better.

    The record keeps the report. The decoder stays as it was and no longer belongs to an adapted encoder.

    Args:
        base: a model's file or a run's folder.
        pack: FILE.npy of `tools.crops`, with its index.
        out: the weights to write; the base's where nothing was better, and `writes_unchanged`.
        people: [N] label of each crop, of tracklets that are known to show one person the same; None: the tracklets.

    Raises:
        InputError: a file is missing or broken, or `base` is no model of crops.
    """
    settings = settings or AdaptationSettings()
    weights = weights_path(base)
    record, model = read_record(weights), load_model(weights)
    index = read_index(pack)
    crops = np.load(pack, mmap_mode="r")
    if len(index) and crops.shape[1:3] != model.shape[1:]:
        raise InputError(f"{pack}: crops of {crops.shape[1:3]} pixels, the model expects {model.shape[1:]}")
    model = model.to(choose_device(settings.device))
    taught = index if people is None else replace(index, tracklet=people)
    report = _adapt(model, crops, index, taught, colour_scale(weights, record), settings, progress)
    progress("learning, finished", 1.0, 1)
    if report.chosen == "shipped" and not writes_unchanged:
        return report
    kept = {key: value for key, value in record.items() if key not in ("model", "shape", "parts")}
    save_model(
        model.cpu().to(stored_precision(weights)),
        Path(out),
        {**kept, "adaptation": _as_record(report, settings, index)},
    )
    return report


def _adapt(
    model: FlatVAE,
    crops: NDArray[np.uint8],
    index: CropIndex,
    taught: CropIndex,
    scale: Scale,
    settings: AdaptationSettings,
    progress: Progress,
) -> AdaptationReport:
    """Leave the best of what there is in `model`, learnt from `taught` and compared on the tracklets of `index`."""
    held = held_back(taught, settings.held_out, settings.seed)  # nobody is on both sides
    counts = {"tracklets": _count(taught, settings), "held_out": _count(taught.select(held), settings)}
    shipped = _state(model)
    try:
        rows = evenly(index.tracklet, CROPS_A_TRACKLET)
        comparison = _Comparison(_data(crops, index, rows, scale), held[rows])
        learning = _Learning(model, _data(crops, taught, np.flatnonzero(~held), scale), settings)
        separation = {"shipped": comparison.separation(model)}
        learning.refit()
        separation["whitened"] = comparison.separation(model)
        candidates = {"shipped": shipped, "whitened": _state(model)}
        spent = learning.learn(0.0, 0.5, progress)
        learning.refit()
        separation["adapted"] = comparison.separation(model)
        candidates["adapted"] = _state(model)
        chosen = max(separation, key=lambda name: separation[name].true_accepts + separation[name].auc)
        model.load_state_dict(candidates[chosen])
        if chosen != "shipped":
            learning = _Learning(model, _data(crops, taught, np.arange(len(index)), scale), settings)
            if chosen == "adapted":
                more = learning.learn(0.5, 1.0, progress)
                spent = (spent[0] + more[0], spent[1] + more[1])
            learning.refit()
    except InputError as error:  # too few people, or crops that never change
        model.load_state_dict(shipped)
        return AdaptationReport("shipped", f"nothing to learn from: {error}", {}, **counts)
    return AdaptationReport(chosen, reason(chosen, separation), separation, **counts, steps=spent[0], minutes=spent[1])


class _Comparison:
    """Crops that a model is compared on."""

    def __init__(self, data: CropDataSet, held: NDArray[np.bool_]) -> None:
        assert data.origin is not None
        self.data = data
        self.pairs = HeldBackPairs(data.origin, held)

    def separation(self, model: FlatVAE) -> Separation:
        means = _means(model, self.data, torch.arange(len(self.data)))
        offset, matrix = (part.cpu().numpy() for part in (model.latent_mean, model.latent_whitening))
        return self.pairs.separation((means - offset) @ matrix.T)


class _Learning:
    """A model and the crops it learns from."""

    def __init__(self, model: FlatVAE, data: CropDataSet, settings: AdaptationSettings) -> None:
        assert data.origin is not None
        tracklet = settings.tracklet
        self.model, self.data, self.settings, self.origin = model, data, settings, data.origin
        self.sampler = PairSampler(data.origin, settings.batch, tracklet.frames, tracklet.min_length)

    def learn(self, start: float, stop: float, progress: Progress) -> tuple[int, float]:
        """Contrastive steps on the encoder for a part of the time, [start, stop) of 1. -> steps, minutes"""
        settings, encoder = self.settings, self.model.encoder
        device = self.model.latent_mean.device
        optimiser = torch.optim.Adam(encoder.parameters(), settings.learning_rate)
        seed = [settings.seed, round(100 * start)]
        noise = torch.Generator().manual_seed(int(np.random.default_rng(seed).integers(2**62)))
        clock = time.process_time if device.type == "cpu" else time.perf_counter
        began, step, share = clock(), 0, 0.0
        encoder.train()
        while share < 1:
            rows, pairs = self.sampler.draw(np.random.default_rng([*seed, step]))
            x = self.data.batch(torch.from_numpy(rows)).to(device)
            numbers = torch.rand(len(x), NUMBERS, generator=noise).to(device)
            mean, _ = encoder(augment(x, numbers, settings.augmentation))
            loss = contrastive_loss(mean, pairs.to(device), settings.tracklet.temperature)
            for group in optimiser.param_groups:
                warm = min(1.0, (step + 1) / WARM_UP)
                group["lr"] = settings.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * share))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(encoder.parameters(), CLIP_NORM)
            optimiser.step()
            step += 1
            done = step / settings.steps if settings.steps else (clock() - began) / (60 * settings.minutes)
            share = done / (stop - start)
            progress(f"learning, step {step}, {float(loss.detach()):.2f} nats", min(start + done, stop), 1)
        encoder.eval()
        return step, (clock() - began) / 60

    def refit(self) -> None:
        """Mean and whitening from the crops that are learnt from.

        Raises:
            InputError: the crops of no tracklet differ.
        """
        chosen = torch.from_numpy(spread(len(self.data), LATENT_SAMPLE))
        means = _means(self.model, self.data, chosen)
        whitening = fit_whitening(means, self.origin.tracklet[chosen.numpy()], self.settings.shrinkage)
        self.model.latent_mean.copy_(torch.from_numpy(whitening.mean))
        self.model.latent_whitening.copy_(torch.from_numpy(whitening.matrix))


def _data(crops: NDArray[np.uint8], index: CropIndex, rows: NDArray[np.int64], scale: Scale) -> CropDataSet:
    if not len(rows):
        raise InputError(f"too few people, {len(index)} crops")
    return CropDataSet(crops, rows, "given", index.select(rows), scale)


@torch.no_grad()
def _means(model: FlatVAE, data: CropDataSet, rows: torch.Tensor) -> NDArray[np.float32]:
    model.eval()
    found = [model.encode(data.batch(part).to(model.latent_mean.device))[0].cpu() for part in rows.split(64)]
    return torch.cat(found).numpy()


def _state(model: FlatVAE) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def _count(index: CropIndex, settings: AdaptationSettings) -> int:
    """Tracklets that are long enough to learn from."""
    return int((np.unique(index.tracklet, return_counts=True)[1] >= settings.tracklet.min_length).sum())


def _as_record(report: AdaptationReport, settings: AdaptationSettings, index: CropIndex) -> dict[str, Any]:
    return {
        **asdict(report),
        "crops": len(index),
        "sequences": list(index.names),
        "minutes_asked": settings.minutes,
        "learning_rate": settings.learning_rate,
        "seed": settings.seed,
    }
