"""The contrastive term against loops, and what it must not depend on."""

import numpy as np
import pytest
import torch
from torch import Tensor

from embedding.training.contrast import Pairs, contrastive_loss


def example(count: int = 12, seed: int = 0) -> tuple[Tensor, Pairs]:
    """Crops of four tracklets; of the pairs of two tracklets about half are known to differ."""
    generator = torch.Generator().manual_seed(seed)
    means = torch.randn(count, 5, generator=generator, dtype=torch.float64)
    label = torch.arange(count) % 4
    same = (label[:, None] == label) & ~torch.eye(count, dtype=torch.bool)
    coin = torch.rand(count, count, generator=generator) < 0.5
    return means, Pairs(same, (coin | coin.T) & (label[:, None] != label))


def by_loops(means: np.ndarray, pairs: Pairs, temperature: float) -> float:
    """Khosla et al. (2020), Eq. 2, literally."""
    centred = means - means.mean(0)
    losses = []
    for i in range(len(means)):
        cosine = [
            np.dot(centred[i], centred[j]) / np.linalg.norm(centred[i]) / np.linalg.norm(centred[j])
            for j in range(len(means))
        ]
        others = [j for j in range(len(means)) if pairs.same[i, j] or pairs.different[i, j]]
        total = sum(np.exp(cosine[j] / temperature) for j in others)
        positives = [j for j in others if pairs.same[i, j]]
        if positives:
            losses.append(-np.mean([np.log(np.exp(cosine[j] / temperature) / total) for j in positives]))
    return float(np.mean(losses)) if losses else 0.0


@pytest.mark.parametrize("temperature", [0.1, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_papers_sum_over_known_pairs(temperature: float, seed: int) -> None:
    means, pairs = example(seed=seed)
    assert float(contrastive_loss(means, pairs, temperature)) == pytest.approx(
        by_loops(means.numpy(), pairs, temperature)
    )


def test_crops_without_a_positive_are_passed_over() -> None:
    means, pairs = example()
    alone = pairs.same.clone()
    alone[0] = alone[:, 0] = False
    pairs = Pairs(alone, pairs.different)
    assert float(contrastive_loss(means, pairs, 0.2)) == pytest.approx(by_loops(means.numpy(), pairs, 0.2))
    nothing = Pairs(torch.zeros_like(alone), pairs.different)
    assert float(contrastive_loss(means, nothing, 0.2)) == 0.0


def test_what_is_not_known_does_not_count() -> None:
    """The gradient of a loss with one anchor is zero at a crop that the anchor's pairs leave open."""
    means, pairs = example()
    same, different = (torch.zeros_like(pairs.same) for _ in range(2))
    same[0, 4] = different[0, 1] = True
    directions = means.clone().requires_grad_()
    contrastive_loss(directions, Pairs(same, different), 0.5).backward()
    moved = directions.grad
    assert moved is not None
    shared = moved[2]  # what centring passes on to every crop alike
    for open_crop in (3, 5, 7):
        torch.testing.assert_close(moved[open_crop], shared)
    assert not torch.allclose(moved[4], shared)
    assert not torch.allclose(moved[1], shared)


@pytest.mark.parametrize("change", ["shift", "scale", "permutation"])
def test_what_it_does_not_depend_on(change: str) -> None:
    means, pairs = example()
    before = contrastive_loss(means, pairs, 0.3)
    if change == "permutation":
        order = torch.randperm(len(means))
        means, pairs = means[order], Pairs(*(part[order][:, order] for part in pairs))
    else:
        means = means + 7 if change == "shift" else means * 3
    torch.testing.assert_close(contrastive_loss(means, pairs, 0.3), before)


def test_gradient() -> None:
    means, pairs = example()
    assert torch.autograd.gradcheck(lambda m: contrastive_loss(m, pairs, 0.4), means.requires_grad_())
