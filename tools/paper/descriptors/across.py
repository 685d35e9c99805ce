"""Descriptors over several sequences: who has seen which, the mean, its spread, and how sure it is.

A mean over pooled crops is a mean over the largest sequences; here each counts alike. What a descriptor has learnt from
is marked. Each is compared as it comes; by the footage's own mean; and whitened by the footage's own tracklets, which a
second of `--adapt` does: tracklets know no identities.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedding.descriptors.whitening import fit_whitening
from embedding.errors import InputError
from embedding.retrieval import NO_TRACKLET, Labels, average_precisions, measure_retrieval
from embedding.training.own_whitening import SHRINKAGE
from tools.paper.nested import chosen_elsewhere

FORMS = ("as it comes", "own mean", "own whitening")
CHOSEN = "chosen on the others"
RESAMPLED = 1000  # bootstrap samples of people
INTERVAL = (2.5, 97.5)  # percent
HEADER = ["descriptor", "form", "rank-1", "mAP", "95 %", "spread", "AUC", "mAP off"]


def figures(
    features: Mapping[str, NDArray[np.floating]],
    labels: Labels,
    names: Sequence[str],
    seen: Mapping[str, set[str]],
    foreign: Collection[str] = (),
) -> list[dict[str, Any]]:
    """A row a descriptor and form.

    Args:
        features: label -> [N, D], in the form that the descriptor is used in.
        labels: of the N crops.
        names: of the sequences.
        seen: label -> names of sequences that it has learnt from.
        foreign: labels of networks of others, between which nothing is chosen.
    """
    found: list[dict[str, Any]] = []
    for label, vectors in features.items():
        for form, rows in _forms(vectors, labels, len(names)).items():
            parts = [_of_sequence(rows, labels, number) for number in range(len(names))]
            low, high = _interval([part.pop("of_person") for part in parts])
            found.append(
                {
                    "descriptor": label,
                    "form": form,
                    "seen": sorted(seen.get(label, set()) & set(names)),
                    "sequences": dict(zip(names, parts, strict=True)),
                    "mean": {key: float(np.mean([part[key] for part in parts])) for key in parts[0]},
                    "spread": float(np.std([part["mean_average_precision"] for part in parts])),
                    "interval": [low, high],
                }
            )
    ours = [row for row in found if row["descriptor"] not in foreign]
    if len(names) > 1 and len(ours) > len(FORMS):
        found += [_chosen([row for row in ours if row["form"] == form], names) for form in FORMS]
    return found


def _chosen(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """The row of what is chosen, in each sequence, by its worth on the others."""
    candidates = {row["descriptor"]: row for row in rows}
    key = "mean_average_precision"
    worth = {label: {name: row["sequences"][name][key] for name in names} for label, row in candidates.items()}
    chosen = chosen_elsewhere(worth, {label: set(row["seen"]) for label, row in candidates.items()})
    parts = {name: candidates[chosen[name]]["sequences"][name] for name in names if name in chosen}
    return {
        "descriptor": CHOSEN,
        "form": rows[0]["form"],
        "seen": [],
        "chosen": chosen,
        "sequences": parts,
        "mean": {one: float(np.mean([part[one] for part in parts.values()])) for one in next(iter(parts.values()))},
        "spread": float(np.std([part[key] for part in parts.values()])),
        "interval": None,
    }


def _forms(vectors: NDArray[np.floating], labels: Labels, count: int) -> dict[str, NDArray[np.floating]]:
    """The features as they come, and by what their sequence teaches."""
    centred, whitened = np.array(vectors, np.float64), np.array(vectors, np.float64)
    for number in range(count):
        here = labels.sequences == number
        centred[here] -= centred[here].mean(axis=0)
        known = here & (labels.tracklets != NO_TRACKLET)
        try:
            whitened[here] = fit_whitening(vectors[known], labels.tracklets[known], SHRINKAGE)(vectors[here])
        except InputError:  # nobody was followed
            whitened[here] = centred[here]
    return dict(zip(FORMS, (vectors, centred, whitened), strict=True))


def _of_sequence(rows: NDArray[np.floating], labels: Labels, number: int) -> dict[str, Any]:
    here = np.flatnonzero(labels.sequences == number)
    mine = Labels(*(column[here] for column in (labels.identities, labels.sequences, labels.frames, labels.tracklets)))
    plain, off = (measure_retrieval(rows[here], mine, off_tracklet=off) for off in (False, True))
    queries, precision = average_precisions(rows[here], mine)
    people = mine.identities[queries]
    of_person = [precision[people == one] for one in np.unique(people)]
    return {
        "rank1": plain.rank1,
        "mean_average_precision": plain.mean_average_precision,
        "auc": plain.auc,
        "off_tracklet": off.mean_average_precision,
        "of_person": of_person,
    }


def _interval(sequences: Sequence[Sequence[NDArray[np.float64]]]) -> tuple[float, float]:
    """Bootstrap over people: of each sequence as many are drawn as there are; the mean of the sequences' means."""
    random = np.random.default_rng(0)
    means = np.zeros(RESAMPLED)
    for people in sequences:
        sums, counts = (np.array([getter(one) for one in people]) for getter in (np.sum, len))
        drawn = random.integers(0, len(people), (RESAMPLED, len(people)))
        means += sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1) / len(sequences)
    low, high = np.percentile(means, INTERVAL)
    return float(low), float(high)


def rows(found: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """For a table of means."""
    return [
        [
            row["descriptor"],
            row["form"],
            f"{row['mean']['rank1']:.3f}",
            f"{row['mean']['mean_average_precision']:.3f}",
            "{:.3f} to {:.3f}".format(*row["interval"]) if row["interval"] else "-",
            f"{row['spread']:.3f}",
            f"{row['mean']['auc']:.3f}",
            f"{row['mean']['off_tracklet']:.3f}",
        ]
        for row in found
    ]


def sequence_rows(found: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[list[str]]:
    """mAP of each sequence; * where the descriptor has learnt from it."""
    return [
        [row["descriptor"], row["form"]]
        + [
            f"{row['sequences'][name]['mean_average_precision']:.3f}{'*' if name in row['seen'] else ''}"
            + (f" {row['chosen'][name]}" if "chosen" in row else "")
            for name in names
        ]
        for row in found
    ]
