"""The tracker's settings: one pydantic class, presets as YAML files, `KEY=VALUE` overrides."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tracker.errors import InputError

PRESET_FOLDERS = (
    Path(__file__).parents[1] / "presets",  # in an installed wheel
    Path(__file__).resolve().parents[2] / "configs" / "tracker",  # in a checkout
)


Distance = Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class Search:
    """Where `tools.tune` looks for a better value of a field; written beside the field, in its `Annotated`.

    Attributes:
        low, high: first and last value; whole numbers where both are.
        log: spread evenly over the logarithm.
        step: distance between values; None: 1 for whole numbers, as fine as it goes for others.
        choices: the values themselves, in place of a range.
        of_appearance: the field has no effect where appearance is not compared.
    """

    low: float = 0
    high: float = 0
    log: bool = False
    step: float | None = None
    choices: tuple[Any, ...] = ()
    of_appearance: bool = False

    def __contains__(self, value: object) -> bool:
        if self.choices:
            return value in self.choices
        return isinstance(value, int | float) and self.low <= value <= self.high


CHI_SQUARE = (7.7794, 9.4877, 11.1433, 13.2767, 18.4668, 23.5127)
"""Quantiles 0.9, 0.95, 0.975, 0.99, 0.999, 0.9999 of the distribution with 4 degrees of freedom."""


class Stage(BaseModel):
    """One round of matching, over the tracks and detections that earlier rounds left."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    match: Literal["appearance", "iou"]
    """The cost: appearance distance under the Mahalanobis gate, or 1 - IoU with the predicted box."""
    tracks: Literal["all", "confirmed", "tentative"] = "all"
    detections: Literal["high", "low"] = "high"
    """`high`: score >= min_confidence; `low`: between low_confidence and min_confidence (ByteTrack's second round)."""
    use: Annotated[bool, Search(choices=(True, False))] = True
    """false: the round is left out, as if it were not written."""
    cascade: Annotated[bool, Search(choices=(True, False))] = False
    """Assign age by age, the tracks seen last first (Wojke et al. 2017, Listing 1)."""
    max_missed: Annotated[int | None, Search(choices=(0, 1, 2, 5, 10, 30, 60, None))] = Field(None, ge=0)
    """Only tracks that were missed in at most this many frames before this one; null: any."""
    max_distance: Distance | None = None
    """Largest cost of a match; null: the preset's threshold for this kind of match."""
    last_chance: bool = True
    """false: not for tracks that end with this frame unless they are found, last seen max_age + 1 frames ago. Wojke et
    al.'s cascade has max_age levels, which leaves them out."""
    assign_before_threshold: bool = False
    """Solve over every overlapping pair and drop bad matches afterwards, instead of gating first; only where the good
    pairs are one to one already, they are taken as they are (SORT)."""
    when: Literal["always", "appearance", "motion"] = "always"
    """`appearance`: only in frames where appearance separates; `motion`: only where it is absent or says nothing."""


