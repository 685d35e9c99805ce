"""The pictures of the concepts say what the project computes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

pytest.importorskip("matplotlib", reason="needs matplotlib")

from tools.paper.bench import Sizes
from tools.site.concepts import flat, frame, gate, passes
from tools.site.concepts.style import SCHEMES, draw_for_both
from tracker.core.config import load_config
from tracker.demo.render import render_demo
from tracker.files.tables import TrackTable


def is_drawn(paths: list[Path]) -> None:
    assert [path.stem.rpartition("-")[2] for path in paths] == [scheme.name for scheme in SCHEMES]
    for path in paths:
        assert ElementTree.parse(path).getroot().tag.endswith("svg")


def table(rows: list[tuple[int, int, float]]) -> TrackTable:
    frames, ids, left = (np.array(column) for column in zip(*rows, strict=True))
    boxes = np.stack((left, 0 * left, left + 10, 0 * left + 20), axis=1).astype(float)
    return TrackTable(frames, ids, boxes, np.ones(len(rows)))


def test_the_frame_names_every_round_of_the_preset(tmp_path: Path) -> None:
    assert len(frame.rounds()) == len(set(frame.rounds())) == len(load_config("flatsort").stages)
    is_drawn(draw_for_both(frame.draw, tmp_path, "frame"))


def test_identities_over_time() -> None:
    truth = table([(1, 4, 0), (2, 4, 0), (3, 4, 0), (4, 4, 0), (1, 7, 50), (2, 7, 50)])
    result = table([(1, 1, 0), (2, 2, 1), (4, 1, 0), (1, 3, 52), (2, 3, 90)])
    had = passes.identities_of(truth, result)
    lost, away = passes.MISSED, passes.NOT_THERE
    assert had.tolist() == [[1, 2, lost, 1], [3, lost, away, away]]
    found = passes.Pass("a pass", had)
    assert found.switches == 2
    assert passes.owners_of(had) == {1: 0, 3: 1}


@pytest.mark.slow
def test_gate_and_passes_on_a_short_scene(tmp_path: Path) -> None:
    sequence = render_demo(tmp_path, 45)
    calibrated = {found.name: found for found in gate.measure(sequence)}
    assert np.isnan(calibrated["random"].gates[:, 1]).all()  # what says nothing has no gate
    assert 0 < calibrated["default"].gates[-1, 1] < 0.8
    assert len(gate.draw(list(calibrated.values()), SCHEMES[0]).axes) == 2 * len(gate.NAMES)
    measured = passes.measure(tmp_path, sequence, "none")
    assert [(found.identities >= 0).any() for found in measured] == [True, True]
    assert len(passes.draw(measured, SCHEMES[1]).axes) == 2


class Flat:
    """A model whose decoder stretches each direction alike, as `Bench` would hand it out."""

    sizes, angles = Sizes(latents=72), np.arange(0, 360, 5.0)

    def __init__(self, *_: object, **__: object) -> None:
        self._basis = torch.linalg.qr(torch.randn(256, 2, generator=torch.Generator().manual_seed(0)))[0].T

    def data(self, name: str) -> Flat:
        return self

    def __len__(self) -> int:
        return len(self.angles)

    def batch(self, index: torch.Tensor) -> torch.Tensor:
        turned = torch.from_numpy(np.radians(self.angles)).float()[index]
        return torch.stack((turned.cos(), turned.sin()), dim=1)

    def model(self, name: str, variant: str) -> Flat:
        return self

    def encode(self, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return latents, torch.zeros_like(latents)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return latents @ self._basis


def test_steps_of_a_flat_model_are_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flat, "Bench", Flat)
    lines = flat.measure(tmp_path, quick=True)
    for line in lines:
        np.testing.assert_allclose(line.lengths, 1, rtol=1e-4)
        np.testing.assert_allclose(line.magnification, 0, atol=1e-3)
        assert line.pictures.shape == (flat.SHOWN, 16, 16)
    is_drawn(draw_for_both(partial(flat.draw, lines), tmp_path, "flat"))
