"""`track --zones` and `flatsort zones RESULT`, through the commands, against supervision's counters on the result."""

from __future__ import annotations

import csv
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tracker.zones.streams import Stream, line_events, zone_hits
from tracker.commands.main import run
from tracker.demo.render import FRAME_RATE, render_demo
from tracker.files.motchallenge import read_tracks
from tracker.zones import Line, Zone, read_zones

LENGTH = 90
FEATURES = [  # on the demo's square
    ("middle", "LineString", [[480, 540], [480, 200]], {"anchors": ["bottom_center"]}),
    ("tall", "LineString", [[560, 0], [560, 540]], {"minimum_crossing_threshold": 2}),
    ("front", "Polygon", [[[100, 380], [860, 380], [960, 538], [0, 538]]], {}),
    ("back", "Polygon", [[[300, 240], [800, 240], [800, 375], [300, 375]]], {}),
]


def write_zones(path: Path, features: list[tuple[str, str, Any, dict[str, Any]]] = FEATURES) -> Path:
    path.write_text(
        json.dumps(
            {
                "type": "FeatureCollection",
                "features": [
                    {
                        "type": "Feature",
                        "properties": {"name": name, **properties},
                        "geometry": {"type": kind, "coordinates": coordinates},
                    }
                    for name, kind, coordinates, properties in features
                ],
            }
        )
    )
    return path


def ended(name: str, *arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        run(name, list(map(str, arguments)))
    return int(end.value.code or 0)


def stream_of(path: Path, length: int) -> Stream:
    tracks = read_tracks(path)
    return Stream(length, tracks.frames, tracks.ids, tracks.boxes, np.full(len(tracks), -1))


def require_supervisions_counts(result: Path, zones: Path, counts: Path, length: int) -> dict[str, Any]:
    """Lines: the same events. Zones: the same number inside in every frame. Returns the JSON's content."""
    stream, content = stream_of(result, length), json.loads(counts.with_suffix(".json").read_text("utf-8"))
    with counts.with_suffix(".csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    places = read_zones(zones)
    crossed = {line["name"]: (line["in"], line["out"]) for line in content["lines"]}
    lines = [place for place in places if isinstance(place, Line)]
    events, theirs = line_events(stream, lines)
    ours = [(row["place"], int(row["frame"]), int(row["id"]), row["event"]) for row in rows]
    expected = Counter(
        (lines[place].name, frame, one, "in" if into else "out") for place, frame, one, _, into in events
    )
    assert Counter(row for row in ours if row[3] in ("in", "out")) == expected
    assert crossed == {
        line.name: (sum(into.values()), sum(out.values())) for line, (into, out) in zip(lines, theirs, strict=True)
    }
    held = {zone["name"]: zone for zone in content["zones"]}
    for zone in (place for place in places if isinstance(place, Zone)):
        _, counts_of_frames = zone_hits(stream, zone)
        over_time = content["over_time"]
        starts = [*over_time["start_frame"], length + 1]
        steps = [counts_of_frames[a - 1 : b - 1] for a, b in pairwise(starts)]
        told = over_time["zones"][zone.name]
        assert told["most_inside"] == [max(step) for step in steps]
        np.testing.assert_allclose(told["mean_inside"], [np.mean(step) for step in steps], atol=6e-4)
        assert held[zone.name]["most_inside"] == max(counts_of_frames)
    return content


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    render_demo(folder, LENGTH)
    write_zones(folder / "zones.json")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("options", [("--link",), ("--raw",)])  # with a second pass, and as tracks come
def test_the_demo_is_counted_as_supervision_counts_it(demo: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    pytest.importorskip("supervision", reason="needs supervision")
    account, out = tmp_path / "account.json", tmp_path / "demo.txt"
    source = (demo / "demo", "--det", "det.txt", "--descriptor", "colour")
    assert ended("track", *source, "--out", out, "--zones", demo / "zones.json", "--json", account, *options) == 0
    content = require_supervisions_counts(out, demo / "zones.json", tmp_path / "demo.zones.json", LENGTH)
    assert content["frame_rate"] == FRAME_RATE
    assert content["frames"] == LENGTH
    assert sum(line["in"] + line["out"] for line in content["lines"]) > 0
    assert sum(zone["entries"] for zone in content["zones"]) > 5
    told = json.loads(account.read_text("utf-8"))["demo"]["zones"]
    assert told["lines"] == content["lines"]
    # and once more from the finished result
    again = tmp_path / "again.json", tmp_path / "again.csv"
    counts = ("--out", again[0], "--out", again[1], "--seq", demo / "demo")
    assert ended("zones", out, "--zones", demo / "zones.json", *counts) == 0
    assert json.loads(again[0].read_text("utf-8")) == content
    assert again[1].read_text("utf-8") == (tmp_path / "demo.zones.csv").read_text("utf-8")


def test_tud_campus_is_counted_as_supervision_counts_it(shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("supervision", reason="needs supervision")
    sequence = shared / "data/mot15/TUD-Campus"
    zones = write_zones(
        tmp_path / "zones.json",
        [
            ("pillar", "LineString", [[300, 480], [300, 0]], {}),
            ("feet", "LineString", [[420, 480], [420, 250]], {"anchors": ["bottom_center"]}),
            ("path", "Polygon", [[[150, 300], [500, 300], [560, 470], [100, 470]]], {}),
        ],
    )
    truth, counts = sequence / "gt/gt.txt", tmp_path / "gt.json"
    files = ("--out", counts, "--out", counts.with_suffix(".csv"))
    assert ended("zones", truth, "--zones", zones, "--seq", sequence, *files) == 0
    content = require_supervisions_counts(truth, zones, counts, 71)
    assert sum(line["in"] + line["out"] for line in content["lines"]) >= 5


def write_walk(path: Path) -> Path:
    """Two people through a zone, a row a frame."""
    rows = [f"{frame},{one},{10 * frame + one},20,10,40,1,-1,-1,-1" for frame in range(1, 21) for one in (1, 2)]
    path.write_text("\n".join(rows))
    return path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("walk.txt",), "--zones: missing"),
        (("walk.txt", "--zones", "none.json"), "none.json: cannot be read"),
        (("walk.txt", "--zones", "zones.json", "--out", "counts.txt"), "expected a name that ends in .json or .csv"),
        (("walk.txt", "--zones", "zones.json", "--out", "zones.json"), "is --zones, which is read"),
        (("walk.csv", "--zones", "zones.json", "--out", "walk.csv"), "is RESULT, which is read"),
        (("none.txt", "--zones", "zones.json"), "none.txt: cannot be read"),
        (("walk.txt", "--zones", "zones.json", "--rate", "0"), "--rate"),
    ],
)
def test_what_is_refused(
    arguments: tuple[str, ...],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_walk(tmp_path / "walk.txt")
    write_walk(tmp_path / "walk.csv")
    write_zones(tmp_path / "zones.json")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert ended("zones", *arguments) == 2
    message = capsys.readouterr().err
    assert said in message and message.count("\n") == 1
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_result_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_walk(tmp_path / "walk.txt")
    square = ("square", "Polygon", [[[50, 0], [150, 0], [150, 100], [50, 100]]], {})
    wall = ("slit", "LineString", [[100, 55], [100, 45]], {})
    zones = write_zones(tmp_path / "zones.json", [square, wall])
    assert ended("zones", "walk.txt", "--zones", zones, "--rate", 10) == 0
    said = capsys.readouterr().err
    assert "zone 'square': 2 entries, on average 1.0 s, 1.0 at most" in said
    assert "careful: line 'slit': no box ever lay between its ends" in said
    assert ended("zones", "walk.txt", "--zones", zones) == 0
    assert "the frame rate is not known, times are in frames" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "output").iterdir()) == ["walk.zones.csv", "walk.zones.json"]
    with (tmp_path / "output/walk.zones.csv").open() as file:
        rows = [(row["frame"], row["id"], row["event"], row["dwell"]) for row in csv.DictReader(file)]
    # feet are at 10 * frame + id + 5; the border is inside
    assert rows == [
        (frame, one, event, dwell)
        for frame, event, dwell in (("5", "enter", ""), ("15", "leave", "10"))
        for one in "12"
    ]


