"""Table 2 in words: the paper's rows beside ours, as Markdown and on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tools.paper.nested import chosen_elsewhere
from tracker.evaluate.scores import OVERALL
from tracker.evaluate.table import PERCENT, print_columns, wide_console

GLANCE = ("IDF1", "MOTA", "HOTA", "IDs")  # where a terminal is too narrow for all
COLUMNS = tuple("IDF1 IDP IDR Recall Precision FAR MT PT ML FP FN IDs FM MOTA MOTP MOTAL HOTA".split())  # noqa: SIM905
PUBLISHED_COLUMNS = ("IDF1", "MOTA", "IDs")

# Chen et al. 2020, Table 2, as far as it is at hand: POI detections, the seven sequences of MOT16's training set.
PUBLISHED: dict[str, dict[str, float]] = {
    "SORT": {"IDF1": 57.0, "MOTA": 58.2, "IDs": 1486},
    "DeepSORT": {"IDF1": 64.7, "MOTA": 60.3, "IDs": 585},
    "VHP-VAE-SORT": {"MOTA": 59.0, "IDs": 693},
    "VHP-FMVAE-SORT 300": {"MOTA": 59.1, "IDs": 616},
    "VHP-FMVAE-SORT 3000": {"IDF1": 64.2, "MOTA": 59.1, "IDs": 598},
}
PUBLISHED_BOXES = 110_407  # of the ground truth of the seven sequences
COUNTERPARTS = {  # tracker and descriptor -> the paper's row
    ("sort, max_age 1", None): "SORT",
    ("deepsort", "file"): "DeepSORT",
    ("deepsort", "supervised"): "DeepSORT",
    ("deepsort", "VHP-VAE"): "VHP-VAE-SORT",
    ("deepsort", "VHP-FMVAE 300"): "VHP-FMVAE-SORT 300",
    ("deepsort", "VHP-FMVAE 3000"): "VHP-FMVAE-SORT 3000",
}
NOTE = (
    "The columns at the right are the paper's own, measured on POI detections of all seven sequences of MOT16's "
    "training set; the others on the detections and sequences named here. They are not comparable line by line unless "
    "these are the same."
)
SETTINGS = (
    "Every row has the same detections. `sort` and `deepsort` have the paper's settings (App. A.3): confidence from "
    "0.3, non-maximum suppression at IoU 0.7, cosine distance up to 0.2, gallery of 100; `deepsort` has `max_age` 30. "
    "`flatsort` is the preset as it is: it starts tracks at confidence 0.6, continues them from 0.1, and finds its own "
    "threshold; `gaps filled` and `linked` are its second passes over a recording."
)
MEANING = (
    "`file`: features that come with the detections. `supervised`: the network of --supervised. `held out`: trained "
    "without MOT16-11. `adapted`: `held out`, fitted to the sequence's own detections without labels. `constant` and "
    "`random`: features that say nothing."
)


def counterpart(row: Mapping[str, Any]) -> str | None:
    """The paper's name of one of our rows."""
    return COUNTERPARTS.get((row["tracker"], row["descriptor"]))


def header() -> list[str]:
    return ["tracker", "descriptor", *COLUMNS, "in the paper", *(f"{column} (POI)" for column in PUBLISHED_COLUMNS)]


def lines(rows: Sequence[Mapping[str, Any]], sequence: str = OVERALL) -> list[list[str]]:
    """Cells of every row for one sequence; the paper's figures beside those of all together."""
    table = []
    for row in rows:
        cells = [row["tracker"], row["descriptor"] or "-"]
        cells += [cell(column, row["scores"][sequence][column]) for column in COLUMNS]
        name = counterpart(row) if sequence == OVERALL else None
        published = PUBLISHED.get(name or "", {})
        table.append([*cells, name or "", *(cell(column, published.get(column)) for column in PUBLISHED_COLUMNS)])
    return table


def cell(column: str, value: float | None) -> str:
    """A value as its column shows it; empty where there is none."""
    if value is None:
        return ""
    return f"{value:.2f}" if column == "FAR" else f"{value:.1f}" if column in PERCENT else f"{value:.0f}"


def print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """The table of all sequences on standard output; of our figures the most important where there is no room."""
    console = wide_console()
    columns = list(zip(header(), *lines(rows), strict=True))
    if sum(max(map(len, column)) + 2 for column in columns) > console.width:
        columns = [column for column in columns if column[0] in GLANCE or column[0] not in COLUMNS]
    title, *cells = zip(*columns, strict=True)
    print_columns(title, cells, console)


