"""COCO's JSON (Lin et al., ECCV 2014): results, and ground truth with images, annotations and categories.

A box is `left, top, width, height` in pixels. The frame of an image is its `frame_id` (counted from 0, as video
extensions of COCO have it), else the last number in its file's name, else its place in the list; without a list of
images its `image_id`. Tracks have a `track_id` (or `instance_id`) beside the box.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

from embedding.progress import say
from tracker.core.boxes import xyxy_to_tlwh
from tracker.core.detections import FloatArray, IntArray
from tracker.errors import InputError
from tracker.files.tables import Rows

EXPECTED = "expected COCO's results (a list of image_id, category_id, bbox, score) or images, annotations, categories"
TRACK_KEYS = ("track_id", "instance_id")


def read_coco(text: str, path: str) -> Rows:
    """Rows of a file of either kind; what is marked `iscrowd` or `ignore` has a score of 0 where it has none.

    Raises:
        InputError: it is no JSON, is of neither kind, or an entry lacks something or holds no numbers.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is no JSON ({str(error)[:80]}), {EXPECTED}") from None
    images: Any = None
    categories: Any = []
    entries = content
    if isinstance(content, dict):
        images, entries = content.get("images"), content.get("annotations")
        categories = content.get("categories") or []
    if not isinstance(entries, list) or not isinstance(categories, list):
        raise InputError(f"{path}: neither, {EXPECTED}")

    def where(row: int) -> str:
        return f"{path}, entry {row} (counted from 0)"

    values = np.empty((len(entries), 7))
    frame_of = None if images is None else _frames(images, path)
    kinds = np.full(len(entries), -1, np.int64)
    try:
        for row, entry in enumerate(entries):
            left, top, width, height = (float(number) for number in entry["bbox"])
            image = entry["image_id"]
            frame = image if frame_of is None else frame_of[image]
            ignored = entry.get("iscrowd") or entry.get("ignore")
            track = next((entry[key] for key in TRACK_KEYS if entry.get(key) is not None), -1)
            score = entry.get("score", 0.0 if ignored else 1.0)
            values[row] = (float(frame), float(track), left, top, width, height, float(score))
            kinds[row] = int(entry.get("category_id", -1))
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else str(error)[:80]
        raise InputError(f"{where(row)}: {what}, expected image_id (of a listed image), bbox of four numbers") from None
    if frame_of is None and len(values) and values[:, 0].min() == 0:
        say(f"{path}: images are counted from 0, frames from 1")
        values[:, 0] += 1
    names = {}
    for entry in categories:
        if isinstance(entry, dict) and isinstance(entry.get("id"), int) and isinstance(entry.get("name"), str):
            names[entry["id"]] = entry["name"]
    return Rows(values, where, None, kinds if (kinds >= 0).all() and len(kinds) else None, names)


def _frames(images: Any, path: str) -> dict[Any, int]:
    """Frame of each image's id."""
    if not isinstance(images, list) or not all(isinstance(image, dict) and "id" in image for image in images):
        raise InputError(f"{path}: images is no list of entries with an id, {EXPECTED}")
    if images and all(isinstance(image.get("frame_id"), int) for image in images):
        return {image["id"]: image["frame_id"] + 1 for image in images}
    numbers = [re.findall(r"[0-9]+", str(image.get("file_name", "")).rpartition("/")[2]) for image in images]
    if images and all(numbers):
        frames = [int(found[-1]) for found in numbers]
        if len(set(frames)) == len(frames):
            shift = 1 if min(frames) == 0 else 0
            return {image["id"]: frame + shift for image, frame in zip(images, frames, strict=True)}
    return {image["id"]: place for place, image in enumerate(images, start=1)}


class CocoWriter:
    """Writes tracks as COCO's JSON, one annotation a line, frame by frame.

    Args:
        file: to write to, text.
        class_names: by class id; without any, everything is of one category, `object`.
        name: of the sequence, for the images' names.
    """

    def __init__(self, file: IO[str], class_names: Mapping[int, str], name: str) -> None:
        self._file = file
        self._names = dict(class_names)
        self._name = name
        self._images: list[int] = []
        self._kinds: set[int] = set()
        self._count = 0
        file.write('{"annotations": [')

    def write(self, frame: int, ids: IntArray, boxes: FloatArray, scores: FloatArray, class_ids: IntArray) -> None:
        """Add the tracks of one frame: ids [K], xyxy boxes [K, 4], scores [K], class ids [K]."""
        if frame not in self._images[-1:]:
            self._images.append(frame)
        rounded = np.round(xyxy_to_tlwh(boxes), 4).tolist()
        kinds = np.maximum(class_ids, 0).tolist()
        for track, box, score, kind in zip(ids.tolist(), rounded, scores.tolist(), kinds, strict=True):
            self._count += 1
            entry = {
                "id": self._count,
                "image_id": frame,
                "category_id": kind,
                "track_id": track,
                "bbox": box,
                "area": round(box[2] * box[3], 4),
                "iscrowd": 0,
                "score": round(score, 6),
            }
            self._file.write(("\n" if self._count == 1 else ",\n") + json.dumps(entry))
        self._kinds.update(kinds)

    def finish(self) -> None:
        """Write what comes after the annotations."""
        categories = [{"id": kind, "name": self._names.get(kind, "object")} for kind in sorted(self._kinds)]
        self._file.write(f'\n], "categories": {json.dumps(categories)}, "images": [')
        for place, frame in enumerate(self._images):
            entry = {"id": frame, "frame_id": frame - 1, "file_name": f"{self._name}/{frame:06}.jpg"}
            self._file.write(("\n" if place == 0 else ",\n") + json.dumps(entry))
        self._file.write("\n]}\n")
