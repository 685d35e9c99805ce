"""Find the gate on appearance without labels: `python -m tools.calibrate --det FILE.npy [--out DIR]`.

Detections without features need their frames: `--seq SEQ [SEQ ...] --root DIR --det sdp.txt --descriptor NAME`.
"""

from __future__ import annotations

import json as json_format
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

import typer

from embedding.extras import require_package
from embedding.files import atomic_path
from embedding.progress import progress_shown
from tracker.core.appearance import Metric
from tracker.errors import InputError
from tracker.files.apart import require_apart
from tracker.files.motchallenge import DetectionTable, read_detections
from tracker.footage.calibration import CalibrationReport, calibrate, percent, report
from tracker.footage.calibration_plot import draw_calibration
from tracker.input.detection.names import is_detector
from tracker.input.frames import picture_size
from tracker.input.numbering import renumbered
from tracker.input.sequences import Sequence, find_detections, find_sequences


@dataclass(frozen=True)
class Source:
    """Detections to calibrate on.

    Attributes:
        name: for the report and its picture.
        table: the detections.
        sequence: whose frames they are from; None where that was not said.
        detections: what they are called in messages.
    """

    name: str
    table: DetectionTable
    sequence: Sequence | None
    detections: str


def main(
    det: Annotated[list[str], typer.Option(help="Detections: files with features (.npy), or as for `track`.")],
    seq: Annotated[list[str] | None, typer.Option(help="Sequences, where features must be computed.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of sequences; default $MOT_ROOT.")] = None,
    descriptor: Annotated[str | None, typer.Option(help="For detections without features, default `default`.")] = None,
    metric: Annotated[str, typer.Option(help="cosine or euclidean.")] = "cosine",
    scale: Annotated[float | None, typer.Option(help="c, observation space over latent distance.")] = None,
    false_accepts: Annotated[float, typer.Option(help="Share of pairs of two people to let in.")] = 0.003,
    out: Annotated[Path | None, typer.Option(help="Folder for a picture of each, NAME.png.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures as JSON too.")] = None,
) -> None:
    """Say whether a descriptor tells the people of one's own footage apart, and which gate to set.

    Example: flatsort calibrate --root MOT16 --seq MOT16-09 --det sdp.txt --descriptor default
    """
    if metric not in ("cosine", "euclidean"):
        raise InputError(f"--metric {metric}: expected cosine or euclidean")
    if not 0 < false_accepts < 1:
        raise InputError(f"--false-accepts {false_accepts:g}: expected a share between 0 and 1")
    if scale is not None and not 0 < scale < math.inf:
        raise InputError(f"--scale {scale:g}: expected a number above 0")
    if scale is None and descriptor is not None and metric == "euclidean":
        scale = latent_scale(descriptor)
    if out is not None:
        require_package("matplotlib", f"--out {out}")
    if json is not None:
        require_apart([("--json", json)], [("--det", Path(name)) for name in det])
    reports = []
    for source in find_sources(det, seq or [], root):
        table = with_features(source, descriptor or "default")
        threshold = calibrate(table, cast("Metric", metric), false_accepts)
        found = report(source.name, threshold, scale)
        print_report(found)
        if out is not None:
            draw_calibration(threshold, found, out / f"{source.name}.png")
        reports.append(found)
    if json is not None:
        rows = {found.name: found.as_json() for found in reports}
        with atomic_path(json) as temporary:
            temporary.write_text(json_format.dumps(rows, indent=2) + "\n", "utf-8")


def find_sources(detections: list[str], sequences: list[str], root: Path | None) -> Iterator[Source]:
    """Every file of detections, of every sequence where there are some; one at a time, as they may be large.

    Raises:
        InputError: nothing is there, it is malformed, it covers one frame only, or two share a name.
    """
    names: set[str] = set()
    for sequence in find_sequences(sequences, root) if sequences else [None]:
        for det in detections:
            name = Path(det).stem if sequence is None else sequence.name
            if sequence is not None and len(detections) > 1:
                name += f".{Path(det).stem}"
            if name in names:
                raise InputError(f"--det {det}: the second that is called {name}, expected different names")
            names.add(name)
            if sequence is None and is_detector(det):
                raise InputError(f"--det {det}: is a detector, expected --seq too, whose frames it looks at")
            table = read_detections(det) if sequence is None else _detections_of(sequence, det)
            if table.first_frame >= table.last_frame:
                found = "all detections are in one frame" if len(table) else "no detections"
                raise InputError(f"{det}: {found}, expected a sequence of frames")
            yield Source(name, table, sequence, det)


def _detections_of(sequence: Sequence, det: str) -> DetectionTable:
    path = find_detections(det, sequence)
    if path is not None:
        return renumbered(read_detections(path, size=lambda: picture_size(sequence)), sequence.frames)
    from tracker.footage.crops import detect_all
    from tracker.input.detectors import load_detector

    return detect_all(sequence, load_detector(det))


def with_features(source: Source, descriptor: str) -> DetectionTable:
    """The detections with features, those of the file or the descriptor's."""
    if source.table.features is not None:
        return source.table
    if source.sequence is None:
        raise InputError(f"{source.detections}: has no features, expected some, or --seq to compute them from frames")
    from tracker.footage.crops import require_rereadable
    from tracker.run.pipeline import embed

    require_rereadable(source.sequence)
    with progress_shown() as progress:
        return embed(source.sequence, source.detections, descriptor, progress, source.table)


def latent_scale(descriptor: str) -> float | None:
    """c of a trained model; None for anything else, and where whitened features have no such unit."""
    from embedding.descriptors.spec import model_path

    path = model_path(descriptor)
    if path is None:
        return None
    require_package("torch", f"--descriptor {descriptor}")
    import torch

    from embedding.vae.weights import load_model, weights_path

    model = load_model(weights_path(path))
    if not model.latent_whitening.equal(torch.eye(model.latent_dim)):
        print(f"{descriptor}: its features are whitened, c does not apply to their distances")
        return None
    return float(model.latent_scale)


def print_report(found: CalibrationReport) -> None:
    """Print the figures of one calibration, what they mean, and the setting to use."""
    print(f"{found.name}: {found.verdict}")
    figures = [f"{found.different_pairs:,} pairs of two people, {found.same_pairs:,} of one"]
    if found.gate is not None:
        figures.append(f"{percent(found.false_accepts)} of two people are nearer than {found.gate:.3g}")
    if found.auc is not None:
        figures.append(f"AUC {found.auc:.4f}")
    if found.d_prime is not None:
        figures.append(f"d' {found.d_prime:.2f}")
    print(f"  {'; '.join(figures)}")
    if found.observed_gate is not None:
        print(f"  times c = {found.scale:.3g} that is {found.observed_gate:.3g} in units of the observations")
    if found.setting is not None:
        other = " --set metric=euclidean" if found.metric == "euclidean" else ""
        print(f"  {found.setting}{other}")
