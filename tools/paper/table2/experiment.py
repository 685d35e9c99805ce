"""Table 2 of Chen et al. (ICML 2020) and beyond: trackers and descriptors on the same detections.

`python -m tools.paper table2 --root MOT16 --det poi.npy --seq all --out DIR` is the paper's own table where the
detections are the paper's. Features and adapted weights are kept in DIR/features and used again; tracks, which take
seconds, are made anew and written to DIR/results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedding.files import atomic_path
from tools.paper.table2 import occlusion, report
from tools.paper.table2.features import USELESS
from tools.paper.table2.rows import (
    ADAPTED,
    FILE,
    SUPERVISED,
    Input,
    Row,
    detector_name,
    measure,
    read_input,
    rows_of,
    summary,
)
from tools.paper.table2.sources import Features, Files, find_features, load_describers
from tools.paper.table2.sweep import PRESETS, sweep
from tracker.errors import InputError
from tracker.evaluate.scores import is_counted
from tracker.files.motchallenge import TrackTable, read_tracks
from tracker.input.sequences import Sequence as Video
from tracker.input.sequences import find_sequences

if TYPE_CHECKING:
    from tools.paper.bench import Bench
    from tools.paper.experiments import Data
    from tools.paper.table2.strip import Scene

Results = dict[Row, dict[str, TrackTable]]  # row -> sequence -> its tracks


def run(bench: Bench, data: Data) -> dict[str, Any]:
    """Measure every row on every detector, write DIR/table2.md and pictures, print the table.

    Args:
        bench: where to, and whether quickly.
        data: sequences, detections, descriptors; whether to sweep, and how long to adapt.

    Returns:
        The figures, as DIR/table2.json holds them.

    Raises:
        InputError: a sequence, file or descriptor is absent or malformed.
    """
    videos = find_sequences(data.seq, data.root)
    detectors = _read_detectors(data.det, videos)
    describers, unknown, seen = load_describers(data.descriptor, data.supervised)
    figures: dict[str, Any] = {
        "sequences": [video.name for video in videos],
        "boxes": {video.name: _count_boxes(video) for video in videos},
        "adapt_minutes": data.adapt_minutes,
        "published": report.PUBLISHED,
        "seen": {label: sorted(names) for label, names in seen.items()},
        "detectors": {},
    }
    scenes: list[Scene] = []
    for name, inputs in detectors.items():
        bench.say(f"table2: {name}, features")
        features = find_features(inputs, describers, bench.output / "features" / name, data.adapt_minutes)
        found, results = _measure_rows(name, inputs, features, bench)
        found["absent"] = {**unknown, **features.absent}
        found["occlusions"], shown = _follow_occlusions(name, videos, results)
        if data.sweep:
            found["sweep"] = _sweep_all(name, inputs, features.files, bench)
        scenes += shown
        figures["detectors"][name] = found
    _write_report(figures, bench.output)
    figures["strip"] = _draw(figures, scenes, bench)
    return figures


def _read_detectors(dets: Sequence[str], videos: Sequence[Video]) -> dict[str, list[Input]]:
    """Name of the detector -> its detections of every sequence."""
    found: dict[str, list[Input]] = {}
    for det in dets:
        name = detector_name(det)
        if name in found:
            raise InputError(f"--det {det}: {name!r} is named twice, expected names that differ")
        found[name] = [read_input(det, video) for video in videos]
    return found


def _count_boxes(video: Video) -> int:
    assert video.ground_truth is not None
    return int(is_counted(read_tracks(video.ground_truth)).sum())


def _measure_rows(
    detector: str, inputs: Sequence[Input], features: Features, bench: Bench
) -> tuple[dict[str, Any], Results]:
    """One detector's part of the figures, and the tracks."""
    rows: list[dict[str, Any]] = []
    results: Results = {}
    for row in rows_of(features.files):
        files: dict[str, Path | None] = {one.video.name: None for one in inputs}
        if row.descriptor is not None:
            files |= features.files[row.descriptor]
        scores, results[row] = measure(row, inputs, files, bench.output / "results" / detector)
        bench.say(f"table2: {detector}, {row.label}: {summary(scores)}")
        settings = {"preset": row.preset, "settings": list(row.settings), "second_pass": row.second_pass}
        rows.append({"tracker": row.title, "descriptor": row.descriptor, **settings, "scores": scores})
    detections = {one.video.name: {"file": str(one.file), "count": len(one.table)} for one in inputs}
    return {"detections": detections, "rows": rows, "adaptations": features.adaptations}, results


