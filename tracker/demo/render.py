"""A short sequence rendered on the spot, so that the tracker can be tried without a download.

Ten people cross a square at 15 frames a second, hide each other, pass behind an advertising column and a lamp post,
stop and turn back. It is written as MOTChallenge lays its sequences out, with exact ground truth and with detections
that miss, jitter and invent as a detector would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from tracker.core.boxes import xyxy_to_tlwh
from tracker.core.detections import FloatArray, Image
from tracker.demo.figure import Look, Pose, Shape, bounding_box, draw_shadows, draw_shapes, figure
from tracker.demo.scene import HEIGHT, WIDTH, Occluder, background, occluders
from tracker.errors import InputError
from tracker.output.palette import Colour

NAME = "demo"
PEOPLE = 10
FRAME_RATE = 15
NEAREST, FARTHEST = 7.4, 19.0  # metres from the camera
STEP_LENGTH = 0.72  # metres
CAMERA_NOISE = 2.5  # standard deviation of a pixel, grey levels
LEAST_VISIBLE = 0.05  # ground truth leaves out who shows less of the box

TOPS: tuple[Colour, ...] = (
    (52, 58, 205), (200, 120, 44), (54, 190, 228), (96, 150, 58), (226, 226, 222),
    (150, 70, 140), (60, 60, 62), (70, 130, 236), (190, 180, 90), (172, 140, 226),
)  # fmt: skip
TROUSERS: tuple[Colour, ...] = ((112, 72, 44), (58, 54, 52), (96, 120, 146), (150, 128, 104), (48, 62, 84))
HAIR: tuple[Colour, ...] = ((24, 28, 34), (36, 58, 92), (74, 140, 190), (44, 74, 140), (172, 176, 180))
SKIN: tuple[Colour, ...] = ((150, 186, 232), (120, 160, 210), (78, 112, 164), (56, 76, 116))


@dataclass(frozen=True)
class Walker:
    """A person and the path they walk: corners [C, 2] (x, z) in metres, reached at `times` [C] in seconds."""

    look: Look
    corners: FloatArray
    times: FloatArray

    def pose(self, second: float) -> Pose:
        """Where and how the person walks or stands at that time."""
        leg = int(np.clip(np.searchsorted(self.times, second, side="right") - 1, 0, len(self.times) - 2))
        x, z = (float(np.interp(second, self.times, self.corners[:, axis])) for axis in (0, 1))
        steps = np.diff(self.corners, axis=0)
        moving = bool(steps[leg].any())
        heading = steps[leg if moving else leg - 1]  # who stands looks where they went
        heading = heading / np.linalg.norm(heading)
        walked = np.concatenate(([0.0], np.cumsum(np.linalg.norm(steps, axis=1))))
        phase = np.pi * float(np.interp(second, self.times, walked)) / STEP_LENGTH
        return Pose((x, z), (float(heading[0]), float(heading[1])), phase, float(moving))


def cast(seed: int, seconds: float) -> list[Walker]:
    """Ten people, no two dressed alike, whose paths meet in the middle of the square."""
    rng = np.random.default_rng(seed)
    depths = rng.permutation(np.linspace(NEAREST, FARTHEST, PEOPLE) + rng.uniform(-0.4, 0.4, PEOPLE))
    tops, hair = rng.permutation(len(TOPS)), rng.permutation(PEOPLE)
    walkers = []
    for number, depth in enumerate(depths):
        look = Look(
            height=rng.uniform(1.6, 1.9),
            skin=SKIN[rng.integers(len(SKIN))],
            hair=HAIR[hair[number] % len(HAIR)],
            top=TOPS[tops[number]],
            trousers=TROUSERS[rng.integers(len(TROUSERS))],
            shoes=(44, 40, 40),
            long_hair=number % 3 == 1,
            skirt=number % 6 == 1,
            stripe=(235, 235, 235) if number % 4 == 2 else None,
            backpack=TOPS[(tops[number] + 3) % len(TOPS)] if number % 5 == 0 else None,
            hat=TOPS[(tops[number] + 5) % len(TOPS)] if number % 5 == 3 else None,
        )
        walkers.append(Walker(look, *_path(number, float(depth), seconds, rng)))
    return walkers


def _path(number: int, depth: float, seconds: float, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Corners and times of a walk past the middle of the square around half time, every other one to the left."""
    course = np.array([rng.uniform(1.05, 1.45) * (1 if number % 2 else -1), rng.normal(0, 0.15)])  # metres a second
    meeting = np.array([rng.uniform(-2.0, 2.5), depth])
    before = seconds * rng.uniform(0.35, 0.65)
    corners = np.array([meeting - before * course, meeting, meeting, meeting + (seconds - before) * course])
    times = np.array([0.0, before, before, seconds])
    if number % 5 == 2:  # stops to look around, then goes on
        times[2:] += 0.15 * seconds
    elif number % 5 == 4:  # turns back
        corners[3] = meeting + (seconds - before) * course * (-1.0, 1.0)
    corners[:, 1] = np.clip(corners[:, 1], NEAREST, FARTHEST)
    return corners, times


