"""What `tools.benchmark track` tracks: frames of the user's or of the rendered demo, and a set number of people."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedding.descriptors.cropping import cut_crops
from tools.benchmark.stream import stream
from tracker.demo.render import FRAME_RATE, render_demo
from tracker.errors import InputError
from tracker.files.motchallenge import read_detections, write_results
from tracker.input.frames import IMAGE_SUFFIXES, open_frames
from tracker.input.sequences import find_sequence
from tracker.output.video import VideoWriter

DEMO_SIZE = 1920, 1080  # pixels; the demo is rendered at half of it
PEOPLE_FOR = 1080  # lines of a picture in which the stream's boxes have the size of people


@dataclass(frozen=True)
class Footage:
    """Frames to track people in.

    Attributes:
        name: as the tables show it.
        frames: a video, or a folder of images 000001 onwards.
        length: number of frames.
        size: width and height, pixels.
    """

    name: str
    frames: Path
    length: int
    size: tuple[int, int]


def find_footage(seq: str | None, root: Path | None, frames: int, folder: Path) -> Footage:
    """The first frames of a sequence, or of the demo where none is named, put into a folder as they are encoded.

    Raises:
        InputError: no such sequence, or no file or folder of frames that can be read.
    """
    if frames < 2:
        raise InputError(f"--frames {frames}: expected at least 2")
    if seq is None:
        name, source = "demo", _demo_video(folder, frames)
    else:
        sequence = find_sequence(seq, root)
        if not isinstance(sequence.frames, Path):
            raise InputError(f"{seq}: has no frames to go through again and again, expected a video or images")
        name = sequence.name
        first = _first_images if sequence.frames.is_dir() else _first_packets
        source = first(sequence.frames, frames, folder)
    with open_frames(source) as opened:
        return Footage(name, source, sum(1 for _ in opened), opened.size)


def _demo_video(folder: Path, frames: int) -> Path:
    import cv2

    images = render_demo(folder, frames) / "img1"
    path = folder / "demo.mp4"
    with VideoWriter(path, FRAME_RATE, DEMO_SIZE) as video:
        for _, image in open_frames(images):
            video.write(np.asarray(cv2.resize(image, DEMO_SIZE, interpolation=cv2.INTER_CUBIC), np.uint8))
    return path


def _first_images(source: Path, frames: int, folder: Path) -> Path:
    """Copies that are numbered without gaps, whatever the sequence's are."""
    target = folder / "img1"
    target.mkdir()
    images = sorted(path for path in source.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != ".")
    for number, path in enumerate(images[:frames], start=1):
        shutil.copyfile(path, target / f"{number:06d}{path.suffix}")
    return target


def _first_packets(source: Path, frames: int, folder: Path) -> Path:
    """The beginning of a video, not encoded anew: how hard it is to decode is part of what is measured.

    Packets come in the order of decoding, so that among the last frames some may be missing and later ones be there.
    """
    import av

    target = folder / f"beginning{source.suffix}"
    try:
        with av.open(str(source)) as video, av.open(str(target), "w") as beginning:
            stream = video.streams.video[0]
            copied = beginning.add_stream_from_template(stream)
            packets = (packet for packet in video.demux(stream) if packet.dts is not None)  # the last one only flushes
            for packet in islice(packets, frames):
                packet.stream = copied
                beginning.mux(packet)
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise InputError(f"{source}: its first {frames} frames cannot be copied ({error})") from error
    return target


def write_people(footage: Footage, people: int, path: Path) -> int:
    """Write detections of so many people, MOT text; returns how many detections there are."""
    scale = footage.size[1] / PEOPLE_FOR
    drifting = stream(people, with_features=False, picture=(footage.size[0] / scale, PEOPLE_FOR))
    found = list(islice(drifting, footage.length))
    frames = np.repeat(np.arange(1, footage.length + 1), [len(here) for here in found])
    boxes = scale * np.concatenate([here.boxes for here in found])
    write_results(path, frames, np.full(len(frames), -1), boxes, np.concatenate([here.scores for here in found]))
    return len(frames)


def cut_people(footage: Footage, detections: Path, count: int) -> NDArray[np.uint8]:
    """About so many of the people's crops [N, 64, 64, 3], from frames all over the footage."""
    table = read_detections(detections)
    every = max(1, len(table) // count)
    with open_frames(footage.frames) as frames:
        cut = [cut_crops(image, table.at(frame).boxes)[0] for frame, image in frames if frame % every == 0]
    return np.concatenate(cut)