def _sweep_all(detector: str, inputs: Sequence[Input], files: Files, bench: Bench) -> dict[str, Any]:
    """Preset -> descriptor -> its sweep; features that say nothing have no threshold to find."""
    found: dict[str, Any] = {preset: {} for preset in PRESETS}
    for label in files:
        for preset in PRESETS if label not in USELESS else ():
            swept = found[preset][label] = sweep(preset, inputs, files[label], bench.quick)
            best = f"best IDF1 {swept['best']['IDF1']:.1f} at {swept['best']['threshold']:g}"
            bench.say(f"table2: {detector}, {preset}, {label}: {swept['published']['IDF1']:.1f} at 0.2, {best}")
    return found


def _follow_occlusions(
    detector: str, videos: Sequence[Video], results: Results
) -> tuple[dict[str, dict[str, int]], list[Scene]]:
    """How many occlusions each row came through, and all of them ready to be drawn."""
    from tools.paper.table2.strip import Scene

    total: dict[str, dict[str, int]] = {}
    scenes = []
    for video in videos:
        truth, visible = occlusion.read_people(video)
        height = float(video.height or truth.boxes[:, 3].max())
        found = occlusion.find_occlusions(truth, visible, height)
        if not found:
            continue
        sightings = {row: occlusion.Sighting.of(tracks[video.name], truth) for row, tracks in results.items()}
        counts = occlusion.tally({row.label: one for row, one in sightings.items()}, found)
        for label, ends in counts.items():
            total[label] = {end: count + total.get(label, {}).get(end, 0) for end, count in ends.items()}
        shown = {name: sightings[row] for name, row in _drawn_rows(list(results)).items()}
        scenes += [Scene(video, detector, truth, visible, one, shown) for one in found]
    return total, scenes


def _drawn_rows(rows: Sequence[Row]) -> dict[str, Row]:
    """The rows of the film strip that there are: motion only first, ours last."""
    ours = (ADAPTED, "default", None)
    wanted: dict[str, list[tuple[str, str | None]]] = {
        "SORT": [("sort, max_age 1", None)],
        "DeepSORT": [("deepsort", FILE), ("deepsort", SUPERVISED)],
        "VHP-VAE-SORT": [("deepsort", "VHP-VAE")],
        "VHP-FMVAE-SORT 3000": [("deepsort", "VHP-FMVAE 3000")],
        "FlatSORT": [("flatsort", label) for label in ours],
        "FlatSORT, linked": [("flatsort, linked", label) for label in ours],
    }
    found = {}
    for name, choices in wanted.items():
        for choice in choices:
            row = next((row for row in rows if (row.title, row.descriptor) == choice), None)
            if row is not None:
                found[f"{name}, {row.descriptor}" if row.descriptor in (FILE, SUPERVISED, ADAPTED) else name] = row
                break
    return found


def _write_report(figures: Mapping[str, Any], folder: Path) -> None:
    with atomic_path(folder / "table2.md") as temporary:
        temporary.write_text(report.markdown(figures), encoding="utf-8")
    for name, found in figures["detectors"].items():
        print(f"\n{name}, {', '.join(figures['sequences'])}")
        report.print_rows(found["rows"])
        for label, why in found["absent"].items():
            print(f"{label}: absent, {why}")
    print(report.NOTE)


def _draw(figures: Mapping[str, Any], scenes: Sequence[Scene], bench: Bench) -> dict[str, Any] | None:
    """All pictures; returns what the film strip shows, None where there is nothing to show."""
    from tools.paper.table2.figures import draw_bars, draw_sweep
    from tools.paper.table2.strip import draw_strip

    draw_bars(figures, bench.output / "table2-bars.png")
    if all("sweep" in found for found in figures["detectors"].values()):
        draw_sweep(figures, bench.output / "table2-sweep.png")
    drawable = [scene for scene in scenes if scene.video.frames is not None]
    if not drawable:
        bench.say("table2: no film strip, expected frames and ground truth that says who is hidden by whom")
        return None
    scene = max(drawable, key=lambda scene: occlusion.difference(scene.sightings, scene.occlusion))
    draw_strip(scene, bench.output / "table2-occlusion.png")
    ends = {name: sighting.outcome(scene.occlusion) for name, sighting in scene.sightings.items()}
    return {
        "sequence": scene.video.name,
        "detector": scene.detector,
        **asdict(scene.occlusion),
        "outcomes": ends,
        "of": len(scenes),
    }
