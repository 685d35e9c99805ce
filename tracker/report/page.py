"""The page: what a sink gathered and what the run told become one HTML file, beside the video."""

from __future__ import annotations

import platform
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedding.extras import require_package
from tracker.core.detections import Image
from tracker.core.gate import OnlineThreshold
from tracker.errors import InputError
from tracker.evaluate.scores import evaluate
from tracker.evaluate.table import PERCENT
from tracker.files.folders import hidden_folder
from tracker.files.motchallenge import TrackTable
from tracker.footage.calibration import report as calibration_report
from tracker.input.frames import Frames
from tracker.output.drawing import PLAIN, Style
from tracker.output.pages.render import write_page
from tracker.report import figures
from tracker.report.folder import PAGE, VIDEO, put_in_place, require_place
from tracker.report.heat import heat_map, small
from tracker.report.identities import (
    AT_BEGINNING,
    AT_END,
    INSIDE,
    SIDES,
    Film,
    Identity,
    Rows,
    identities,
    numbers_present,
)
from tracker.report.sink import ReportSink

if TYPE_CHECKING:
    from markupsafe import Markup

BINS = 240  # stretches of time in the drawing of counts
MOST_BARS = 1000  # identities in the timeline
METRICS = {
    "HOTA": "found and kept, in one figure",
    "DetA": "found",
    "AssA": "kept",
    "IDF1": "boxes with the right identity",
    "MOTA": "1 minus misses, inventions and switches",
    "Recall": "of the true boxes, found",
    "Precision": "of the boxes, true",
    "IDs": "switches of identity",
    "FM": "interruptions",
    "MT": "people found most of the time",
    "ML": "people missed most of the time",
    "GT": "people in all",
}
PACKAGES = ("numpy", "cv2", "scipy", "av", "onnxruntime", "torch")


@dataclass(frozen=True)
class Section:
    """A part of the page that others bring, such as zones.

    Attributes:
        anchor: a word that no other section has.
        title: its heading.
        body: what stands below it, of `tracker.output.pages.render`.
    """

    anchor: str
    title: str
    body: Markup


@dataclass(frozen=True)
class Told:
    """What the run says of itself.

    Attributes:
        account: as `--json` writes it; `doubts` are shown first.
        settings: the preset as YAML.
        descriptor: its name, or why there is none.
        detections: where they come from.
        source: where the frames come from.
        command: to be typed to repeat the run.
        backend: of the tracker's core.
        threshold: that looked at the descriptor's distances; None where nobody did.
        ground_truth: file to score against.
        class_names: by class id.
        note: what readers are to know of the pictures, such as that people are blurred; empty for nothing.
    """

    account: Mapping[str, Any]
    settings: str
    descriptor: str
    detections: str
    source: str
    command: str
    backend: str
    threshold: OnlineThreshold | None = None
    ground_truth: Path | None = None
    class_names: Mapping[int, str] | None = None
    note: str = ""


class Report(AbstractContextManager["Report"]):
    """The report of one run while it is made: a hidden folder beside its place, gone unless `finish` puts it there.

    Args:
        folder: its place.
        name: of the sequence.

    Raises:
        InputError: Jinja2 or Matplotlib is missing; the place is taken, or nothing can be written there.
    """

    def __init__(self, folder: Path, name: str) -> None:
        for package in ("jinja2", "matplotlib"):
            require_package(package, f"--report {folder}")
        require_place(folder)
        self.folder, self._name = folder, name
        self.sections: list[Section] = []
        self._sink: ReportSink | None = None

    def __enter__(self) -> Report:
        with ExitStack() as stack:
            self._made = stack.enter_context(hidden_folder(self.folder))
            self._open = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)

    def sink(
        self,
        frame_rate: float,
        frames: Frames | None,
        style: Style = PLAIN,
        with_sound: bool = True,
        length: int | None = None,
        same_as: Path | None = None,
    ) -> ReportSink:
        """Where the frames go; arguments as `ReportSink`'s."""
        self._sink = ReportSink(self._made / VIDEO, frame_rate, frames, style, with_sound, length, same_as)
        return self._sink

    def finish(self, told: Told) -> None:
        """Write the page and put the folder in its place; nothing is written where the sink was given up.

        Raises:
            InputError: it cannot be written.
        """
        if self._sink is None or not self._sink.is_whole:
            return
        write_page(self._made / PAGE, "report.html", **values_of(self._name, self._sink, told, self.sections))
        put_in_place(self._made, self.folder)


