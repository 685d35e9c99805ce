"""Fit a descriptor to the people that a sequence's own detections show: what `track --adapt` and `tools.adapt` share.

Learning is `embedding.training.adaptation`'s; here it gets its crops, and its weights get their place.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from embedding.extras import require_package
from embedding.progress import Progress, say, unseen
from tracker.core.detections import IntArray
from tracker.errors import InputError
from tracker.files.cache import kept_path
from tracker.files.folders import hidden_folder
from tracker.files.motchallenge import DetectionTable, TrackTable, read_detections
from tracker.footage.crops import (
    CropRule,
    cut_boxes,
    detect_all,
    link_detections,
    require_rereadable,
)
from tracker.footage.judged import joined_tracklets
from tracker.input.detectors import load_detector
from tracker.input.frames import picture_size
from tracker.input.numbering import renumbered
from tracker.input.sequences import Sequence, find_detections

if TYPE_CHECKING:
    from embedding.descriptors.latent import LatentDescriptor
    from embedding.descriptors.spec import Part
    from embedding.training.adaptation_settings import AdaptationSettings
    from embedding.training.held_back import AdaptationReport

DEFAULT_MINUTES = 4.0
MOST_CROPS = 20_000  # 250 MB; neighbouring frames, which are left out first, show little that is new
RESULTS = {
    "shipped": "the descriptor stays as it was",
    "whitened": "the descriptor has a new whitening",
    "adapted": "the descriptor is adapted",
}


def adapt_to(
    sequences: Iterable[Sequence],
    detections: str,
    base: str,
    out: str | Path,
    minutes: float = DEFAULT_MINUTES,
    progress: Progress = unseen,
    *,
    steps: int | None = None,
    seed: int = 0,
    device: str = "auto",
    writes_unchanged: bool = True,
    judged: Mapping[str, TrackTable] | None = None,
) -> AdaptationReport:
    """Write OUT.safetensors and OUT.json: a trained descriptor, fitted to the people of one camera's videos.

    The crops, at most some 20,000, lie in a folder beside `out` while this runs.

    Args:
        sequences: folders or video files.
        detections: a file or detector, as `track --det` takes it.
        base: a model's name, file or run's folder, as `Descriptor.load` knows it.
        out: the weights to write.
        minutes: to learn for, of CPU time over all threads; of elapsed time on a GPU.
        progress: is told what is going on, and how much of it is done.
        steps: to learn for, instead of minutes; the result can be repeated then.
        seed, device: of the learning.
        writes_unchanged: whether the base is written where nothing was better.
        judged: by a sequence's name, tracks of those whom a person found to be one; to learn from beside tracklets.

    Raises:
        InputError: frames or detections are missing or malformed, detections have features, `base` cannot be adapted,
            `minutes` is not positive, nothing can be written to `out`, or somebody was judged in another sequence.
    """
    model, _ = _load_base(base, device)
    _require_suffix(model, Path(out))
    settings = _settings(minutes, steps, seed, device)
    tables = [(sequence, _detections_of(sequence, detections, progress)) for sequence in sequences]
    names = [sequence.name for sequence, _ in tables]
    for name in judged or {}:
        if name not in names:
            raise InputError(f"corrections of {name or 'no sequence'}: expected of {', '.join(names)}")
    return _adapt(tables, model, Path(out), settings, progress, writes_unchanged, judged)


def adapted_weights(
    sequence: Sequence, table: DetectionTable, base: str, result: Path, minutes: float, progress: Progress
) -> Path:
    """The weights beside a result file that are fitted to a sequence's detections; made where they are not there yet.

    Their name holds a digest of frames, detections, base and settings. What came of it is told on standard error.

    Args:
        sequence, table: what to adapt to; without features.
        base, minutes, progress: as `adapt_to`.
        result: the file that tracks are written to.

    Raises:
        InputError: as `adapt_to`.
    """
    settings = _settings(minutes)
    model, name = _load_base(base, settings.device)
    parts = sequence.frames, table, name, settings, CropRule(), MOST_CROPS
    weights = kept_path(result, "adapted", _suffix(model), *parts)
    kept = _kept_report(weights)
    if kept is not None:
        say(f"{sequence.name}: {describe(*kept)} (earlier run) -> {weights}")
        return weights
    time = "a second" if _is_closed_form(model) else f"{minutes:g} minutes of CPU time"
    say(f"{sequence.name}: adapting {base} to {len(table)} detections, {time}")
    report = _adapt([(sequence, table)], model, weights, settings, progress)
    say(f"{sequence.name}: {describe(report.chosen, report.reason)} -> {weights}")
    return weights


def adapted_spec(
    sequence: Sequence, table: DetectionTable, spec: str, result: Path, minutes: float, progress: Progress
) -> str:
    """A descriptor with every trained part fitted to a sequence's detections: `default+colour` -> `FILE+colour`.

    Args:
        spec: as `--descriptor` takes it.
        sequence, table, result, minutes, progress: as `adapted_weights`, whose errors it raises too.
    """
    parts, trained = _parts_of(spec)
    fitted = {name: str(adapted_weights(sequence, table, name, result, minutes, progress)) for name in trained}
    weighted = [(fitted.get(part.name, part.name), part.weight) for part in parts]
    return "+".join(name if weight is None else f"{weight:g}*{name}" for name, weight in weighted)


def _parts_of(spec: str) -> tuple[tuple[Part, ...], list[str]]:
    """A descriptor's parts, and the names of those that are trained; InputError where none is."""
    from embedding.descriptors.spec import adaptable_path, parse

    parts = parse(spec)
    trained = [name for name in dict.fromkeys(part.name for part in parts) if adaptable_path(name) is not None]
    if not trained:
        _model_of(spec)
    return parts, trained