def test_a_page_to_draw_on(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ended("zones", demo / "demo", "--zones", demo / "zones.json", "--frame", 5) == 0
    page = tmp_path / "output/demo.zones.html"
    assert f"open {page.as_uri()} in a browser, draw on frame 5" in capsys.readouterr().err
    text = page.read_text("utf-8")
    assert '"name": "middle"' in text and "data:image/jpeg;base64," in text
    assert "http:" not in text.replace("http://www.w3.org/2000/svg", "") and "https:" not in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("demo", "--frame", "91"), "--frame 91: demo ends with frame 90"),
        (("demo", "--out", "page.json"), "--out page.json: expected one page to draw on"),
        (("demo", "--out", "a.html", "--out", "b.html"), "--out a.html and b.html: expected one page"),
        (("demo", "--zones", "none.json"), "none.json: cannot be read"),
        (("demo", "--seq", "demo"), "--seq and --rate belong to a result"),
        (("nothing.mp4",), "sequence 'nothing.mp4': not found"),
        (("demo/det",), "demo/det: holds no sequence"),
    ],
)
def test_what_is_not_drawn_on(
    arguments: tuple[str, ...],
    said: str,
    demo: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").symlink_to(demo / "demo")
    assert ended("zones", *arguments) == 2
    assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--zones-out", "counts.json"), "--zones-out counts.json: does nothing without --zones"),
        (("--zones", "none.json"), "none.json: cannot be read"),
        (("--zones", "zones.json", "--zones-out", "counts.xlsx"), "expected a name that ends in .json or .csv"),
        (("--zones", "zones.json", "--zones-out", "zones.json"), "is --zones, which is read"),
        (("--zones", "zones.json", "--zones-out", "r.csv", "--table", "r.csv"), "expected a file of its own"),
    ],
)
def test_what_track_refuses(
    options: tuple[str, ...],
    said: str,
    demo: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_zones(tmp_path / "zones.json")
    assert ended("track", demo / "demo", "--det", "det.txt", "--descriptor", "none", "--out", "r.txt", *options) == 2
    assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["zones.json"]