class TrackerConfig(BaseModel):
    """Every setting of a tracker; `configs/tracker/*.yaml` say what each preset chooses and why."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    motion: Literal["xyah", "xysr"] = "xyah"
    min_confidence: Annotated[float | None, Search(0.1, 0.9, step=0.05)] = Field(None, ge=0, le=1)
    low_confidence: Annotated[float | None, Search(0.05, 0.5, step=0.05)] = Field(None, ge=0, le=1)
    new_track_confidence: Annotated[float | None, Search(choices=(None, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9))] = Field(
        None, ge=0, le=1
    )
    nms_max_overlap: Annotated[float, Search(0.5, 1.0, step=0.05)] = Field(1.0, ge=0, le=1)
    max_age: Annotated[int, Search(1, 300, log=True)] = Field(30, ge=0)
    keep_shrunk: bool = False
    n_init: Annotated[int, Search(1, 6)] = Field(3, ge=1)
    min_hits: int = Field(0, ge=0)
    max_coast: Annotated[int, Search(0, 10)] = Field(0, ge=0)
    gating_threshold: Annotated[float, Search(choices=CHI_SQUARE, of_appearance=True)] = Field(9.4877, gt=0)
    max_iou_distance: Annotated[float, Search(0.3, 0.95, step=0.05)] = Field(0.7, ge=0, le=1)
    class_gating: bool = True
    camera_shift: Annotated[bool, Search(choices=(True, False))] = False
    appearance: Annotated[
        Literal["none", "gallery", "average"], Search(choices=("gallery", "average"), of_appearance=True)
    ] = "none"
    metric: Annotated[Literal["cosine", "euclidean"], Search(choices=("cosine", "euclidean"), of_appearance=True)] = (
        "cosine"
    )
    budget: Annotated[int, Search(10, 300, log=True, of_appearance=True)] = Field(100, ge=1)
    momentum: Annotated[float, Search(0.5, 0.98, step=0.02, of_appearance=True)] = Field(0.9, ge=0, lt=1)
    max_cosine_distance: Annotated[
        Distance | Literal["auto"], Search(choices=("auto", 0.05, 0.1, 0.15, 0.2, 0.3, 0.4), of_appearance=True)
    ] = "auto"
    max_euclidean_distance: Distance | Literal["auto"] = "auto"
    max_feature_age: Annotated[int, Search(1, 30, log=True, of_appearance=True)] = Field(5, ge=1)
    stages: tuple[Stage, ...] = Field(min_length=1)

    @field_validator("stages")
    @classmethod
    def _leave_out_unused(cls, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        used = tuple(stage for stage in stages if stage.use)
        if not used:
            raise ValueError("expected at least one stage with `use: true`")
        return used

    @model_validator(mode="after")
    def _consistent(self) -> TrackerConfig:
        if self.appearance == "none" and any(stage.match == "appearance" for stage in self.stages):
            raise ValueError("stages: an appearance stage needs `appearance: gallery` or `average`, found `none`")
        if self.low_confidence is None and any(stage.detections == "low" for stage in self.stages):
            raise ValueError("low_confidence: a stage on low detections needs it, found none")
        return self

    @property
    def needs_features(self) -> bool:
        """Whether any stage compares appearance."""
        return any(stage.match == "appearance" for stage in self.stages)

    @property
    def high_confidence(self) -> float:
        """Score from which a detection takes part in every round; null admits any, on whatever scale scores are."""
        return -math.inf if self.min_confidence is None else self.min_confidence

    @property
    def least_confidence(self) -> float:
        """Score below which a detection is of no use in any round."""
        return self.high_confidence if self.low_confidence is None else min(self.low_confidence, self.high_confidence)

    @property
    def max_appearance_distance(self) -> float | Literal["auto"]:
        """The threshold of the chosen metric."""
        return self.max_cosine_distance if self.metric == "cosine" else self.max_euclidean_distance


def preset_names() -> list[str]:
    """Names that `load_config` knows, sorted."""
    return sorted({path.stem for folder in PRESET_FOLDERS for path in folder.glob("*.yaml")})


def _preset_path(name_or_path: str | Path) -> Path:
    for folder in PRESET_FOLDERS:
        path = folder / f"{name_or_path}.yaml"
        if path.is_file():
            return path
    path = Path(name_or_path)
    if path.is_file():
        return path
    raise InputError(f"config: no preset or file '{name_or_path}'; presets are {', '.join(preset_names())}")


def load_config(source: str | Path | TrackerConfig, overrides: Iterable[str] | Mapping[str, Any] = ()) -> TrackerConfig:
    """Read a preset or a YAML file and apply overrides.

    Args:
        source: `sort`, `deepsort`, `flatsort`, a YAML file, or a configuration to change.
        overrides: `KEY=VALUE` strings (the value is YAML; `stages.0.max_missed=2` reaches inside), or a mapping.

    Raises:
        InputError: no such preset, not YAML, an unknown key (the nearest one is named) or a bad value.
    """
    if isinstance(source, TrackerConfig):
        where, values = "config", source.model_dump(mode="json")
    else:
        path = _preset_path(source)
        where, values = path.name, _read_yaml(path)
    pairs = overrides.items() if isinstance(overrides, Mapping) else (_parse(text) for text in overrides)
    for key, value in pairs:
        _set(values, key, value)
    try:
        return TrackerConfig.model_validate(values)
    except ValidationError as error:
        raise InputError(_one_line(where, error)) from error


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected `key: value` lines, found {type(values).__name__}")
    return values


def _parse(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise InputError(f"--set {text}: expected KEY=VALUE")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise InputError(f"--set {text}: the value is not YAML") from error


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key: `max_age`, or `stages.0.max_missed`."""
    *outer, last = key.split(".")
    place: Any = values
    try:
        for part in outer:
            place = place[int(part)] if isinstance(place, list) else place[part]
        if isinstance(place, list):
            place[int(last)] = value
        else:
            place[last] = value
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise InputError(f"--set {key}: no such place in the configuration") from error


def _one_line(source: str, error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "settings"
    if first["type"] == "extra_forbidden":
        model = TrackerConfig if len(first["loc"]) == 1 else Stage
        nearest = difflib.get_close_matches(str(first["loc"][-1]), model.model_fields, n=1, cutoff=0.4)
        hint = f"did you mean '{nearest[0]}'?" if nearest else f"keys are {', '.join(model.model_fields)}"
        return f"{source}: unknown key '{where}'; {hint}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{source}: {where}: {message}, found {first['input']!r}" if first["loc"] else f"{source}: {message}"
