"""The full-size models in words: DIR/mot16.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools.paper.descriptors import compare
from tools.paper.table2.report import GLANCE, cell
from tracker.evaluate.scores import OVERALL

HEADER = ["model", "steps", "seconds", "passes over the crops", "C / bound", "F, nats", "beta", "fate"]
FORMS = ("plain", "whitened")


def fate(last: Mapping[str, Any]) -> str:
    """How a run came out of its initial phase, and whether the reconstruction is within the bound at the end.

    Args:
        last: the last row of its log.

    Example:
        >>> fate({"phase": "forced", "C_smoothed": 0.15, "bound": 0.18})
        'forced out of the initial phase; within the bound at the end'
        >>> fate({"phase": "initial", "C_smoothed": 0.9, "bound": 0.18})
        'in the initial phase to the end: the prior was not trained'
    """
    if last["phase"] == "initial":
        return "in the initial phase to the end: the prior was not trained"
    left = "forced out of the initial phase" if last["phase"] == "forced" else "bound reached"
    return f"{left}; {'within' if last['C_smoothed'] <= last['bound'] else 'above'} the bound at the end"


def markdown(figures: Mapping[str, Any]) -> str:
    """The whole report."""
    measured = figures["descriptors"]
    names = ", ".join(figures["held_out"]) or "nothing"
    parts = [
        "# The paper's models of section 4.4 at full size",
        f"{figures['minutes']:g} minutes in all, {figures['jobs']} at a time, on {figures['device']}; held out: "
        f"{names}. `mot16.json` has each model's settings, `models/NAME/log.csv` its training.",
        "## Training",
        compare.table(HEADER, _training_rows(figures["models"])),
        "Fate: a run leaves its initial phase, in which the prior rests, when the reconstruction error C (smoothed) "
        "reaches the bound, or is forced out of it after `constraint.max_initial_steps`.",
        "## Retrieval, by cosine",
        compare.protocol(measured),
        "In the columns `off` the gallery leaves out the query's own tracklet.",
        compare.table(["model", "form", *compare.HEADER[1:]], _retrieval_rows(measured["descriptors"])),
        "## Flatness",
        compare.MODELS_EXPLAINED,
        compare.table(compare.MODEL_HEADER, compare.model_rows(measured["descriptors"])),
        "![Eigenvalues of the metric](spectra.png)",
    ]
    if figures["table2"] is not None:
        parts.append("## Table 2")
        for detector, found in figures["table2"]["detectors"].items():
            where = f"{detector}, {', '.join(figures['table2']['sequences'])}"
            parts += [where, compare.table(["tracker", "descriptor", *GLANCE], _tracking_rows(found["rows"]))]
        parts.append("[table2.md](table2.md) has every tracker, descriptor and column.")
    return "\n\n".join(parts) + "\n"


def _training_rows(models: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    return [
        [label, *["-"] * (len(HEADER) - 2), found["fate"]]
        if "step" not in found
        else [
            label,
            str(found["step"]),
            f"{found['seconds']:.0f}",
            f"{found['passes']:.1f}",
            f"{found['C_smoothed']:.3g} / {found['bound']:.3g}",
            f"{found['F']:.0f}",
            f"{found['beta']:.2g}",
            found["fate"],
        ]
        for label, found in models.items()
    ]


def _retrieval_rows(descriptors: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    return [
        [label, form, *cells]
        for label, form, metric, *cells in compare.all_rows(descriptors)
        if metric == "cosine" and form in FORMS
    ]


def _tracking_rows(rows: list[dict[str, Any]]) -> list[list[str]]:
    return [
        [row["tracker"], row["descriptor"] or "-", *(cell(name, row["scores"][OVERALL][name]) for name in GLANCE)]
        for row in rows
    ]
