"""The paper's four models of section 4.4 at full size: trained within a given time, then measured.

`python -m tools.paper mot16 --crops FILE --out DIR --minutes 60 [--root MOT16]`. Models are kept in DIR/models: what is
trained is not trained again, what was cut off goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from embedding.data.crop_pack import NOBODY, identity_path, read_identities, read_index
from embedding.descriptors.latent import LatentDescriptor
from embedding.distributed import choose_device
from embedding.errors import InputError, TrainingError
from embedding.files import atomic_path
from embedding.retrieval import Labels
from embedding.vae.weights import read_record
from tools.paper.descriptors import compare, truth
from tools.paper.mot16 import report
from tools.paper.mot16.models import Plan, held_out, make_plans
from tools.paper.mot16.training import train_all
from tools.paper.table2 import experiment as table2
from tools.paper.table2.rows import read_input
from tracker.input.sequences import find_sequences

if TYPE_CHECKING:
    from tools.paper.bench import Bench
    from tools.paper.experiments import Data


def run(bench: Bench, data: Data) -> dict[str, Any]:
    """Train, measure, write DIR/mot16.md and the pictures.

    With --root the crops of the comparison are the ground truth's, cut from the frames, and Table 2 has its rows;
    without, they are those of the pack's detections whose identity is known, in the sequences held out.

    Args:
        bench: where to, and whether quickly.
        data: crops, time, jobs; sequences and detections to measure on.

    Returns:
        The figures, as DIR/mot16.json holds them.

    Raises:
        InputError: no pack of crops, nothing to measure on, or a value that does not fit.
        TrainingError: no model came to its end.
    """
    plans = make_plans(bench.output, data, bench.quick)
    _require_people(data)
    device = _device(plans[0])
    bench.say(f"mot16: on {device}, {data.jobs} at a time, {data.minutes:g} minutes, {plans[0].config.data.path}")
    stopped = train_all(plans, data.jobs, bench.say)
    trained = [plan for plan in plans if plan.label not in stopped]
    if not trained:
        raise TrainingError("; ".join(f"{label} {why}" for label, why in stopped.items()))
    measured = _describe(bench, data, trained)
    figures = {
        "minutes": data.minutes,
        "jobs": data.jobs,
        "device": device,
        "held_out": list(held_out(data)),
        "models": {
            plan.label: {"fate": stopped[plan.label]} if plan.label in stopped else _training(plan) for plan in plans
        },
        "descriptors": measured,
        "table2": _track(bench, data, trained),
    }
    with atomic_path(bench.output / "mot16.md") as temporary:
        temporary.write_text(report.markdown(figures), encoding="utf-8")
    return figures


def _require_people(data: Data) -> None:
    """Complain of what cannot be measured before an hour of training, not after."""
    if data.root is not None:
        for video in find_sequences(data.seq, data.root):
            truth.read_truth(video, truth.first_of(data.det, video), data.every)
            for det in data.det:
                read_input(det, video)
    elif not len(_known_rows(data)):
        lacks = f"{identity_path(data.crops)} knows nobody in {', '.join(held_out(data)) or 'a held-out sequence'}"
        raise InputError(
            f"--root: not given, and {lacks}; expected either: without people of known identity nothing is measured"
        )


def _known_rows(data: Data) -> np.ndarray:
    """Rows of the pack in the sequences held out whose identity is known, of every N-th frame."""
    if not identity_path(data.crops).is_file():
        return np.zeros(0, np.int64)
    origin = read_index(data.crops)
    known = np.isin(origin.sequence, [origin.names.index(name) for name in held_out(data)])
    known &= (read_identities(data.crops) != NOBODY) & ((origin.frame - 1) % data.every == 0)
    return np.flatnonzero(known)


def _device(plan: Plan) -> str:
    device = choose_device(plan.config.device)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _training(plan: Plan) -> dict[str, Any]:
    """What came of one run."""
    record = read_record(plan.weights)
    last, config = record["figures"], plan.config
    ran = {key: last[key] for key in ("step", "seconds", "phase", "C", "C_smoothed", "bound", "F", "beta", "c", "rel")}
    crops = {"crops": record["data"]["count"], "passes": last["step"] * config.batch / record["data"]["count"]}
    return {**ran, **crops, "fate": report.fate(last), "overrides": list(plan.overrides)}


def _describe(bench: Bench, data: Data, plans: Sequence[Plan]) -> dict[str, Any]:
    """What `tools.paper descriptors` says of these models."""
    specs = [str(plan.folder) for plan in plans]
    if data.root is not None:
        found = truth.run(bench, data.root, data.seq, data.det, specs, data.every)
    else:
        found = _describe_pack(bench, data, specs)
    labels = {plan.folder.name: plan.label for plan in plans}
    found["descriptors"] = {labels[name]: figures for name, figures in found["descriptors"].items()}
    return found


def _describe_pack(bench: Bench, data: Data, specs: Sequence[str]) -> dict[str, Any]:
    """The same on crops of a pack whose identity is known."""
    rows, origin = _known_rows(data), read_index(data.crops)
    crops = np.load(data.crops, mmap_mode="r", allow_pickle=False)[rows]
    labels = Labels(
        read_identities(data.crops)[rows],
        np.unique(origin.sequence[rows], return_inverse=True)[1],
        origin.frame[rows],
        origin.tracklet[rows],
    )
    compared = compare.load_compared(specs)
    features = {
        one.label: one.describe.describe_crops(crops) for one in compared if isinstance(one.describe, LatentDescriptor)
    }
    names = [origin.names[number] for number in np.unique(origin.sequence[rows])]
    about = {"sequences": names, "det": data.crops.name, "every": data.every, "visibility": None}
    return compare.run(bench, crops, labels, compared, features, about)


def _track(bench: Bench, data: Data, plans: Sequence[Plan]) -> dict[str, Any] | None:
    """The rows of Table 2 that these models, and motion alone, have; None without frames."""
    if data.root is None:
        return None
    named = tuple(f"{plan.label}={plan.folder}" for plan in plans)
    found = table2.run(bench, replace(data, descriptor=named, adapt_minutes=0.0))
    shown = {None, *(plan.label for plan in plans)}
    for detector in found["detectors"].values():
        detector["rows"] = [row for row in detector["rows"] if row["descriptor"] in shown]
    return found
