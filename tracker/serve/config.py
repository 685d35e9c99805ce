"""What a service is told: `cameras.yaml`, checked before anything starts; no message ever shows a password."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from embedding import settings
from embedding.errors import quoted
from tracker.core.config import TrackerConfig, load_config
from tracker.errors import InputError
from tracker.input.detection.names import DEFAULT, DETECTORS, is_detector
from tracker.input.live.address import is_address, shown
from tracker.serve.places import PlaceCounts

NAME = re.compile(r"[A-Za-z0-9_][\w.-]{0,59}", re.ASCII)  # of a camera: a folder and a label are called so
VARIABLE = re.compile(r"\$\{(\w*)\}")
ADDRESS_IN_TEXT = re.compile(r"[a-z][a-z0-9+.-]*://[^\s'\"]+", re.IGNORECASE)
PLACE = re.compile(r"(?P<host>[^:/\s]*|\[[^\]]+\]):(?P<port>\d{1,5})")  # HOST:PORT


class _Section(BaseModel):
    """Settings that know their keys and never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class CameraConfig(_Section):
    """One camera: what is looked at, and how it is tracked."""

    source: str | int = Field(repr=False)
    """URL, number of a camera of this machine, or a video file, which is played at its own pace; `${NAME}` stands for a
    variable of the environment."""
    det: str = DEFAULT
    """A detector, as `--det` takes it."""
    classes: str | None = None
    """As `--classes` takes them: person,car."""
    tiles: int = Field(default=1, ge=1, le=8)
    """The detector looks at so many parts of the picture a side, too."""
    config: str = "flatsort"
    """A preset of the tracker, or a YAML file."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Changes to it, by key."""
    descriptor: str = "default"
    """As `--descriptor` takes it; `none` tracks by motion alone."""
    delay: float | None = Field(default=None, gt=0)
    """Seconds after which identities are settled by a second pass; null: at once."""
    zones: Path | None = None
    """GeoJSON of lines and zones to count at, as `--zones` takes it."""
    reconnect: float | None = Field(default=None, ge=0)
    """Seconds to try again for; null: for ever, and a video file ends when it ends."""
    max_rate: float | None = Field(default=None, gt=0)
    """Pictures a second that are looked at; those between are skipped."""
    queue: int = Field(default=2, ge=1, le=100)
    """Pictures that wait at most; where more come, the oldest of them is dropped."""

    @field_validator("det")
    @classmethod
    def _is_detector(cls, det: str) -> str:
        if not is_detector(det):
            raise ValueError(f"expected a detector: {DETECTORS}")
        return det

    @property
    def is_recording(self) -> bool:
        """Whether the source is a file, which has an end."""
        return isinstance(self.source, str) and not is_address(self.source) and not self.source.isdecimal()

    @property
    def patience(self) -> float:
        """Seconds to try again for."""
        if self.reconnect is not None:
            return self.reconnect
        return 0.0 if self.is_recording else math.inf

    def tracker_config(self) -> TrackerConfig:
        """The settings of its tracker.

        Raises:
            InputError: no such preset or file, an unknown key or a bad value.
        """
        return load_config(self.config, self.set)


class OutputConfig(_Section):
    """What is written."""

    tracks: Path | None = Path("output/tracks")
    """Folder of Parquet files, CAMERA/DAY/HOUR.parquet; null: none."""
    lines: str | None = None
    """JSON lines: `-` (standard output), a file, tcp://HOST:PORT or unix:PATH, where somebody listens; null: none."""


class PoolConfig(_Section):
    """Who finds and describes people, for all cameras together."""

    workers: int = Field(default=1, ge=1)
    """Threads, or actors of Ray."""
    batch: int = Field(default=16, ge=1)
    """Pictures that one of them takes together at most."""
    cpus: float = Field(default=0.5, ge=0)
    gpus: float = Field(default=0.0, ge=0)
    """Of each actor, as Ray counts them."""


class RayConfig(_Section):
    """Where actors run."""

    address: str | None = None
    """Of a cluster; null: that of $RAY_ADDRESS, else one is started on this machine."""
    cpus_per_camera: float = Field(default=0.1, ge=0)
    """As Ray counts them, so that cameras spread over machines."""
    dashboard: bool = False
    """Of a cluster that is started here."""


