"""A choice that does not flatter itself: what is best on the other sequences, and what it is worth on this one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from embedding.descriptors.spec import model_path, parse

Scores = Mapping[str, Mapping[str, float]]  # candidate -> sequence -> figure, the larger the better


def learnt_from(spec: str) -> set[str]:
    """Names of the sequences that a descriptor, or a part of it, was trained on, as its record says.

    Args:
        spec: as `Descriptor.load` takes it.
    """
    paths = [model_path(part.name) for part in parse(spec)]
    if not any(paths):
        return set()
    from embedding.vae.weights import read_record, weights_path  # torch comes with it

    return {name for path in paths if path for name in read_record(weights_path(path))["data"].get("crops", {})}


def chosen_elsewhere(scores: Scores, seen: Mapping[str, set[str]]) -> dict[str, str]:
    """Sequence -> the candidate with the best mean over the other sequences; none where there is no other sequence.

    Args:
        scores: of every candidate on every sequence.
        seen: candidate -> sequences that it has learnt from, on which it is not to be chosen.

    Example:
        >>> scores = {"a": {"x": 9.0, "y": 1, "z": 1}, "b": {"x": 2.0, "y": 2, "z": 2}}
        >>> chosen_elsewhere(scores, {})
        {'x': 'b', 'y': 'a', 'z': 'a'}
        >>> chosen_elsewhere(scores, {"a": {"z"}})["z"]
        'b'
    """
    sequences = list(dict.fromkeys(sequence for figures in scores.values() for sequence in figures))
    chosen = {}
    for sequence in sequences if len(sequences) > 1 else ():
        worth = {
            candidate: float(np.mean([figure for other, figure in figures.items() if other != sequence]))
            for candidate, figures in scores.items()
            if sequence not in seen.get(candidate, ())
        }
        if worth:
            chosen[sequence] = max(worth, key=lambda candidate: worth[candidate])
    return chosen
