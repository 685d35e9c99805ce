"""The closed form, fitted to footage: better by tracklets held back, or as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from embedding.data.crop_pack import CropWriter
from embedding.descriptors.closed_form import ClosedForm
from embedding.descriptors.spec import SHIPPED
from embedding.training.own_whitening import adapt_closed_form
from tools.statistics.people import render

BASE = SHIPPED / "statistics.npz"


def pack(path: Path, people: int, views: int) -> Path:
    """Rendered people, all seen in every frame."""
    crops, _ = render(people, views, seed=3)
    crops = crops.reshape(people, views, 64, 64, 3)
    with CropWriter(path) as writer:
        for frame in range(views):
            boxes = np.tile([0, 0, 30, 80], (people, 1))
            writer.append("clip", frame + 1, crops[:, frame], boxes, np.ones(people), np.arange(people))
    return path


def test_what_is_written_is_no_worse_on_tracklets_held_back(tmp_path: Path) -> None:
    report = adapt_closed_form(BASE, pack(tmp_path / "crops.npy", 36, 26), tmp_path / "own.npz")
    before, chosen = report.separation["shipped"], report.separation[report.chosen]
    assert chosen.auc + chosen.true_accepts >= before.auc + before.true_accepts
    written = ClosedForm.load(tmp_path / "own.npz")
    assert written.record["adaptation"]["chosen"] == report.chosen
    same = np.array_equal(written.map.joint.matrix, ClosedForm.load(BASE).map.joint.matrix)
    assert same == (report.chosen == "shipped")


def test_too_few_people_leave_it_as_it_was(tmp_path: Path) -> None:
    report = adapt_closed_form(BASE, pack(tmp_path / "crops.npy", 2, 3), tmp_path / "own.npz")
    assert report.chosen == "shipped" and report.reason.startswith("nothing to learn from")
    base, written = ClosedForm.load(BASE), ClosedForm.load(tmp_path / "own.npz")
    np.testing.assert_array_equal(written.map.joint.matrix, base.map.joint.matrix)
