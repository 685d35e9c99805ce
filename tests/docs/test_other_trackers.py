"""Every snippet of docs/other-trackers.md is run, section by section, as a reader would run it."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml

from embedding import Descriptor
from embedding.adapters import unit_features
from tracker.demo.render import FRAME_RATE, PEOPLE, render_demo
from tracker.demo.scene import HEIGHT, WIDTH
from tracker.files.motchallenge import read_detections, read_tracks
from tracker.input.frames import open_frames
from tracker.output.video import VideoWriter

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = CHECKOUT / "docs/other-trackers.md"
LENGTH = 20  # frames
PACKAGES = {  # module that a snippet imports, and how to get it
    "deep_sort_realtime": "deep-sort-realtime",
    "norfair": "norfair (pip install --no-deps norfair)",
    "supervision": "supervision",
    "trackers": "trackers",
}


@dataclass(frozen=True)
class Section:
    """A heading of the page and its snippets, (language, text) in their order."""

    title: str
    snippets: list[tuple[str, str]]

    def imports(self) -> set[str]:
        """Top-level modules of its Python."""
        trees = [ast.parse(text) for language, text in self.snippets if language == "python"]
        nodes = [node for tree in trees for node in ast.walk(tree)]
        names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
        return {name.partition(".")[0] for name in names}


def sections() -> list[Section]:
    """Those of the page that have snippets."""
    parts = re.split(r"^## (.+)$", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]
    found = [
        Section(title, re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL))
        for title, text in zip(parts[::2], parts[1::2], strict=True)
    ]
    return [section for section in found if section.snippets]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the page says is there: clip.mp4, det.txt, and somebody's network."""
    folder = tmp_path_factory.mktemp("inputs")
    sequence = render_demo(folder, LENGTH)
    (sequence / "det/det.txt").rename(folder / "det.txt")
    with VideoWriter(folder / "clip.mp4", FRAME_RATE, (WIDTH, HEIGHT)) as video:
        for _, image in open_frames(sequence / "img1"):
            video.write(image)
    shutil.rmtree(sequence)
    return folder


def write_network(path: Path) -> None:
    """The mean colour of a crop, as an .onnx file."""
    onnx = pytest.importorskip("onnx", reason="needs onnx")
    pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    value = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("GlobalAveragePool", ["x"], ["y"])
    crops, means = value("x", onnx.TensorProto.FLOAT, ["n", 3, 64, 32]), value("y", onnx.TensorProto.FLOAT, None)
    graph = onnx.helper.make_graph([node], "mean", [crops], [means])
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), path)


def run(language: str, text: str, folder: Path) -> str:
    """What a snippet prints."""
    if language == "yaml":
        assert yaml.safe_load(text)
        return ""
    program = [sys.executable, "-c", text] if language == "python" else ["sh", "-ec", text]
    scripts = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    environment = {**os.environ, "PATH": scripts, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def prints_tracks(printed: str, folder: Path) -> None:
    """Lines of frame, identity and box, of most people in most frames, and every identity once a frame."""
    rows = [line.split() for line in printed.splitlines()]
    assert {len(row) for row in rows} == {6}
    assert len({(row[0], row[1]) for row in rows}) == len(rows)
    boxes = np.array([row[2:] for row in rows], float)
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert PEOPLE / 2 <= len({row[1] for row in rows}) <= PEOPLE * 1.5
    assert len(rows) > PEOPLE * LENGTH / 2


def prints_features(printed: str, folder: Path) -> None:
    """Lines of frame and the shape of its features."""
    counts = np.array([line.split() for line in printed.splitlines()], int)
    detections = read_detections(folder / "det.txt")
    assert counts[:, 0].tolist() == list(range(1, LENGTH + 1))
    assert counts[:, 1].tolist() == [len(detections.at(index)) for index in range(1, LENGTH + 1)]
    assert set(counts[:, 2]) == {Descriptor.load("default", device="cpu").dimension}


def writes_the_descriptor(printed: str, folder: Path) -> None:
    """flat.onnx says what the descriptor says."""
    pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    _, image = next(iter(open_frames(folder / "clip.mp4")))
    boxes = read_detections(folder / "det.txt").at(1).boxes
    exported, ours = (
        unit_features(Descriptor.load(name, device="cpu"), image, boxes)
        for name in (str(folder / "flat.onnx"), "default")
    )
    assert (exported * ours).sum(axis=1).min() > 0.999


def writes_tracks(printed: str, folder: Path) -> None:
    """tracks.txt follows most people."""
    tracks = read_tracks(folder / "tracks.txt")
    assert PEOPLE / 2 <= len(np.unique(tracks.ids)) <= PEOPLE * 1.5
    assert len(tracks) > PEOPLE * LENGTH / 2


def writes_features_and_tracks(printed: str, folder: Path) -> None:
    """flat.npy holds a feature for each detection, and both trackers use it."""
    with_features, without = (read_detections(folder / name) for name in ("flat.npy", "det.txt"))
    assert with_features.features is not None
    assert with_features.features.any(axis=1).mean() > 0.9
    assert with_features.frames.tolist() == without.frames.tolist()
    np.testing.assert_allclose(with_features.boxes, without.boxes, atol=0.01)
    writes_tracks(printed, folder)
    prints_tracks(printed, folder)


CHECKS = {  # of what a section's Python prints and its folder holds
    "deep-sort-realtime": prints_tracks,
    "norfair": prints_tracks,
    "supervision and trackers": prints_tracks,
    "BoxMOT": prints_features,
    "Ultralytics": writes_the_descriptor,
    "DeepSORT": writes_features_and_tracks,
    "The other way round": writes_tracks,
}


def test_every_section_is_checked() -> None:
    assert [section.title for section in sections()] == list(CHECKS)


@pytest.mark.parametrize("section", sections(), ids=lambda section: section.title)
def test_snippets_run(section: Section, inputs: Path, tmp_path: Path) -> None:
    for module in sorted(section.imports() & set(PACKAGES)):
        pytest.importorskip(module, reason=f"{section.title}: needs {PACKAGES[module]}")
    shutil.copytree(inputs, tmp_path, dirs_exist_ok=True)
    if section.title == "The other way round":
        write_network(tmp_path / "osnet.onnx")
    outputs = [(language, run(language, text, tmp_path)) for language, text in section.snippets]
    CHECKS[section.title]("".join(output for language, output in outputs if language == "python"), tmp_path)