def from_behind(pose: Pose) -> Pose:
    """The pose as a second camera sees it, which looks at the square from the other side."""
    (x, z), (right, away) = pose.position, pose.heading
    return Pose((-x, NEAREST + FARTHEST - z), (-right, -away), pose.phase, pose.stride)


def render_demo(folder: Path, frames: int = 200, seed: int = 0, behind: bool = False) -> Path:
    """Write the sequence under `folder` and return its own folder, `folder / "demo"`.

    It holds `img1/000001.jpg ...`, `gt/gt.txt` (with the visible part of each box in the last column), `det/det.txt`
    and, written last, `seqinfo.ini`.

    Args:
        behind: the same people at the same time from the other side of the square, by a camera of its own.

    Raises:
        InputError: nothing can be written there.
    """
    sequence = Path(folder) / NAME
    try:
        for part in ("img1", "gt", "det"):
            (sequence / part).mkdir(parents=True, exist_ok=True)
        (sequence / "seqinfo.ini").unlink(missing_ok=True)
        for image in (sequence / "img1").glob("[0-9]*.jpg"):
            image.unlink()
        _render(sequence, frames, seed, behind)
        (sequence / "seqinfo.ini").write_text(
            f"[Sequence]\nname={NAME}\nimDir=img1\nframeRate={FRAME_RATE}\nseqLength={frames}\n"
            f"imWidth={WIDTH}\nimHeight={HEIGHT}\nimExt=.jpg\n"
        )
    except OSError as error:
        raise InputError(f"{sequence}: cannot be written: {error.strerror or error}") from error
    return sequence


def _render(sequence: Path, frames: int, seed: int, behind: bool) -> None:
    rng = np.random.default_rng((seed, 1) if behind else seed)
    walkers = cast(seed, frames / FRAME_RATE)
    standing = occluders()
    square = background(rng)
    draw_shadows(square, [occluder.position for occluder in standing])
    noise = rng.normal(0, CAMERA_NOISE, (HEIGHT + 64, WIDTH + 64, 3)).astype(np.int16)
    truth, detections = [], []
    for frame_index in range(1, frames + 1):
        poses = [walker.pose((frame_index - 1) / FRAME_RATE) for walker in walkers]
        if behind:
            poses = [from_behind(pose) for pose in poses]
        shapes = [figure(walker.look, pose) for walker, pose in zip(walkers, poses, strict=True)]
        _write_image(
            sequence / "img1" / f"{frame_index:06d}.jpg", _picture(square, poses, shapes, standing, noise, rng)
        )
        boxes = np.array([bounding_box(shape) for shape in shapes])
        visible = visibility(boxes, np.array([pose.position[1] for pose in poses]), standing)
        shown = np.flatnonzero(visible >= LEAST_VISIBLE)
        for person, box in zip(shown, xyxy_to_tlwh(boxes[shown]), strict=True):
            truth.append(_row(frame_index, person + 1, box, "1,1", f"{visible[person]:.2f}"))
        found, scores = detect(boxes[shown], visible[shown], rng)
        for box, score in zip(xyxy_to_tlwh(found), scores, strict=True):
            detections.append(_row(frame_index, -1, box, f"{score:.3f}", "-1,-1,-1"))
    (sequence / "gt/gt.txt").write_text("".join(truth))
    (sequence / "det/det.txt").write_text("".join(detections))


