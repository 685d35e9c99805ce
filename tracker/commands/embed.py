"""Describe detections once, for any tracker: `python -m tools.embed --seq SEQ --det FILE --out FILE.npy`.

Writes DeepSORT's format, N x (10 + D): the detections with a feature each. `track` computes the same where features are
missing; this is for other programs, and for features that several runs share.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from embedding.progress import progress_shown
from tracker.errors import InputError
from tracker.files.apart import require_apart
from tracker.files.motchallenge import DetectionTable, write_detections_npy
from tracker.input.sequences import find_sequences
from tracker.run.outputs import files_of
from tracker.run.pipeline import embed


def main(
    seq: Annotated[list[str], typer.Option(help="Sequences, as for `track`: names under --root, folders or videos.")],
    det: Annotated[str, typer.Option(help="Detections or a detector, as for `track`; {seq} is the sequence's name.")],
    out: Annotated[str, typer.Option(help="FILE.npy to write; of several sequences {seq} is the name.")],
    root: Annotated[Path | None, typer.Option(help="Folder of sequences; default $MOT_ROOT.")] = None,
    descriptor: Annotated[str, typer.Option(help="Descriptor, as for `track`.")] = "default",
) -> None:
    """Give every detection a feature and write both.

    Example: flatsort embed --root MOT16 --seq MOT16-09 --det sdp.txt --out MOT16-09.npy
    """
    if not out.endswith(".npy"):
        raise InputError(f"--out {out}: expected a name that ends in .npy")
    sequences = find_sequences(seq, root)
    if len(sequences) > 1 and "{seq}" not in out:
        raise InputError(f"--out {out}: expected {{seq}} in the name, as {len(sequences)} sequences would share it")
    require_apart(
        [("--out", Path(out.replace("{seq}", sequence.name))) for sequence in sequences],
        [one for sequence in sequences for one in files_of(sequence, det)],
    )
    for sequence in sequences:
        path = Path(out.replace("{seq}", sequence.name))
        with progress_shown() as progress:
            table = embed(sequence, det, descriptor, progress, write=(path, partial(_write, f"{sequence.name}: {det}")))
        assert table.features is not None
        print(f"{sequence.name}: {len(table)} detections with {table.features.shape[1]} features each -> {path}")


def _write(what: str, path: Path, table: DetectionTable) -> None:
    if table.features is None:
        raise InputError(f"{what} detects nothing")
    write_detections_npy(path, table.frames, table.boxes, table.scores, table.features)
