"""The tracker's settings: one pydantic class, presets as YAML files, `KEY=VALUE` overrides."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from embedding import settings

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
    second_pass: Literal["none", "fill", "link"] = "none"
    """What `track` does with a recording after its last frame; `Tracker` itself knows the past alone."""
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
    def starting_confidence(self) -> float:
        """Score from which a detection can start a track."""
        return self.high_confidence if self.new_track_confidence is None else self.new_track_confidence

    @property
    def max_appearance_distance(self) -> float | Literal["auto"]:
        """The threshold of the chosen metric."""
        return self.max_cosine_distance if self.metric == "cosine" else self.max_euclidean_distance


def preset_names() -> list[str]:
    """Names that `load_config` knows, sorted."""
    return settings.preset_names(PRESET_FOLDERS)


def load_config(source: str | Path | TrackerConfig, overrides: Iterable[str] | Mapping[str, Any] = ()) -> TrackerConfig:
    """Read a preset or a YAML file and apply overrides.

    Args:
        source: `sort`, `deepsort`, `flatsort`, a YAML file, or a configuration to change.
        overrides: `KEY=VALUE` strings (the value is YAML; `stages.0.max_missed=2` reaches inside), or a mapping.

    Raises:
        InputError: no such preset, not YAML, an unknown key (the nearest one is named) or a bad value.

    Example:
        >>> load_config("deepsort", ["max_age=70"]).max_age
        70
    """
    if isinstance(source, TrackerConfig):
        if not overrides:
            return source
        return settings.parse(TrackerConfig, settings.override(source.model_dump(mode="json"), overrides), "config")
    return settings.load(TrackerConfig, source, PRESET_FOLDERS, overrides)