def _row(frame_index: int, person: int, tlwh: FloatArray, *rest: str) -> str:
    return ",".join((str(frame_index), str(person), *(f"{value:.2f}" for value in tlwh), *rest)) + "\n"


def _picture(
    square: Image,
    poses: list[Pose],
    shapes: list[list[Shape]],
    standing: list[Occluder],
    noise: np.ndarray,
    rng: np.random.Generator,
) -> Image:
    import cv2

    image = square.copy()
    draw_shadows(image, [pose.position for pose in poses])
    things = [(occluder.position[1], partial(occluder.draw, image)) for occluder in standing]
    things += [
        (pose.position[1], partial(draw_shapes, image, drawn)) for pose, drawn in zip(poses, shapes, strict=True)
    ]
    for _, draw in sorted(things, key=lambda thing: -thing[0]):  # the farthest first
        draw()
    top, left = rng.integers(0, 64, 2)
    return np.asarray(cv2.add(image, noise[top : top + HEIGHT, left : left + WIDTH], dtype=cv2.CV_8U), np.uint8)


def _write_image(path: Path, image: Image) -> None:
    import cv2

    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 92])
    path.write_bytes(encoded.tobytes())


def visibility(boxes: FloatArray, depths: FloatArray, standing: Sequence[Occluder]) -> FloatArray:
    """Part [N] of each box [N, 4] inside the image and not behind a nearer box or thing, 0 to 1, as MOT16 has it."""
    hidden_by = [(box, depth) for box, depth in zip(boxes, depths, strict=True)]
    hidden_by += [(np.array(occluder.box, float), occluder.position[1]) for occluder in standing]
    part = np.empty(len(boxes))
    for row, (box, depth) in enumerate(zip(boxes, depths, strict=True)):
        left, top, right, bottom = np.round(box).astype(int)
        shown = np.zeros((bottom - top, right - left), bool)
        shown[max(0, -top) : max(0, HEIGHT - top), max(0, -left) : max(0, WIDTH - left)] = True
        for other, nearer in hidden_by:
            if nearer < depth:
                a, b, c, d = np.round(other).astype(int) - [left, top, left, top]
                shown[max(0, b) : max(0, d), max(0, a) : max(0, c)] = False
        part[row] = shown.mean()
    return part


def detect(boxes: FloatArray, visible: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """What a detector would make of people at `boxes` [N, 4] of which a part `visible` [N] shows.

    Misses come with occlusion (half of those 40 % visible), corners jitter by 2.5 % of the box, and every third frame
    has a false alarm. Scores [M] are high for what is plain to see and low for false alarms.
    """
    found = rng.uniform(size=len(boxes)) < 0.98 / (1 + np.exp(-(visible - 0.4) / 0.08))
    size = np.tile(boxes[found, 2:] - boxes[found, :2], 2)
    jittered = boxes[found] + rng.normal(0, 0.025, size.shape) * size
    scores = 0.3 + 0.6 * visible[found] + rng.normal(0, 0.06, len(jittered))
    alarms = rng.poisson(1 / 3)
    width, foot = rng.uniform(25, 70, alarms), rng.uniform(260, HEIGHT, alarms)
    middle = rng.uniform(0, WIDTH, alarms)
    false = np.stack((middle - width / 2, foot - 2.5 * width, middle + width / 2, foot), axis=1)
    scores = np.concatenate((scores, rng.beta(3, 6, alarms)))
    return np.concatenate((jittered, false)), np.clip(scores, 0.01, 0.99)
