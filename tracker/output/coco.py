"""Tracks as COCO's JSON with track ids."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from embedding.files import growing_path
from tracker.core.detections import Image, Tracks
from tracker.files.formats.coco import CocoWriter
from tracker.output.sinks import Sink


class CocoSink(Sink):
    """One annotation a track and frame, written as they come; the file is there when all of it is.

    Args:
        path: NAME.json.
        class_names: by class id; empty where there are none.
    """

    def __init__(self, path: Path, class_names: Mapping[int, str]) -> None:
        self._path, self._class_names = path, class_names
        self._stack = ExitStack()
        super().__init__(self._stack)

    def __enter__(self) -> CocoSink:
        with ExitStack() as stack:
            temporary = stack.enter_context(growing_path(self._path))
            file = stack.enter_context(temporary.open("w", encoding="utf-8", newline="\n"))
            self._writer = CocoWriter(file, self._class_names, self._path.stem)
            self._stack.push(stack.pop_all())
        return self

    def write(self, frame_index: int, image: Image | None, tracks: Tracks) -> None:
        self._writer.write(frame_index, tracks.ids, tracks.boxes, tracks.scores, tracks.class_ids)

    def __exit__(self, *error: Any) -> None:
        try:
            if error[0] is None:
                self._writer.finish()
        except BaseException as trouble:
            self._stack.__exit__(type(trouble), trouble, trouble.__traceback__)
            raise
        self._stack.__exit__(*error)
