"""What a person said about who is one: tracklets that are known to show the same person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from tracker.core.detections import IntArray
from tracker.files.motchallenge import TrackTable
from tracker.footage.crops import NOBODY, match_identities

if TYPE_CHECKING:
    from embedding.data.crop_pack import CropIndex

LEAST = 0.5  # share of a tracklet's crops that must be of one identity


def joined_tracklets(index: CropIndex, judged: Mapping[str, TrackTable]) -> IntArray:
    """Tracklet [N] of each crop, one number for all tracklets of a person who was judged to be one.

    Args:
        index: of the crops.
        judged: by a sequence's name, the tracks of those identities.
    """
    joined = index.tracklet.astype(np.int64)
    largest = int(joined.max(initial=0))
    for number, name in enumerate(index.names):
        if name not in judged:
            continue
        rows = np.flatnonzero(index.sequence == number)
        rows = rows[np.argsort(index.frame[rows], kind="stable")]
        who = match_identities(index.frame[rows].astype(np.int64), index.box[rows].astype(np.float64), judged[name])
        for tracklet in np.unique(index.tracklet[rows[who != NOBODY]]).tolist():
            own = rows[index.tracklet[rows] == tracklet]
            names, counts = np.unique(who[index.tracklet[rows] == tracklet], return_counts=True)
            if names[counts.argmax()] != NOBODY and counts.max() > LEAST * len(own):
                joined[own] = largest + 1 + int(names[counts.argmax()])
        largest = int(joined.max(initial=largest))
    return joined
