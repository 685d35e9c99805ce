"""The descriptor without a network: its map, its file, its place among descriptors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from embedding import Descriptor
from embedding.descriptors.closed_form import DIMENSION, ONE_THREAD, Affine, ClosedForm, fit_map
from embedding.descriptors.statistics import ColourWords, StripeGaussians, lab
from embedding.descriptors.whitening import fit_whitening
from embedding.errors import InputError

RANDOM = np.random.default_rng(0)
PEOPLE, VIEWS = 60, 8


def statistics(people: int = PEOPLE, noise: float = 1.0) -> tuple[list[np.ndarray], np.ndarray]:
    """Two made-up statistics of people, drowned in a noise that lies in a few directions."""
    who = np.repeat(np.arange(people), VIEWS)
    found = []
    for size in (300, 200):
        looks = RANDOM.normal(size=(people, size))
        loud = RANDOM.normal(size=(5, size))
        found.append(looks[who] + noise * RANDOM.normal(size=(len(who), 5)) @ loud)
    return found, who


def agreement(features: np.ndarray, who: np.ndarray) -> float:
    """Share of the rows whose nearest other one is of the same person."""
    rows = features - features.mean(axis=0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -2)
    return float((who[cosines.argmax(axis=1)] == who).mean())


def test_the_map_finds_what_tells_people_apart() -> None:
    found, who = statistics(noise=6.0)
    known = who < PEOPLE // 2
    mapped = fit_map([part[known] for part in found], who[known])([part[~known] for part in found])
    plain = np.concatenate([part[~known] for part in found], axis=1)
    assert mapped.shape == (PEOPLE * VIEWS // 2, DIMENSION)
    assert agreement(mapped, who[~known]) > agreement(plain, who[~known]) + 0.2


@pytest.mark.parametrize("count", [0, 1, ONE_THREAD // (40 * 16), 1000])  # none, one, as many as go at once, more
def test_products_in_parts_are_the_product(count: int) -> None:
    random = np.random.default_rng(count)
    affine = Affine(*(random.normal(size=size).astype(np.float32) for size in ((40, 16), (16,))))
    rows = random.normal(size=(count, 40))
    assert affine(rows).dtype == np.float32
    np.testing.assert_allclose(affine(rows), rows @ affine.matrix + affine.offset, rtol=1e-4, atol=1e-4)


def test_a_whitening_behind_the_map_is_part_of_it() -> None:
    found, who = statistics()
    first = fit_map(found, who)
    whitening = fit_whitening(first(found), who, 0.3)
    np.testing.assert_allclose(first.whitened(whitening)(found), whitening(first(found)), rtol=1e-4, atol=1e-3)


def test_crops_of_nobody_twice_teach_nothing() -> None:
    found, who = statistics()
    with pytest.raises(InputError, match="has two crops"):
        fit_map(found, np.arange(len(who)))


@pytest.fixture(scope="module")
def descriptor() -> ClosedForm:
    words = lab(RANDOM.random((64, 3)).astype(np.float32)) * np.array([0.6, 1, 1], np.float32)
    crops = RANDOM.integers(0, 256, (PEOPLE * VIEWS, 64, 64, 3), dtype=np.uint8)
    parts = [ColourWords.size(64), StripeGaussians.size()]
    rows = [RANDOM.normal(size=(len(crops), size)) for size in parts]
    return ClosedForm(words, fit_map(rows, np.repeat(np.arange(PEOPLE), VIEWS)), "test", {"terms": "none"})


def test_a_file_gives_back_the_same_features(descriptor: ClosedForm, tmp_path: Path) -> None:
    crops = RANDOM.integers(0, 256, (70, 64, 64, 3), dtype=np.uint8)
    descriptor.save(tmp_path / "own.npz")
    loaded = ClosedForm.load(tmp_path / "own.npz")
    assert loaded.record == {"terms": "none"}
    np.testing.assert_array_equal(loaded.describe_crops(crops), descriptor.describe_crops(crops))
    np.testing.assert_allclose(loaded.describe_crops(crops[3:4]), descriptor.describe_crops(crops)[3:4], atol=1e-4)
    assert loaded.describe_crops(crops[:0]).shape == (0, DIMENSION)
    assert loaded.name.startswith("own-") and descriptor.name.startswith("test-")
    assert Descriptor.load(str(tmp_path / "own.npz")).dimension == DIMENSION


def test_what_is_no_descriptor_is_one_line(descriptor: ClosedForm, tmp_path: Path) -> None:
    good = tmp_path / "good.npz"
    descriptor.save(good)
    with np.load(good) as file:
        columns = {name: file[name] for name in file.files}
    for name, change in {
        "text.npz": b"no",
        "cut.npz": good.read_bytes()[:-200],
        "other.npz": {"a": np.zeros(3)},
        "short.npz": columns | {"words_offset": columns["words_offset"][:-1]},
        "nan.npz": columns | {"joint_offset": columns["joint_offset"] * np.nan},
        "narrow.npz": columns
        | {"joint_matrix": columns["joint_matrix"][:, :9], "joint_offset": columns["joint_offset"][:9]},
        "record.npz": columns | {"record": np.array(json.dumps([1]))},
    }.items():
        if isinstance(change, bytes):
            (tmp_path / name).write_bytes(change)
        else:
            np.savez(tmp_path / name, **change)
        with pytest.raises(InputError, match=rf"{name}: .*expected a closed-form descriptor") as caught:
            ClosedForm.load(tmp_path / name)
        assert "\n" not in str(caught.value)
