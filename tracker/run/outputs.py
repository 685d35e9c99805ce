"""What a run reads and what it writes, so that neither is the other: refused before the first frame."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from embedding.extras import require_package
from tracker.errors import InputError
from tracker.files.apart import Named, require_apart
from tracker.input.detection.names import ONNX
from tracker.input.images import IMAGE_SUFFIXES
from tracker.input.sequences import Sequence, find_detections
from tracker.run.job import Job

SUFFIXES = {
    "--video": (".mp4",),
    "--sheet": (".png", ".jpg", ".jpeg"),
    "--table": (".csv", ".parquet"),
    "--zones-out": (".json", ".csv"),
}


def require_outputs(jobs: list[Job], others: Iterable[Named] = (), read: Iterable[Named] = ()) -> None:
    """Raise where what is to be written cannot be, would replace what is read, or would meet another output.

    Args:
        others: files that belong to no job, such as `--json`.
        read: further files that are read, such as `--config`.

    Raises:
        InputError: also for a name whose end does not fit, and Parquet without pyarrow.
    """
    outputs = [*(one for job in jobs for one in outputs_of(job)), *others]
    for name, path in outputs:
        _require_suffix(name.partition(" ")[0], path)
    require_apart(outputs, [*(one for job in jobs for one in inputs_of(job)), *read])
    for report, page in [one for one in outputs if one[0].startswith("--report")]:
        for name, path in [*outputs, *(one for job in jobs for one in inputs_of(job))]:
            if (name, path) != (report, page) and _is_below(path, page.parent):
                raise InputError(f"{name} {path}: lies in the folder of {report}, expected another folder")
    for name, path in outputs:
        for job in jobs:
            folder = job.sequence.frames
            if path.suffix.lower() in IMAGE_SUFFIXES and isinstance(folder, Path) and _lies_in(path, folder):
                raise InputError(
                    f"{name} {path}: lies among the frames of {job.sequence.name}, expected another folder"
                )


def outputs_of(job: Job) -> Iterator[Named]:
    """The files a job writes because it was asked to; what it keeps for later runs has names of its own."""
    of = f" of {job.sequence.name}"
    for name, path in (("--out", job.out), ("--video", job.video), ("--sheet", job.sheet), ("--table", job.table)):
        if path is not None:
            yield name + of, path
    yield from (("--zones-out" + of, path) for path in job.zones_out)
    if job.report is not None:
        yield "--report" + of, job.report / "index.html"


def inputs_of(job: Job) -> Iterator[Named]:
    """The files a job reads."""
    yield from files_of(job.sequence, job.detections)
    if job.zones is not None:
        yield "--zones", job.zones
    with suppress(InputError):  # which the run says better
        yield from (("the descriptor", path) for path in _descriptor_files(job))


def files_of(sequence: Sequence, detections: str) -> Iterator[Named]:
    """The files of a sequence, and those that `--det` means for it."""
    if isinstance(sequence.frames, Path):
        yield f"the source of {sequence.name}", sequence.frames
    if sequence.ground_truth is not None:
        yield f"the ground truth of {sequence.name}", sequence.ground_truth
    if sequence.folder is not None:
        yield f"the description of {sequence.name}", sequence.folder / "seqinfo.ini"
    if found := ONNX.fullmatch(detections):
        yield "the detector", Path(found["file"])
    with suppress(InputError):  # which the run says better
        if (path := find_detections(detections, sequence)) is not None:
            yield f"the detections of {sequence.name}", path


def _descriptor_files(job: Job) -> Iterator[Path]:
    if job.descriptor == "none" or not job.config.needs_features:
        return
    from embedding.descriptors.spec import model_path, parse

    for part in parse(job.descriptor):
        if (model := model_path(part.name)) is None:
            if Path(part.name).is_file():
                yield Path(part.name)
        elif model.is_dir():
            yield from (file for file in model.iterdir() if file.is_file())
        else:
            yield from (model, model.with_suffix(".json"))
            yield from model.parent.glob(f"{model.stem}-*-of-*{model.suffix}")


def _require_suffix(option: str, path: Path) -> None:
    expected = SUFFIXES.get(option)
    if expected is not None and path.suffix.lower() not in expected and not _is_device(path):
        raise InputError(f"{option} {path}: expected a name that ends in {' or '.join(expected)}")
    if path.suffix == ".parquet":
        require_package("pyarrow", f"{option} {path}")


def _is_device(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


def _is_below(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(folder)) in Path(os.path.realpath(path)).parents


def _lies_in(path: Path, folder: Path) -> bool:
    return folder.is_dir() and path.parent.is_dir() and path.parent.samefile(folder)
