"""Fit a closed-form descriptor to the people of one camera in a second: its features are whitened anew.

The covariance within the footage's own tracklets says which directions of the features tell its people apart. Whitened
by it, no sequence of six was worse than before (docs/descriptors.md).
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedding.data.crop_pack import read_index
from embedding.data.dataset import spread
from embedding.descriptors.closed_form import ClosedForm
from embedding.descriptors.whitening import fit_whitening
from embedding.errors import InputError
from embedding.training.held_back import (
    CROPS_A_TRACKLET,
    AdaptationReport,
    HeldBackPairs,
    evenly,
    held_back,
    reason,
)

SHRINKAGE = 0.3  # .03 to .5 measured: flat, and .3 alone loses nowhere
SAMPLE = 10_000  # crops that the whitening is fitted to
MIN_LENGTH = 4  # crops of a tracklet that counts as learnt from


def adapt_closed_form(
    base: str | Path,
    pack: str | Path,
    out: str | Path,
    held_out: float = 0.25,
    seed: int = 0,
    writes_unchanged: bool = True,
    people: NDArray[np.int64] | None = None,
) -> AdaptationReport:
    """Write OUT.npz: the base, whitened by a pack of crops where that tells people apart better.

    Args:
        base: FILE.npz.
        pack: FILE.npy of `tools.crops`, with its index.
        out: the file to write; it holds the base where nothing was better, and `writes_unchanged`.
        held_out: share of the tracklets that it is judged by.
        seed: of the choice of them.
        people: [N] label of each crop, of tracklets that are known to show one person the same; None: the tracklets.

    Raises:
        InputError: a file is missing or broken.
    """
    descriptor, index = ClosedForm.load(base), read_index(pack)
    features = descriptor.describe_crops(np.load(pack, mmap_mode="r"))
    labels = index.tracklet if people is None else people
    held = held_back(replace(index, tracklet=labels), held_out, seed)  # nobody is on both sides
    lengths = np.unique(labels, return_counts=True)[1]
    counts = {
        "tracklets": int((lengths >= MIN_LENGTH).sum()),
        "held_out": len(np.unique(labels[held])),
    }
    map, record = descriptor.map, descriptor.record
    try:
        rows = evenly(index.tracklet, CROPS_A_TRACKLET)
        pairs = HeldBackPairs(index.select(rows), held[rows])
        chosen = spread(len(features), SAMPLE)
        learnt = chosen[~held[chosen]]
        tried = fit_whitening(features[learnt], labels[learnt], SHRINKAGE)
        separation = {
            "shipped": pairs.separation(features[rows]),
            "whitened": pairs.separation(tried(features[rows])),
        }
        better = max(separation, key=lambda name: separation[name].true_accepts + separation[name].auc)
        if better == "whitened":
            map = map.whitened(fit_whitening(features[chosen], labels[chosen], SHRINKAGE))
        report = AdaptationReport(better, reason(better, separation), separation, **counts)
    except InputError as error:  # too few people, or crops that never change
        report = AdaptationReport("shipped", f"nothing to learn from: {error}", {}, **counts)
    if report.chosen == "shipped" and not writes_unchanged:
        return report
    about = {**asdict(report), "crops": len(index), "sequences": list(index.names), "seed": seed}
    ClosedForm(descriptor.words, map, Path(out).stem, {**record, "adaptation": about}).save(out)
    return report