def markdown(figures: Mapping[str, Any]) -> str:
    """The whole report, as DIR/table2.md holds it."""
    from tools.paper.descriptors.compare import table

    parts = ["# Table 2", NOTE, SETTINGS, MEANING]
    for name, found in figures["detectors"].items():
        parts.append(f"## {name}: {', '.join(figures['sequences'])}")
        parts.append(table(header(), lines(found["rows"])))
        if len(figures["sequences"]) > 1:
            parts += ["### Over sequences", OVER, table(OVER_HEADER, over_lines(found["rows"], figures["seen"]))]
        for title in ("absent", "adaptations"):
            if found[title]:
                notes = "; ".join(f"{name}: {note}" for name, note in found[title].items())
                parts.append(f"{title.capitalize()}: {notes}.")
        if "sweep" in found:
            parts += ["### Thresholds on cosine distance", SWEEP, table(SWEEP_HEADER, _sweep_lines(found["sweep"]))]
        if found["occlusions"]:
            parts += ["### Occlusions", OCCLUSIONS, table(OCCLUSION_HEADER, _occlusion_lines(found["occlusions"]))]
        for sequence in figures["sequences"]:
            parts += [f"### {sequence}", _without_paper(found["rows"], sequence)]
    return "\n\n".join(parts) + "\n"


def _without_paper(rows: Sequence[Mapping[str, Any]], sequence: str) -> str:
    from tools.paper.descriptors.compare import table

    width = 2 + len(COLUMNS)
    return table(header()[:width], [cells[:width] for cells in lines(rows, sequence)])


OVER = (
    "Each sequence counts alike, ± the deviation over them. * has learnt from one of them. Chosen on the others: of "
    "each sequence the row without labels whose HOTA is best on the other sequences, and that has not learnt from it."
)
LABELLED = ("file", "supervised")  # or of unknown origin
OVER_COLUMNS = ("HOTA", "IDF1", "MOTA")
OVER_HEADER = ["tracker", "descriptor", *OVER_COLUMNS]


def over_lines(rows: Sequence[Mapping[str, Any]], seen: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Means over sequences of every row, and of rows that were chosen on the others."""
    found, trackers = [], list(dict.fromkeys(row["tracker"] for row in rows))
    for name in trackers:
        of_tracker = {str(row["descriptor"] or "-"): row["scores"] for row in rows if row["tracker"] == name}
        names = [sequence for sequence in next(iter(of_tracker.values())) if sequence != OVERALL]
        for label, scores in of_tracker.items():
            mark = "*" if set(seen.get(label, ())) & set(names) else ""
            found.append([name, label + mark, *_means([scores[sequence] for sequence in names])])
        ours = [label for label in of_tracker if label not in LABELLED]
        hota = {label: {one: of_tracker[label][one]["HOTA"] for one in names} for label in ours}
        chosen = chosen_elsewhere(hota, {label: set(learnt) for label, learnt in seen.items()})
        if len(ours) > 1 and len(chosen) == len(names):
            what = ", ".join(f"{sequence} {label}" for sequence, label in chosen.items())
            found.append(
                [name, f"chosen on the others: {what}", *_means([of_tracker[chosen[one]][one] for one in names])]
            )
    return found


def _means(scores: Sequence[Mapping[str, float]]) -> list[str]:
    columns = [[one[column] for one in scores] for column in OVER_COLUMNS]
    return [f"{np.mean(values):.1f} ± {np.std(values):.1f}" for values in columns]


SWEEP = (
    "At the paper's threshold; at the one that 0.3 % of the pairs within frames would pass (each sequence has its own, "
    "the mean is shown); and at the best of those tried on all sequences alike, which needs the ground truth."
)
SWEEP_HEADER = ["tracker", "descriptor", "IDF1 at 0.2", "calibrated", "IDF1", "best", "IDF1"]
OCCLUSIONS = (
    "People who pass behind others (visible share below 0.2, then above 0.6 again): whether the track has the same id "
    "before and after. The film strip is no sample of these: it is chosen so that its last row keeps the person and "
    "others do not, where there is such an occlusion."
)
OCCLUSION_HEADER = ["tracker", "kept", "switched", "lost", "unseen before"]


def _sweep_lines(sweeps: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    return [
        [preset, label, *(cell for kind in ("published", "calibrated", "best") for cell in _point(found[kind], kind))]
        for preset, descriptors in sweeps.items()
        for label, found in descriptors.items()
    ]


def _point(point: Mapping[str, float] | None, kind: str) -> list[str]:
    """Threshold and IDF1; the paper's threshold is in the header."""
    if point is None:
        return ["-", "-"]
    return [*([] if kind == "published" else [f"{point['threshold']:.3f}"]), f"{point['IDF1']:.1f}"]


def _occlusion_lines(found: Mapping[str, Mapping[str, int]]) -> list[list[str]]:
    return [[name, *(str(count) for count in ends.values())] for name, ends in found.items()]