def values_of(name: str, sink: ReportSink, told: Told, sections: Sequence[Section]) -> dict[str, Any]:
    """What the template `report.html` shows."""
    film, rows = sink.film, sink.rows
    found = identities(rows, film, told.class_names or {})
    edges, mean, largest = numbers_present(rows, film, BINS)
    best = sink.crops.best()
    longest = sorted(found, key=lambda one: -one.stay)[:MOST_BARS]
    shown = {one.number for one in longest}
    return {
        "title": name,
        "video": VIDEO if sink.video.is_file() else None,
        "length": film.length,
        "half_frame": 0.5 / film.rate,
        "frames": len(film.frames),
        "rate": film.rate,
        "size": film.size,
        "found": found,
        "timeline": [one for one in found if one.number in shown],
        "gallery": [
            (one, [(float(film.place(crop.frame)), _data(crop.jpeg)) for crop in best[one.number]])
            for one in found
            if best.get(one.number)
        ],
        "most": int(largest.max(initial=0)),
        "mean": float(np.average(mean, weights=np.diff(edges))) if len(mean) else 0.0,
        "middle_stay": float(np.median([one.stay for one in found])) if found else 0.0,
        "classes": Counter(one.class_name for one in found if one.class_name),
        "counts": figures.counts(edges, mean, largest) if len(mean) else None,
        "stays": figures.stays(found) if found else None,
        "doors": _doors(found),
        "told": told,
        "sections": sections,
        "made": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        "versions": versions(told),
        **_pictures(rows, found, film, sink.scene),
        **_calibration(name, told.threshold),
        **_metrics(name, rows, told),
    }


def _pictures(rows: Rows, found: Sequence[Identity], film: Film, scene: Image | None) -> dict[str, Any]:
    if scene is None or film.size is None or not found:
        return {"scene": None, "heat": None, "door_marks": None}
    return {
        "scene": _data(_jpeg(small(scene))),
        "heat": _data(_jpeg(heat_map(rows.feet, scene))),
        "door_marks": figures.doors(found, film.size),
    }


def _doors(found: Sequence[Identity]) -> list[tuple[str, int, int]]:
    """Place, how many came there, how many went; sides without anybody are left out."""
    came, went = Counter(one.came for one in found), Counter(one.went for one in found)
    places = (*SIDES, INSIDE, AT_BEGINNING, AT_END)
    return [(place, came[place], went[place]) for place in places if came[place] or went[place]]


def _calibration(name: str, threshold: OnlineThreshold | None) -> dict[str, Any]:
    histograms = () if threshold is None else (threshold.same, threshold.different)
    if threshold is None or not any(one is not None and one.total for one in histograms):
        return {"calibration": None, "verdict": ""}
    found = calibration_report(name, threshold)
    return {"calibration": figures.calibration(threshold, found), "verdict": found.verdict}


def _metrics(name: str, rows: Rows, told: Told) -> dict[str, Any]:
    """The figures that people look at; where they cannot be had, why."""
    if told.ground_truth is None:
        return {"metrics": None, "why_no_metrics": ""}
    order = np.lexsort((rows.ids, rows.frames))
    boxes = rows.boxes[order].astype(float)
    result = TrackTable(rows.frames[order], rows.ids[order], boxes, np.ones(len(rows)))
    try:
        row = evaluate({name: told.ground_truth}, {name: result}, say=lambda line: None)[name]
    except InputError as error:
        return {"metrics": None, "why_no_metrics": str(error)}
    shown = [(column, _figure(row[column], column), meaning) for column, meaning in METRICS.items()]
    return {"metrics": shown, "why_no_metrics": ""}


def _figure(value: float, column: str) -> str:
    return f"{value:.1f} %" if column in PERCENT else f"{value:.0f}"


def versions(told: Told) -> list[tuple[str, str]]:
    """Of this program, Python and the packages that took part."""
    try:
        own = metadata.version("flatsort")
    except metadata.PackageNotFoundError:
        own = "a checkout that is not installed"
    loaded = [(name, getattr(sys.modules.get(name), "__version__", None)) for name in PACKAGES]
    return [
        ("FlatSORT", f"{own}, {told.backend} core"),
        ("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        *((name, str(version)) for name, version in loaded if version is not None),
    ]


def _data(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{b64encode(jpeg).decode('ascii')}"


def _jpeg(image: Image) -> bytes:
    import cv2

    encoded, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 82])
    assert encoded
    return data.tobytes()
