"""Human motion: joint angles from the CMU motion-capture database (mocap.cs.cmu.edu, NSF EIA-0196217).

A frame has 62 channels. Of these the literature keeps 50 joint angles: not the root's place and heading, nor
collar bones and fingers, which hardly move. Angles are wrapped to [-180, 180) degrees.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from embedding.data.dataset import ArrayDataSet, locate, spread
from embedding.errors import InputError

if TYPE_CHECKING:
    from embedding.config import DataConfig

DROPPED_BONES = ("root", "lclavicle", "rclavicle", "lfingers", "rfingers")
PACKED = "cmu/cmu_mocap_62ch.npz"
ADVICE = (
    "give the packed .npz, one .amc file, or a folder of MOVEMENT/*.amc, each with its subject's .asf beside it or a"
    " folder above (from mocap.cs.cmu.edu: subjects 35, 49, 143 and 74)"
)


def load_mocap(config: DataConfig) -> ArrayDataSet:
    """Frames [N, 50] of the configured movements; `labels` holds each frame's movement.

    `scale`: raw is degrees; unit is radians about each channel's mean; standardised is unit variance in every channel.

    Raises:
        InputError: no such file, not motion capture, or a movement the file does not have.
    """
    path = locate(config.path, PACKED, ADVICE)
    degrees, channels, labels = read_packed(path) if path.suffix == ".npz" else read_folder(path)
    movements = config.movements if path.suffix != ".amc" else tuple(labels[:1])  # a single file is taken whole
    absent = sorted(set(movements) - set(labels))
    if absent:
        raise InputError(f"data.movements: {path} has no {', '.join(absent)}, only {', '.join(sorted(set(labels)))}")
    frames = np.isin(labels, movements)
    joints = [index for index, name in enumerate(channels) if name.rpartition("_")[0] not in DROPPED_BONES]
    angles, labels = wrap_degrees(degrees[frames][:, joints]), labels[frames]
    chosen = spread(len(angles), config.count)
    values, mean, std = _scale(angles[chosen], config.scale)
    about = {
        "kind": "mocap",
        "scale": config.scale,
        "channels": [str(channels[index]) for index in joints],
        "frames": {str(name): int((labels[chosen] == name).sum()) for name in np.unique(labels)},
        "mean": mean.tolist(),
        "std": std.tolist(),
    }
    return ArrayDataSet(torch.from_numpy(values).float(), labels=labels[chosen], about=about)


def wrap_degrees(angles: np.ndarray) -> np.ndarray:
    """The same angles in [-180, 180) degrees."""
    return (angles + 180) % 360 - 180


def _scale(angles: np.ndarray, scale: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scaled angles with the mean and the divisor [channels] (degrees) that give `angles` back."""
    mean, std = angles.mean(axis=0), np.ones(angles.shape[1])
    if scale == "raw":
        mean = np.zeros_like(mean)
    elif scale == "unit":
        std *= math.degrees(1)
    else:
        std = np.maximum(angles.std(axis=0), 1e-6)
    return (angles - mean) / std, mean, std


def read_packed(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Degrees [N, 62], channel names [62] and movements [N] of a packed file.

    Its arrays: X [N, 62], channel [62], seq_id [N], seq_action [sequences].
    """
    try:
        with np.load(path, allow_pickle=False) as packed:
            degrees = packed["X"].astype(np.float64)
            return degrees, packed["channel"], packed["seq_action"][packed["seq_id"]]
    except (KeyError, ValueError, OSError, IndexError) as error:
        raise InputError(f"{path}: {error}, expected arrays X, channel, seq_id and seq_action") from error


def read_folder(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `read_packed`, from one .amc file or from a folder of MOVEMENT/*.amc."""
    motions = [path] if path.is_file() else sorted(path.glob("*/*.amc"))
    if not motions or motions[0].suffix != ".amc":
        raise InputError(f"data.path: {path} holds no motion; {ADVICE}")
    degrees, labels = [], []
    names: list[str] = []
    for motion in motions:
        channels = read_skeleton(_skeleton(motion))
        names = names or channels
        if channels != names:
            raise InputError(f"{motion}: the skeleton has other channels than that of {motions[0]}")
        degrees.append(read_motion(motion, channels))
        labels += [motion.resolve().parent.name] * len(degrees[-1])
    return np.concatenate(degrees), np.array(names), np.array(labels)


def _skeleton(motion: Path) -> Path:
    """SUBJECT.asf for SUBJECT_TRIAL.amc, in the same folder or the one above."""
    name = motion.stem.partition("_")[0] + ".asf"
    for folder in (motion.parent, motion.parent.parent):
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"{motion}: its skeleton {name} is neither beside it nor in the folder above")


def read_skeleton(path: Path) -> list[str]:
    """Channel names of an Acclaim skeleton file (.asf): BONE_DOF in the file's order, the root's six first."""
    names: list[str] = []
    section = bone = ""
    for line in _lines(path):
        words = line.split()
        if words[0].startswith(":"):
            section = words[0]
        elif section == ":root" and words[0] == "order":
            names += [f"root_{dof.lower()}" for dof in words[1:]]
        elif section == ":bonedata" and words[0] == "name":
            bone = words[1]
        elif section == ":bonedata" and words[0] == "dof":
            names += [f"{bone}_{dof}" for dof in words[1:]]
    if not any(not name.startswith("root_") for name in names):
        raise InputError(f"{path}: no bone with degrees of freedom found, expected an Acclaim skeleton (.asf)")
    return names


def read_motion(path: Path, channels: list[str]) -> np.ndarray:
    """Frames [N, channels] of an Acclaim motion file (.amc), in the file's units, degrees for angles.

    Args:
        channels: BONE_DOF as `read_skeleton` names them.

    Raises:
        InputError: a line is not `bone value ...`, names an unknown bone or has another number of values.
    """
    columns: dict[str, list[int]] = {}
    for column, name in enumerate(channels):
        columns.setdefault(name.rpartition("_")[0], []).append(column)
    frames: list[np.ndarray] = []
    for number, line in enumerate(_lines(path, keep_blank=True), start=1):
        words = line.split()
        if not words or words[0].startswith(":"):
            continue
        if len(words) == 1 and words[0].isdigit():
            frames.append(np.full(len(channels), np.nan))
            continue
        where = columns.get(words[0])
        if where is None or len(words) != len(where) + 1 or not frames:
            wanted = f"{len(where)} values" if where else "a bone of the skeleton"
            raise InputError(f"{path}: line {number}: found {line.strip()!r}, expected {wanted} after a frame number")
        try:
            frames[-1][where] = [float(word) for word in words[1:]]
        except ValueError as error:
            raise InputError(f"{path}: line {number}: found {line.strip()!r}, expected a bone and numbers") from error
    if not frames or np.isnan(frames).any():
        raise InputError(f"{path}: a frame lacks some of the skeleton's {len(channels)} channels, or there is none")
    return np.array(frames)


def _lines(path: Path, keep_blank: bool = False) -> list[str]:
    """Lines of a text file without comments (#), blank ones dropped unless kept."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text ({error})") from error
    lines = [line.partition("#")[0].rstrip() for line in text.splitlines()]
    return lines if keep_blank else [line for line in lines if line]
