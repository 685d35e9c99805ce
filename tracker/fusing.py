"""Weights for the parts of a fused descriptor, found on a sequence's own footage before it is tracked.

`default+colour` says which descriptors, not which of them this footage should trust: `tracker.fusion_weights` does.
Here it gets its crops, and what it finds gets its place.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tracker.adapting import ShareLines
from tracker.crop_packing import embedding_errors, require_rereadable
from tracker.errors import InputError
from tracker.frames import open_frames
from tracker.fusion_weights import RULES, CropSample, pair_up, sample_crops, weigh
from tracker.motchallenge import DetectionTable, atomic_path
from tracker.sequences import Sequence

if TYPE_CHECKING:
    from embedding import Descriptor
    from embedding.fusion import Part

MIN_PAIRS = (50, 300)  # of one person, of two: with fewer the parts weigh alike


@dataclass(frozen=True)
class FusionWeights:
    """What was found for the parts of a descriptor.

    Attributes:
        names: of the parts, as `Descriptor.load` knows them.
        weights: one a part, 1 for the first that is not dropped, 0 for one that is.
        same, different: pairs of one person and of two that the weights come from.
        few: there were too few of them, and the parts weigh alike.
    """

    names: tuple[str, ...]
    weights: tuple[float, ...]
    same: int
    different: int
    few: bool = False

    @property
    def spec(self) -> str:
        """The descriptor with these weights, as `--descriptor` takes it."""
        from embedding.fusion import unparse

        return unparse(self.names, self.weights)

    def __str__(self) -> str:
        weights = " and ".join(f"{weight:.3g}" for weight in self.weights)
        pairs = f"{self.same:,} pairs of one person and {self.different:,} of two"
        found = f"weights {weights} " + (f"as {pairs} are too few to tell" if self.few else f"from {pairs}")
        return f"{'+'.join(self.names)}: {found}"


def fused_spec(sequence: Sequence, table: DetectionTable | None, spec: str, result: Path) -> str:
    """The descriptor with weights: `default+colour` -> `default+0.62*colour`; any other is returned as it is.

    What was found is told on standard error and kept as .json beside the result file, for the next run.

    Args:
        sequence: whose frames show what the parts are worth.
        table: its detections; None where they become known frame by frame.
        spec: as `--descriptor` takes it.
        result: the file that tracks are written to.

    Raises:
        InputError: the weights are to be found but there is no table, or frames that can be read only once; a part is
            not known; frames or what was kept cannot be read.
    """
    with embedding_errors():
        from embedding.fusion import parse

        parts = parse(spec)
    if not lacks_weights(parts):
        return spec
    if table is None or not isinstance(sequence.frames, Path):
        raise InputError(
            f"--descriptor {spec}: its weights are found from a file's frames and detections, which {sequence.name} "
            f"does not have; give them, as in {parts[0].name}+0.7*{parts[1].name} (tools.calibrate finds them)"
        )
    describe = load_parts(parts)
    path = result.with_name(f"{result.stem}.fused-{_digest(table, describe)}.json")
    kept = _read_kept(path) if path.is_file() else None
    found = kept or find_weights(sequence, table, parts, describe)
    print(f"{sequence.name}: {found}{' (earlier run)' if kept else ''}", file=sys.stderr, flush=True)
    if kept is None and (result.is_file() or not result.exists()):  # not beside /dev/null
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(asdict(found) | {"spec": found.spec}, indent=1) + "\n", "utf-8")
    return found.spec


def lacks_weights(parts: tuple[Part, ...]) -> bool:
    """Whether there are weights to be found."""
    return len(parts) > 1 and all(part.weight is None for part in parts)


def load_parts(parts: tuple[Part, ...], device: str = "auto") -> list[Descriptor]:
    """The parts' descriptors; InputError for one that is not known."""
    from embedding import Descriptor

    with embedding_errors():
        return [Descriptor.load(part.name, device) for part in parts]


def find_weights(
    sequence: Sequence, table: DetectionTable, parts: tuple[Part, ...], describe: list[Descriptor]
) -> FusionWeights:
    """The weights with which a descriptor's parts together tell a sequence's people apart best.

    Raises:
        InputError: the frames cannot be read, or a frame with detections is missing.
    """
    sample = sample_crops(table)
    pairs = pair_up(sample, table.frames[sample.rows])
    names = tuple(part.name for part in parts)
    counts = len(pairs.same), len(pairs.different)
    if counts[0] < MIN_PAIRS[0] or counts[1] < MIN_PAIRS[1]:
        return FusionWeights(names, (1.0,) * len(parts), *counts, few=True)
    weights = weigh(_described(sequence, table, sample, describe), pairs)
    return FusionWeights(names, tuple(weights.tolist()), *counts)


def _described(
    sequence: Sequence, table: DetectionTable, sample: CropSample, describe: list[Descriptor]
) -> list[NDArray[np.float32]]:
    """The features [M, D] of the sample by each descriptor, from the frames read up to the last that is needed."""
    require_rereadable(sequence)
    assert isinstance(sequence.frames, Path)
    features = [np.zeros((len(sample.rows), part.dimension), np.float32) for part in describe]
    frames, progress, done = table.frames[sample.rows], ShareLines(), 0
    with open_frames(sequence.frames) as source:
        for frame, image in source:
            place = slice(*np.searchsorted(frames, (frame, frame + 1)).tolist())
            boxes = table.boxes[sample.rows[place]]
            done += len(boxes)
            for part, of_part in zip(describe, features, strict=True):
                of_part[place] = part(image, boxes)
            progress(done / len(frames), f"{sequence.name}: weighing descriptors")
            if frame >= frames[-1]:
                break
    if done < len(frames):
        raise InputError(f"{sequence.frames}: a frame with detections is missing, found {done} of {len(frames)} boxes")
    return features


def _digest(table: DetectionTable, describe: list[Descriptor]) -> str:
    """Twelve characters that differ between detections, descriptors and ways to weigh them."""
    digest = hashlib.sha1(repr(([part.name for part in describe], RULES, MIN_PAIRS)).encode())
    for column in (table.frames, table.boxes, table.scores):
        digest.update(column.tobytes())
    return digest.hexdigest()[:12]


def _read_kept(path: Path) -> FusionWeights:
    """What an earlier run found."""
    try:
        kept: dict[str, Any] = json.loads(path.read_text("utf-8"))
        del kept["spec"]
        found = FusionWeights(**kept | {key: tuple(kept[key]) for key in ("names", "weights")})
        if len(found.names) != len(found.weights) or not any(weight > 0 for weight in found.weights):
            raise ValueError("no weights")
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path}: is not what an earlier run wrote ({error}); remove it and run again") from error
    return found
