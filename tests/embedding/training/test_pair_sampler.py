"""Which crops meet in a batch, and what is said of their pairs, against loops over the index."""

import numpy as np
import pytest

from embedding.data.crop_pack import CropIndex
from embedding.errors import InputError
from embedding.training.pair_sampler import PairSampler


def index_of(rows: list[tuple[int, int, int]]) -> CropIndex:
    """From (sequence, frame, tracklet)."""
    sequence, frame, tracklet = np.array(rows, np.int64).reshape(-1, 3).T
    count = len(rows)
    return CropIndex(
        ("a", "b"),
        sequence.astype(np.int32),
        frame.astype(np.int32),
        np.zeros((count, 4), np.float32),
        np.ones(count, np.float32),
        tracklet,
    )


def crowd() -> CropIndex:
    """Sequence a: tracklet 10 in frames 1-8, 11 in 5-12, 12 in 20-27, 13 in 22-24 (short); b: 20 and 21 in 1-6."""
    spans = {10: (0, 1, 8), 11: (0, 5, 12), 12: (0, 20, 27), 13: (0, 22, 24), 20: (1, 1, 6), 21: (1, 1, 6)}
    return index_of([(s, f, t) for t, (s, first, last) in spans.items() for f in range(first, last + 1)])


@pytest.mark.parametrize("seed", range(4))
def test_batches_against_loops(seed: int) -> None:
    index = crowd()
    sampler = PairSampler(index, batch=16, frames=2, min_length=4)
    rows, pairs = sampler.draw(np.random.default_rng(seed))
    assert rows.shape == (16,)
    labels = index.tracklet[rows]
    assert set(labels) <= {10, 11, 20, 21}  # 13 is short, 12 is with nobody long enough
    np.testing.assert_array_equal(labels[:8], labels[8:])
    assert (rows[:8] != rows[8:]).all()  # never a crop with itself
    moments = list(zip(index.sequence.tolist(), index.frame.tolist(), strict=True))
    frames_of = {t: {moments[row] for row in np.flatnonzero(index.tracklet == t)} for t in labels}
    for i in range(16):
        for j in range(16):
            same = labels[i] == labels[j] and i != j
            sequences = index.sequence[rows[[i, j]]]
            different = labels[i] != labels[j] and (
                sequences[0] != sequences[1] or bool(frames_of[labels[i]] & frames_of[labels[j]])
            )
            assert bool(pairs.same[i, j]) == same
            assert bool(pairs.different[i, j]) == different


def test_the_same_generator_draws_the_same() -> None:
    sampler = PairSampler(crowd(), 16, 2, 4)
    one, other = (sampler.draw(np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one[0], other[0])


@pytest.mark.parametrize(
    "rows",
    [
        [],  # no crop at all
        [(0, f, 1) for f in range(9)],  # one person
        [(0, f, f // 3) for f in range(30)],  # never two at once
        [(0, f, t) for t in (1, 2) for f in range(3)],  # two, for too short
    ],
)
def test_where_nothing_can_be_learnt_it_says_so(rows: list[tuple[int, int, int]]) -> None:
    with pytest.raises(InputError, match=r"^tracklets: no frame shows two people"):
        PairSampler(index_of(rows), 16, 2, 4)
