"""Identities as files have them: 1, 2, 3, ... in the order in which they are first reported, without holes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from tracker.run.account import Tracked

LOOK = 1000  # frames after which it is looked for identities that are over


def in_order(tracked: Iterable[Tracked], patience: int | None) -> Iterator[Tracked]:
    """The same frames with other identities: a tracker also counts those that it never reported.

    Args:
        patience: frames after which an identity that was not seen never comes again, so that memory stays flat; None
            where it always may.
    """
    called: dict[int, int] = {}
    last: dict[int, int] = {}
    count = looked_at = 0
    for frame_index, image, detections, tracks in tracked:
        ids = tracks.ids.tolist()
        for one in ids:
            if one not in called:
                count += 1
                called[one] = count
            last[one] = frame_index
        if patience is not None and frame_index - looked_at > LOOK:
            looked_at = frame_index
            over = [one for one, frame in last.items() if frame_index - frame > patience]
            for one in over:
                del called[one], last[one]
        renamed = np.array([called[one] for one in ids], np.int64)
        yield frame_index, image, detections, replace(tracks, ids=renamed)