class ServiceConfig(_Section):
    """All of `cameras.yaml`."""

    cameras: dict[str, CameraConfig] = Field(min_length=1)
    """By name."""
    defaults: dict[str, Any] = Field(default_factory=dict)
    """Keys of every camera that does not say otherwise."""
    output: OutputConfig = Field(default_factory=OutputConfig)
    listen: str | None = "127.0.0.1:9464"
    """HOST:PORT of /metrics and /healthz; port 0 takes any that is free; null: nowhere."""
    stale: float = Field(default=10.0, gt=0)
    """Seconds without a picture after which a camera does not count as delivering."""
    engine: Literal["ray", "local"] = "ray"
    """`local`: threads of one process, for a few cameras."""
    pool: PoolConfig = Field(default_factory=PoolConfig)
    ray: RayConfig = Field(default_factory=RayConfig)

    def revealed(self, environment: Mapping[str, str] = os.environ) -> ServiceConfig:
        """The same with the variables of the environment in the addresses of its cameras.

        Raises:
            InputError: a variable is not set.
        """
        found = {
            name: camera.model_copy(update={"source": revealed(camera.source, f"cameras.{name}.source", environment)})
            for name, camera in self.cameras.items()
        }
        return self.model_copy(update={"cameras": found})

    @field_validator("cameras", mode="before")
    @classmethod
    def _named(cls, cameras: Any) -> Any:
        for name in cameras if isinstance(cameras, dict) else ():
            if not NAME.fullmatch(str(name)):
                raise ValueError(f"expected names of letters, digits, _ - and . for cameras, found {quoted(name)}")
        return cameras

    @field_validator("listen")
    @classmethod
    def _has_port(cls, listen: str | None) -> str | None:
        if listen is not None and (not (found := PLACE.fullmatch(listen)) or int(found["port"]) > 65535):
            raise ValueError("expected HOST:PORT, such as 127.0.0.1:9464")
        return listen


def load(path: Path) -> ServiceConfig:
    """Read and check `cameras.yaml`.

    Raises:
        InputError: it cannot be read, a key is unknown (the nearest one is named), a value is bad. The message holds no
            address with its password.
    """
    try:
        tree = settings.read(path)
        if "cameras" in tree:
            tree["cameras"] = _cameras(tree, str(path))
        return settings.parse(ServiceConfig, tree, str(path))
    except InputError as error:
        raise InputError(ADDRESS_IN_TEXT.sub(lambda found: shown(found[0]), str(error))) from None


def _cameras(tree: Mapping[str, Any], where: str) -> Any:
    """Each camera, checked by itself, so that a message says which one; what is no mapping is left to the model."""
    defaults, cameras = tree.get("defaults") or {}, tree.get("cameras")
    if not isinstance(defaults, dict) or not isinstance(cameras, dict):
        return cameras
    settings.parse(CameraConfig, {"source": 0, **defaults}, f"{where}: defaults")
    found = {}
    for name, camera in cameras.items():
        place = f"{where}: cameras.{str(name)[:60]}"
        if not isinstance(camera, dict):
            raise InputError(f"{place}: expected `key: value` lines, such as source: rtsp://...")
        settings.parse(CameraConfig, {"source": 0, **defaults, **camera}, place)  # a slip in `source` is an unknown key
        found[str(name)] = settings.parse(CameraConfig, {**defaults, **camera}, place)
        try:
            found[str(name)].tracker_config()
            PlaceCounts(found[str(name)].zones)
        except InputError as error:
            raise InputError(f"{place}: {error}") from None
    return found


def revealed(source: str | int, where: str, environment: Mapping[str, str] = os.environ) -> str | int:
    """A source with the variables of the environment in their places.

    Raises:
        InputError: a variable is not set.

    Example:
        >>> revealed("rtsp://me:${DOOR}@cam", "cameras.door", {"DOOR": "S3cret"})
        'rtsp://me:S3cret@cam'
    """
    if isinstance(source, int):
        return source

    def value(found: re.Match[str]) -> str:
        if found[1] not in environment:
            raise InputError(f"{where}: the variable ${{{found[1]}}} is not set in the environment")
        return environment[found[1]]

    return VARIABLE.sub(value, source)
