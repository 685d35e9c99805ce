"""Everything that is read from outside: a whole file of each kind to damage, and what reads it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

CHECKOUT = Path(__file__).resolve().parents[2]
SIZE = (640, 480)
ROWS = "".join(f"{f},{i},{10 * i + f},20.5,30,60,0.{f % 10},-1,-1,-1\n" for f in range(1, 30) for i in range(1, 5))


@dataclass(frozen=True)
class Reader:
    """A kind of file.

    Attributes:
        name: of the file, which may be `labels/NAME` for one in a folder that is read as a whole.
        make: whole contents, one of which is damaged.
        read: a path.
        is_text: whether damage is done to fields rather than bytes.
    """

    name: str
    make: Callable[[], list[bytes]]
    read: Callable[[Path], object]
    is_text: bool = False


def _texts() -> list[bytes]:
    header = "frame,id,left,top,width,height,score,class_name\n1,1,10,20,30,40,0.5,dog\n2,1,10,20,30,40,0.5,dog\n"
    entries = [
        {"image_id": f, "category_id": 1, "bbox": [1.0, 2.0, 30.0, 40.0], "score": 0.5, "track_id": 1}
        for f in range(1, 9)
    ]
    images = [{"id": f, "frame_id": f - 1, "file_name": f"{f:06}.jpg"} for f in range(1, 9)]
    whole = {"images": images, "annotations": entries, "categories": [{"id": 1, "name": "person"}]}
    kitti = "".join(f"{f} 1 Car 0 0 -1.5 10.0 20.0 40.0 60.0 1 1 1 0 0 0 0\n" for f in range(9))
    return [text.encode() for text in (ROWS, header, json.dumps(entries), json.dumps(whole), kitti)]


def _packed() -> list[bytes]:
    return [gzip.compress(text) for text in _texts()]


def _npy() -> list[bytes]:
    import io

    files = []
    for kind in (np.float32, np.float64):
        rows = np.zeros((12, 14), kind)
        rows[:, 0], rows[:, 1], rows[:, 4:7] = np.arange(12) + 1, -1, 1
        file = io.BytesIO()
        np.save(file, rows)
        files.append(file.getvalue())
    return files


def _journal() -> list[bytes]:
    import tempfile

    from tracker.files.journal import Journal

    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "a.journal"
        with Journal(path) as journal:
            for frame in range(1, 9):
                journal.append(frame, np.ones((3, 8), np.float32))
        return [path.read_bytes()]


def _images() -> list[bytes]:
    import cv2

    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    return [cv2.imencode(suffix, picture)[1].tobytes() for suffix in (".png", ".jpg", ".webp", ".bmp", ".tiff")]


def _videos() -> list[bytes]:
    import tempfile

    import av

    files = []
    with tempfile.TemporaryDirectory() as place:
        for suffix, codec in (("mp4", "libx264"), ("avi", "mpeg4"), ("mkv", "libx264")):
            path = Path(place) / f"a.{suffix}"
            with av.open(str(path), "w") as container:
                stream = container.add_stream(codec, rate=10)
                stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
                for number in range(12):
                    picture = np.full((48, 64, 3), 20 * number, np.uint8)
                    for packet in stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24")):
                        container.mux(packet)
                for packet in stream.encode():
                    container.mux(packet)
            files.append(path.read_bytes())
    return files


def _presets() -> list[bytes]:
    return [path.read_bytes() for path in sorted((CHECKOUT / "configs/tracker").glob("*.yaml"))]


def _trainings() -> list[bytes]:
    return [path.read_bytes() for path in sorted((CHECKOUT / "configs/embedding").glob("*.yaml"))]


def _labels() -> list[bytes]:
    return ["".join(f"0 0.5 0.5 0.2 0.2 0.9 {track}\n" for track in range(4)).encode()]


def _seqinfo() -> list[bytes]:
    return [b"[Sequence]\nname=S\nimDir=img1\nframeRate=30\nseqLength=600\nimWidth=1920\nimHeight=1080\nimExt=.jpg\n"]


def _detector() -> list[bytes]:
    return [(CHECKOUT / "tracker/input/detection/weights/FastestDet.onnx").read_bytes()]


def _closed_form() -> list[bytes]:
    return [(CHECKOUT / "embedding/weights/statistics.npz").read_bytes()]


def _read_detections(path: Path) -> None:
    from tracker.files.motchallenge import read_detections

    read_detections(path, size=lambda: SIZE)


def _read_tracks(path: Path) -> None:
    from tracker.files.motchallenge import read_tracks

    read_tracks(path, size=lambda: SIZE)


def _read_folder(path: Path) -> None:
    _read_tracks(path.parent)


def _read_journal(path: Path) -> None:
    from tracker.files.journal import Journal

    with Journal(path) as journal:
        for frame in journal:
            journal.get(frame)


def _read_image(path: Path) -> None:
    from tracker.input.images import read_image

    read_image(path)


def _read_video(path: Path) -> None:
    from tracker.input.frames import open_frames

    with open_frames(path) as frames:
        for _ in frames:
            pass


def _read_preset(path: Path) -> None:
    from tracker.core.config import load_config

    load_config(str(path))


def _read_training(path: Path) -> None:
    from embedding.config import load_config

    load_config(str(path))


def _read_seqinfo(path: Path) -> None:
    from tracker.input.sequences import read_sequence

    read_sequence(path.parent)


@cache
def _picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)


def _run_detector(path: Path) -> None:
    from tracker.input.detectors import load_detector

    load_detector(str(path))(_picture())


def _run_descriptor(path: Path) -> None:
    from embedding import Descriptor

    Descriptor.load(str(path))(_picture(), [[10, 10, 50, 90]])


READERS: dict[str, Reader] = {
    "detections": Reader("a.txt", _texts, _read_detections, is_text=True),
    "tracks": Reader("a.txt", _texts, _read_tracks, is_text=True),
    "bytes": Reader("a.txt", _texts, _read_tracks),
    "packed": Reader("a.txt.gz", _packed, _read_tracks),
    "labels": Reader("labels/a_1.txt", _labels, _read_folder, is_text=True),
    "npy": Reader("a.npy", _npy, _read_detections),
    "journal": Reader("a.journal", _journal, _read_journal),
    "seqinfo": Reader("S/seqinfo.ini", _seqinfo, _read_seqinfo, is_text=True),
    "preset": Reader("a.yaml", _presets, _read_preset, is_text=True),
    "training": Reader("a.yaml", _trainings, _read_training, is_text=True),
    "image": Reader("a.png", _images, _read_image),
    "video": Reader("a.mp4", _videos, _read_video),
    "detector": Reader("a.onnx", _detector, _run_detector),
    "closed_form": Reader("a.npz", _closed_form, _run_descriptor),
    "descriptor": Reader("a.onnx", _detector, _run_descriptor),
}
