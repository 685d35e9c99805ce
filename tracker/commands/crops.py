"""Pack crops of people for training: `python -m tools.crops --root DIR --out FILE.npy [--det sdp.txt ...] [--gt]`.

What is written, and who may read what of it, says `embedding.data.crop_pack`; which boxes are cut and how,
`tracker.footage.crops`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import numpy as np
import typer

from embedding.progress import progress_shown
from tracker.errors import InputError
from tracker.files.apart import require_apart
from tracker.footage.crops import CropRule, match_identities, pack_sequences, visibility
from tracker.input.sequences import find_sequences
from tracker.run.outputs import files_of

if TYPE_CHECKING:
    from embedding.descriptors.cropping import Aspect

__all__ = ["CropRule", "main", "match_identities", "pack_sequences", "visibility"]

LONG = 10  # crops: a tracklet to learn from


def main(
    out: Annotated[Path, typer.Option(help="FILE.npy; its index and identities are written beside it.")],
    root: Annotated[Path | None, typer.Option(help="Folder of sequences; default $MOT_ROOT.")] = None,
    seq: Annotated[
        list[str] | None, typer.Option(help="Names under --root, folders or video files; default all of the root.")
    ] = None,
    det: Annotated[
        list[str] | None,
        typer.Option(help="Detections or a detector, as for `track`; of several the first that a sequence has."),
    ] = None,
    gt: Annotated[bool, typer.Option("--gt", help="Pack boxes of the ground truth instead of detections.")] = False,
    min_height: Annotated[float, typer.Option(help="Smallest height of a box, pixels.")] = CropRule.min_height,
    min_score: Annotated[float, typer.Option(help="Smallest score of a detection.")] = CropRule.min_score,
    min_visibility: Annotated[
        float, typer.Option(help="Smallest visible share of a box of the ground truth.")
    ] = CropRule.min_visibility,
    border: Annotated[
        bool, typer.Option("--border", help="Keep boxes that leave the image by more than a quarter of their area.")
    ] = False,
    every: Annotated[int, typer.Option(help="Pack one of N frames; all are linked.")] = 1,
    aspect: Annotated[str, typer.Option(help="Fit a box by `stretch`, or `pad` it with black.")] = "stretch",
) -> None:
    """Cut people out of sequences and link them into tracklets.

    Example: flatsort crops --root MOT16 --seq all --det sdp.txt --out output/crops.npy
    """
    if gt and det:
        raise InputError("--gt and --det: both given, expected one")
    rule = CropRule(min_height, min_score, min_visibility, border, every, cast("Aspect", aspect))
    sequences, names = find_sequences(seq or ["all"], root), det or ["det.txt"]
    require_apart(
        [("--out", out)], [one for sequence in sequences for name in names for one in files_of(sequence, name)]
    )
    with progress_shown() as progress:
        index = pack_sequences(sequences, out, names, gt, rule, progress)
    sizes = np.bincount(index.tracklet)
    share = sizes[sizes >= LONG].sum() / len(index)
    print(f"{len(index)} crops in {np.count_nonzero(sizes)} tracklets, {share:.0%} in those of {LONG} and more: {out}")
