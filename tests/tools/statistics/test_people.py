"""Rendered people: the same seed the same bytes, and one person looks more like himself than like others."""

from __future__ import annotations

import numpy as np

from embedding.descriptors.statistics import StripeGaussians, prepared
from tools.statistics.fit import fit
from tools.statistics.people import render


def test_the_same_seed_gives_the_same_crops() -> None:
    crops, who = render(3, 2, seed=5)
    again, _ = render(4, 2, seed=5)
    assert crops.shape == (6, 64, 64, 3) and who.tolist() == [0, 0, 1, 1, 2, 2]
    np.testing.assert_array_equal(again[:6], crops)  # more people change nobody
    assert (render(3, 2, seed=6)[0] != crops).any()


def test_views_of_a_person_are_alike_and_differ() -> None:
    crops, who = render(20, 4, seed=0)
    rows = StripeGaussians()(prepared(crops))
    rows -= rows.mean(axis=0)
    distance = np.linalg.norm(rows[:, None] - rows, axis=2)
    same = who[:, None] == who
    others = ~np.eye(len(who), dtype=bool)
    assert distance[same & others].min() > 0
    assert distance[same & others].mean() < 0.8 * distance[~same].mean()


def test_a_descriptor_can_be_fitted_to_them() -> None:
    descriptor = fit(people=60, views=4, seed=1)
    crops, who = render(30, 2, seed=99)
    rows = descriptor.describe_crops(crops)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -2)
    assert (who[cosines.argmax(axis=1)] == who).mean() > 0.3  # of 30 people, by chance 0.02
