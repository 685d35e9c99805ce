"""Choices are made on other sequences than those they are reported on."""

from __future__ import annotations

import pytest

from tools.paper.nested import chosen_elsewhere, learnt_from
from tools.paper.table2.report import over_lines


def test_what_is_best_here_alone_is_not_chosen_here() -> None:
    scores = {"lucky": {"x": 100.0, "y": 0.0, "z": 0.0}, "steady": {"x": 50.0, "y": 50.0, "z": 50.0}}
    assert chosen_elsewhere(scores, {}) == {"x": "steady", "y": "lucky", "z": "lucky"}
    assert chosen_elsewhere(scores, {"lucky": {"y", "z"}}) == dict.fromkeys("xyz", "steady")


@pytest.mark.parametrize(
    ("scores", "seen"),
    [
        ({"a": {"x": 1.0}}, {}),  # there is no other sequence
        ({"a": {"x": 1.0, "y": 1.0}}, {"a": {"x", "y"}}),  # it has learnt from all
        ({}, {}),
    ],
)
def test_where_there_is_nothing_to_choose(scores: dict[str, dict[str, float]], seen: dict[str, set[str]]) -> None:
    assert chosen_elsewhere(scores, seen) == {}


@pytest.mark.parametrize(
    ("spec", "sequence", "expected"),
    [
        ("default", "MOT16-09", False),  # no footage had a part in it
        ("colour", "MOT16-09", False),
        ("mot16-lite-heldout", "MOT16-09", True),
        ("mot16-lite-heldout", "MOT16-11", False),
        ("mot16", "MOT16-09", True),
        ("mot16", "MOT16-11", False),
        ("default+0.7*mot16-lite-heldout", "MOT16-09", True),  # a part of it has
    ],
)
def test_what_a_descriptor_has_learnt_from(spec: str, sequence: str, expected: bool) -> None:
    assert (sequence in learnt_from(spec)) == expected


def test_means_over_sequences_and_of_what_was_chosen() -> None:
    def row(descriptor: str, hota: list[float]) -> dict[str, object]:
        scores = {name: {"HOTA": one, "IDF1": one + 10, "MOTA": 0.0} for name, one in zip("xyz", hota, strict=True)}
        return {"tracker": "flatsort", "descriptor": descriptor, "scores": {**scores, "OVERALL": {}}}

    lines = over_lines([row("a", [90, 10, 20]), row("b", [40, 40, 40])], {"a": ["z"]})
    assert [line[1] for line in lines] == ["a*", "b", "chosen on the others: x b, y a, z b"]
    assert lines[0][2:4] == ["40.0 ± 35.6", "50.0 ± 35.6"]
    assert lines[2][2].startswith("30.0")
