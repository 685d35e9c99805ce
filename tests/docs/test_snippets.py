"""What the pages tell a reader to type is typed, page by page, in a folder that holds what they speak of."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tools.site.pages import Snippet, read_page
from tracker.commands.main import run
from tracker.demo.render import FRAME_RATE, render_demo
from tracker.demo.scene import HEIGHT, WIDTH
from tracker.input.frames import open_frames
from tracker.output.video import VideoWriter

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).resolve().parents[2]
LENGTH = 16  # frames
ELSEWHERE = CHECKOUT / "docs/other-trackers.md"  # has a test of its own
PAGES = [
    path
    for path in [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
    if path != ELSEWHERE and any(one.language in ("sh", "python") for one in read_page(path).snippets)
]
OURS = ("track", "flatsort")
NOT_RUN = {  # begins so -> why it is only parsed, by tests/test_docs.py
    "track --demo": "tests/tracker/demo runs it",
    "track --seq 0": "no camera here",
    "track --seq rtsp:": "no stream here",
    "track --seq clip.mp4 --det torchvision": "weights would be fetched",
    "track --root MOT16 --seq MOT16-09 --det sdp.txt --descriptor runs/": "takes what `train` would write",
    "flatsort adapt --seq monday.mp4 --det yolo11n.onnx --descriptor mot16-lite": "four CPU minutes",
    "flatsort train": "minutes",
    "flatsort tune": "minutes",
    "flatsort convert runs/track/labels": "labels that Ultralytics would write",
    "track --seq list.txt --det dets/{seq}.txt --out results --jobs ray": "a cluster; tests/tracker/run",
    "track --seq manifest.csv --out s3:": "no storage here",
    "flatsort link results/": "needs people who are followed for longer; tests/tracker/across",
    "flatsort review": "goes on until it is ended; tests/tracker/review",
    "flatsort adapt --seq clip.mp4 --det det.txt --out camera.npz --corrections": "takes what a review would write",
    "flatsort serve": "goes on for ever; tests/tracker/serve",
    "flatsort --": "tests/tracker/commands/test_main.py",
    "track --help": "the same",
}
WRITTEN = ("--out", "--video", "--sheet", "--table", "--json", "--picture", "--report")


def place(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages say is there: videos, detections, two sequences of MOT16, somebody's networks."""
    folder = tmp_path_factory.mktemp("world")
    for seed, name in enumerate(("MOT16-09", "MOT16-11")):
        sequence = render_demo(folder / "scene", LENGTH, seed)
        settings = sequence / "seqinfo.ini"
        settings.write_text(settings.read_text().replace("name=demo", f"name={name}"))
        shutil.copy(sequence / "det/det.txt", sequence / "det/sdp.txt")
        shutil.copytree(sequence, folder / "MOT16/train" / name)
    shown = folder / "MOT16/train/MOT16-09"
    write_video(folder / "clip.mp4", shown)
    for day in ("monday", "tuesday", "wednesday"):
        shutil.copy(folder / "clip.mp4", folder / f"{day}.mp4")
    shutil.copy(
        CHECKOUT / "embedding/weights/statistics.npz", folder / "camera.npz"
    )  # too few people to learn a new one
    shutil.copy(shown / "det/det.txt", folder)
    for result in (folder / "clip.txt", folder / "output/clip.txt"):  # the truth will do
        result.parent.mkdir(exist_ok=True)
        shutil.copy(shown / "gt/gt.txt", result)
    shutil.copy(CHECKOUT / "tracker/input/detection/weights/FastestDet.onnx", folder / "yolo11n.onnx")
    shutil.copy(CHECKOUT / "docs/zones/example.json", folder / "zones.json")
    (folder / "detections.csv").write_text("frame,left,top,right,bottom,score\n1,10,20,40,100,0.9\n")
    line = {"type": "LineString", "coordinates": [[480, 536], [480, 250]]}
    feature = {"type": "Feature", "properties": {"name": "door"}, "geometry": line}
    (folder / "zones.json").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    (folder / "videos").mkdir()
    for place_of_camera in ("door", "hall"):
        shutil.copy(folder / "clip.mp4", folder / f"videos/{place_of_camera}.mp4")
    write_descriptor(folder / "osnet.onnx")
    return folder


def write_video(path: Path, sequence: Path) -> None:
    """The sequence's frames as a video."""
    with VideoWriter(path, FRAME_RATE, (WIDTH, HEIGHT)) as video:
        for _, image in open_frames(sequence / "img1"):
            video.write(image)


def write_descriptor(path: Path) -> None:
    """The mean colour of a crop, as an .onnx file."""
    onnx = pytest.importorskip("onnx", reason="needs onnx")
    value = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("GlobalAveragePool", ["x"], ["y"])
    crops, means = value("x", onnx.TensorProto.FLOAT, ["n", 3, 64, 32]), value("y", onnx.TensorProto.FLOAT, None)
    graph = onnx.helper.make_graph([node], "mean", [crops], [means])
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), path)


@pytest.fixture
def there(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the world to work in."""
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ours(path: Path) -> Iterator[list[str]]:
    """The page's own commands that are run."""
    for snippet in read_page(path).snippets:
        if snippet.language == "sh":
            for command in snippet.commands():
                typed = " ".join(command)
                if command[0] in OURS and not any(typed.startswith(start) for start in NOT_RUN):
                    yield command


@pytest.mark.parametrize("path", [path for path in PAGES if any(ours(path))], ids=place)
def test_commands_run(path: Path, there: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for command in ours(path):
        name, given = ("track", command[1:]) if command[0] == "track" else (command[1], command[2:])
        with pytest.raises(SystemExit) as ended:
            run(name, given)
        assert not ended.value.code, f"{' '.join(command)}\n{capfd.readouterr().err}"
        for option, value in pairwise(given):
            if option in WRITTEN and "{" not in value:
                assert (there / value).exists(), f"{' '.join(command)}: wrote no {value}"


def test_what_is_not_run_is_still_there() -> None:
    typed = {
        " ".join(command)
        for path in PAGES
        for one in read_page(path).snippets
        if one.language == "sh"
        for command in one.commands()
    }
    assert [start for start in NOT_RUN if not any(command.startswith(start) for command in typed)] == []


def names_of(path: Path) -> dict[str, Any]:
    """What a page's Python takes for granted."""
    if path.name != "formats.md":
        return {}
    supervision = pytest.importorskip("supervision", reason="needs supervision")
    boxes, scores, classes = np.array([[10.0, 20, 40, 100]]), np.array([0.9]), np.array([0])
    found = SimpleNamespace(xyxy=boxes, conf=scores, cls=classes)  # as Ultralytics has it
    model: Callable[[list[object]], list[object]]
    model = lambda images: [{"boxes": boxes, "scores": scores, "labels": classes}]  # noqa: E731
    return {
        "supervision_detections": supervision.Detections(xyxy=boxes, confidence=scores, class_id=classes),
        "results": [SimpleNamespace(boxes=found)],
        "model": model,
        "image": np.zeros((120, 160, 3), np.uint8),
    }


def python_of(path: Path) -> list[Snippet]:
    return [one for one in read_page(path).snippets if one.language == "python"]


@pytest.mark.parametrize("path", [path for path in PAGES if python_of(path)], ids=place)
def test_python_runs(path: Path, there: Path) -> None:
    names = {"__name__": "snippet", **names_of(path)}
    for snippet in python_of(path):
        exec(compile(snippet.text, f"{place(path)}:{snippet.line}", "exec"), names)
    if "tracks" in names:
        assert len(names["tracks"].ids) == len(names["tracks"].boxes)
