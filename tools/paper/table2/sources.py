"""Which descriptors take part in Table 2, and where the features of each lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from embedding.progress import progress_shown
from tools.paper.nested import learnt_from
from tools.paper.table2.features import described, useless
from tools.paper.table2.rows import ADAPTED, BASE, BASELINES, FILE, LABELS, MODELS, PAPERS, SUPERVISED, Input
from tracker.errors import InputError
from tracker.footage.adapt import adapted_weights
from tracker.footage.adapt import describe as describe_adaptation

if TYPE_CHECKING:
    from embedding import Descriptor
    from embedding.descriptors.base import DescribesBoxes

Files = dict[str, dict[str, Path]]  # label -> sequence -> detections with features
Absent = dict[str, str]  # label -> why


@dataclass
class Features:
    """What there is to track one detector's detections with.

    Attributes:
        files: in the order of the table.
        absent: descriptors that there are no features of.
        adaptations: sequence -> what came of the adaptation, and why.
    """

    files: Files = field(default_factory=dict)
    absent: Absent = field(default_factory=dict)
    adaptations: dict[str, str] = field(default_factory=dict)


def load_describers(
    descriptors: Sequence[str], supervised: Path | None
) -> tuple[dict[str, DescribesBoxes], Absent, dict[str, set[str]]]:
    """Descriptors by label: the paper's, ours, baselines, the supervised network and the user's own.

    Args:
        descriptors: LABEL=SPEC, where SPEC is what `Descriptor.load` takes; or SPEC alone. The label of one of the
            paper's models says where that model lies.
        supervised: a network's .onnx file.

    Returns:
        The descriptors, which of the project's own are not there, and from which sequences each has learnt.

    Raises:
        InputError: one that the user asked for is not there, or a label occurs twice.
    """
    from embedding import Descriptor

    asked = dict([(SUPERVISED, str(supervised))] if supervised else [])
    for text in descriptors:
        label, spec = _parse(text)
        if label in asked or label in set(LABELS) - set(PAPERS):
            raise InputError(f"--descriptor {text}: {label!r} is taken, expected LABEL=SPEC with another label")
        asked[label] = spec
    found: dict[str, DescribesBoxes] = {label: Descriptor.load(spec) for label, spec in asked.items()}
    specs = {**MODELS, **BASELINES, **asked}
    ours = {label: _load_or_why(spec) for label, spec in specs.items() if label not in asked}
    found |= {label: one for label, one in ours.items() if not isinstance(one, str)}
    seen = {label: learnt_from(spec) for label, spec in specs.items() if label in found}
    return found, {label: why for label, why in ours.items() if isinstance(why, str)}, seen


def _load_or_why(spec: str) -> Descriptor | str:
    """A descriptor, or why there is none of that name."""
    from embedding import Descriptor

    try:
        return Descriptor.load(spec)
    except InputError as error:
        return str(error).partition(", expected")[0]


def _parse(text: str) -> tuple[str, str]:
    """LABEL=SPEC; a path may hold an equals sign too, so SPEC alone is taken where it is a file."""
    label, equals, spec = text.partition("=")
    if not equals or Path(text).exists():
        return Path(text).stem if Path(text).exists() else text, text
    if not label or not spec:
        raise InputError(f"--descriptor {text}: expected LABEL=SPEC")
    return label, spec


def find_features(
    inputs: Sequence[Input], describers: Mapping[str, DescribesBoxes], folder: Path, minutes: float
) -> Features:
    """The features of one detector's detections, computed where they are not kept yet.

    Args:
        inputs: a sequence each.
        describers: label -> descriptor.
        folder: features and adapted weights are kept here.
        minutes: of adaptation to each sequence; 0 for none.
    """
    found = Features()
    frameless = [one.video.name for one in inputs if one.video.frames is None]
    if frameless:
        found.absent = dict.fromkeys([*describers, ADAPTED], f"{frameless[0]} has no frames")
    elif minutes <= 0:
        found.absent = {ADAPTED: "no --adapt-minutes"}
    files: Files = {}
    for one in inputs:
        paths = useless(one.video, one.table, folder)
        if not frameless:
            usable = dict(describers)
            if minutes > 0:
                usable[ADAPTED], found.adaptations[one.video.name] = _adapted(one, folder, minutes)
            paths |= described(one.video, one.table, usable, folder)
        for label, path in paths.items():
            files.setdefault(label, {})[one.video.name] = path
    if all(one.has_features for one in inputs):
        files[FILE] = {one.video.name: one.file for one in inputs}
    elif SUPERVISED not in describers:
        found.absent[SUPERVISED] = "no --supervised FILE.onnx, and no features in the detections"
    own = [label for label in files if label not in LABELS]
    found.files = {label: files[label] for label in (*LABELS, *own) if label in files}
    return found


def _adapted(one: Input, folder: Path, minutes: float) -> tuple[Descriptor, str]:
    """The base fitted to a sequence's detections, and what came of it."""
    from embedding import Descriptor
    from embedding.vae.weights import read_record

    with progress_shown() as progress:
        weights = adapted_weights(one.video, one.table, BASE, folder / f"{one.video.name}.txt", minutes, progress)
    about = read_record(weights)["adaptation"]
    return Descriptor.load(str(weights)), describe_adaptation(about["chosen"], about["reason"])
