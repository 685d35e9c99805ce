"""Descriptors over several sequences: each counts alike, and what was learnt from is marked."""

from __future__ import annotations

import numpy as np

from embedding.retrieval import Labels
from tools.paper.descriptors import across


def labels() -> Labels:
    """A long sequence and a short one, four people in each, seen every 40 frames."""
    sequences = np.repeat([0, 1], [4 * 12, 4 * 3])
    identities = np.concatenate((np.tile(np.arange(4), 12), np.tile(np.arange(4), 3)))
    frames = np.concatenate((np.repeat(np.arange(12), 4), np.repeat(np.arange(3), 4))) * 40 + 1
    return Labels(identities, sequences, frames, identities + 10 * sequences)


def test_sequences_count_alike() -> None:
    random = np.random.default_rng(0)
    who = labels()
    features = np.eye(4)[who.identities] + 0.01 * random.normal(size=(len(who), 4))
    short = who.sequences == 1
    features[short] = random.normal(size=(short.sum(), 4))  # says nothing there
    found = across.figures({"d": features, "e": features}, who, ["long", "short"], {"d": {"long", "other"}})
    (row, *others), chosen = found[:3], found[-3]
    maps = [row["sequences"][name]["mean_average_precision"] for name in ("long", "short")]
    assert maps[0] > 0.99 > maps[1]
    assert row["mean"]["mean_average_precision"] == np.mean(maps)
    assert row["interval"][0] <= np.mean(maps) <= row["interval"][1]
    assert row["seen"] == ["long"]
    assert [one["form"] for one in (row, *others)] == ["as it comes", "own mean", "own whitening"]
    assert across.rows([chosen])[0][4] == "-"
    assert len(across.figures({"d": features, "e": features}, who, ["long", "short"], {}, ["e"])) == 6  # one alone
    assert chosen["chosen"] == {"long": "e", "short": "d"}
    assert chosen["mean"]["rank1"] == row["mean"]["rank1"]  # they are alike
    cells = across.sequence_rows([row], ["long", "short"])[0]
    assert cells[2].endswith("*") and not cells[3].endswith("*")