def describe(chosen: str, reason: str) -> str:
    """What came of an adaptation, and why, in one line."""
    return f"{RESULTS[chosen]}: {reason}"


def require_adaptable(sequence: Sequence, descriptor: str, minutes: float) -> None:
    """InputError where a descriptor cannot be adapted to a sequence, as far as shows before anything is read."""
    require_rereadable(sequence)
    _require_positive(minutes)
    if descriptor == "none":
        raise InputError("--adapt: --descriptor is none, expected a trained model")
    _parts_of(descriptor)


def _settings(minutes: float, steps: int | None = None, seed: int = 0, device: str = "auto") -> AdaptationSettings:
    from embedding.training.adaptation_settings import AdaptationSettings

    _require_positive(minutes)
    return AdaptationSettings(minutes=minutes, steps=steps, seed=seed, device=device)


def _require_positive(minutes: float) -> None:
    if not 0 < minutes < math.inf:
        raise InputError(f"minutes of adaptation: found {minutes:g}, expected a number above 0")


def _load_base(name: str, device: str) -> tuple[Path, str]:
    """Where the model is, and what it is called by its content. Loaded, as what is wrong with it should show first."""
    path = _model_of(name)
    from embedding.descriptors.cropping import SIDE

    if _is_closed_form(path):
        from embedding.descriptors.closed_form import ClosedForm

        return path, ClosedForm.load(path).name
    require_package("torch", f"--adapt of {name}")
    from embedding.descriptors.latent import LatentDescriptor  # torch takes seconds: a wrong name should not

    model: LatentDescriptor = LatentDescriptor(path, device)
    if (model.width, model.height) != (SIDE, SIDE):
        raise InputError(f"{path}: a model of crops of {model.width} x {model.height}, expected {SIDE} x {SIDE}")
    return path, model.name


def _model_of(name: str) -> Path:
    from embedding.descriptors.spec import adaptable_path

    path = adaptable_path(name)
    if path is None:
        raise InputError(
            f"descriptor {name!r}: cannot be adapted, expected a trained model: a name in embedding/weights, "
            "a .safetensors or .npz file or a run's folder"
        )
    return path


def _is_closed_form(path: Path) -> bool:
    return path.suffix == ".npz"


def _suffix(base: Path) -> str:
    """Of the files that a base and what is adapted from it are written to."""
    return ".npz" if _is_closed_form(base) else ".safetensors"


def _require_suffix(base: Path, out: Path) -> None:
    if out.suffix != _suffix(base):
        kind = "a closed-form descriptor" if _is_closed_form(base) else "a network"
        raise InputError(f"--out {out}: {base.stem} is {kind}, expected a name that ends in {_suffix(base)}")


def _detections_of(sequence: Sequence, detections: str, progress: Progress) -> DetectionTable:
    require_rereadable(sequence)
    path = find_detections(detections, sequence)
    if path is None:
        return detect_all(sequence, load_detector(detections), progress)
    return renumbered(read_detections(path, size=lambda: picture_size(sequence)), sequence.frames)


def _adapt(
    tables: list[tuple[Sequence, DetectionTable]],
    base: Path,
    out: Path,
    settings: AdaptationSettings,
    progress: Progress,
    writes_unchanged: bool = True,
    judged: Mapping[str, TrackTable] | None = None,
) -> AdaptationReport:
    names = tables[0][0].name if len(tables) == 1 else f"{len(tables)} sequences"
    with hidden_folder(out) as folder:
        pack = folder / "crops.npy"
        _pack(tables, pack, progress)
        people = _people(pack, judged) if judged else None
        progress(f"{names}, comparing descriptors", 0.0, 1)
        if _is_closed_form(base):
            from embedding.training.own_whitening import adapt_closed_form

            return adapt_closed_form(
                base, pack, out, seed=settings.seed, writes_unchanged=writes_unchanged, people=people
            )
        from embedding.training.adaptation import adapt

        def told(doing: str, done: float, total: float | None) -> None:
            progress(f"{names}, {doing}", done, total)

        return adapt(base, pack, out, settings, told, writes_unchanged, people)


def _people(pack: Path, judged: Mapping[str, TrackTable]) -> IntArray:
    """Whom each crop of a pack shows, as far as tracklets and a person say it."""
    from embedding.data.crop_pack import read_index

    return joined_tracklets(read_index(pack), judged)


def _pack(tables: list[tuple[Sequence, DetectionTable]], pack: Path, progress: Progress) -> None:
    """Write the crops of all sequences, of every N-th frame where there would be more than `MOST_CROPS`."""
    from embedding.data.crop_pack import CropWriter

    rule = CropRule()
    linked = [(sequence, link_detections(table, rule)) for sequence, table in tables]
    count = sum(len(rule.choose(boxes)) for _, boxes in linked)
    rule = replace(rule, every=max(1, math.ceil(count / MOST_CROPS)))
    with CropWriter(pack) as writer:
        for sequence, boxes in linked:
            cut_boxes(sequence, rule.choose(boxes), rule, writer, progress)


def _kept_report(weights: Path) -> tuple[str, str] | None:
    """What came of an earlier adaptation and why, if these are its weights."""
    from embedding.descriptors.spec import adaptable_path

    if adaptable_path(str(weights)) is None:
        return None
    if _is_closed_form(weights):
        from embedding.descriptors.closed_form import ClosedForm

        about = ClosedForm.load(weights).record.get("adaptation")
    else:
        from embedding.vae.weights import read_record

        about = read_record(weights).get("adaptation")
    if not isinstance(about, dict) or not {"chosen", "reason"} <= about.keys():
        raise InputError(f"{weights}: was not written by an adaptation; remove it and run again")
    return about["chosen"], about["reason"]
