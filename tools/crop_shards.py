"""A pack of crops as WebDataset shards, for loaders that read tar files."""

from __future__ import annotations

from itertools import count, takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tracker.motchallenge import atomic_path

if TYPE_CHECKING:
    from embedding.data.crop_pack import CropIndex

SHARD = 10_000  # crops a tar file, some 100 MB


def write_shards(path: str | Path, index: CropIndex) -> list[Path]:
    """Write a pack again as WebDataset shards FILE-000000.tar, ... of 10,000 crops: a PNG and a JSON a crop.

    The JSON has sequence, frame, box, score and tracklet; no identity. Needs the extra [wds].
    """
    from webdataset import TarWriter

    crops = np.load(path, mmap_mode="r")
    shards = [shard_path(path, number) for number in range(-(-len(index) // SHARD))]
    for number, shard in enumerate(shards):
        with atomic_path(shard) as temporary, temporary.open("wb") as file, TarWriter(file, mtime=0) as tar:
            for row in range(number * SHARD, min((number + 1) * SHARD, len(index))):
                tar.write(_sample(row, crops[row], index))
    older = takewhile(Path.exists, (shard_path(path, number) for number in count(len(shards))))
    for shard in older:  # of a larger pack that was here before: readers would take them for this one's
        shard.unlink()
    return shards


def shard_path(path: str | Path, number: int) -> Path:
    """FILE-000000.tar of FILE.npy."""
    return Path(path).with_name(f"{Path(path).stem}-{number:06d}.tar")


def _sample(row: int, crop: NDArray[np.uint8], index: CropIndex) -> dict[str, object]:
    import cv2

    about = {
        "sequence": index.names[index.sequence[row]],
        "frame": int(index.frame[row]),
        "box": index.box[row].tolist(),
        "score": float(index.score[row]),
        "tracklet": int(index.tracklet[row]),
    }
    return {"__key__": f"{row:09d}", "png": cv2.imencode(".png", crop)[1].tobytes(), "json": about}
