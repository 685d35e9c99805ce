"""Presets, overrides, and what is said of bad ones."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from tracker import InputError, Tracker, TrackerConfig, load_config
from tracker.core import config as config_module
from tracker.core.config import PRESET_FOLDERS, Search, Stage, preset_names

CHECKOUT = PRESET_FOLDERS[1]


def test_presets_load_and_say_which_paper_they_are() -> None:
    assert preset_names() == ["deepsort", "flatsort", "sort"]
    sort, deepsort, flatsort = map(load_config, ("sort", "deepsort", "flatsort"))
    assert (sort.motion, sort.max_age, sort.min_hits, sort.max_iou_distance) == ("xysr", 1, 3, 0.7)
    assert (deepsort.max_age, deepsort.n_init, deepsort.budget, deepsort.max_cosine_distance) == (30, 3, 100, 0.2)
    assert (deepsort.gating_threshold, deepsort.max_iou_distance) == (9.4877, 0.7)
    assert (deepsort.min_confidence, deepsort.nms_max_overlap) == (0.3, 0.7)  # the paper's App. A.3
    assert (flatsort.max_age, flatsort.momentum, flatsort.max_appearance_distance) == (90, 0.9, "auto")
    assert [config.needs_features for config in (sort, deepsort, flatsort)] == [False, True, True]


@pytest.mark.parametrize("name", ["sort", "deepsort", "flatsort"])
def test_every_key_of_a_preset_has_its_comment(name: str) -> None:
    lines = (CHECKOUT / f"{name}.yaml").read_text().splitlines()
    settings = [line for line in lines if re.match(r"\s*(- \{|\w+: \S)", line)]
    assert len(settings) >= 10
    assert [line for line in settings if not re.search(r"\s#\s\S+", line)] == []
    keys = [line.split(":")[0] for line in lines if re.match(r"\w+:", line)]
    assert len(set(keys)) == len(keys)  # YAML would let the last one win


@pytest.mark.parametrize(
    ("overrides", "key", "value"),
    [
        (["max_age=7"], "max_age", 7),
        (["max_age=7", "max_age=8"], "max_age", 8),  # the last one counts
        (["metric=euclidean"], "metric", "euclidean"),
        (["max_cosine_distance=auto"], "max_cosine_distance", "auto"),
        (["max_cosine_distance=3e-1"], "max_cosine_distance", 0.3),
        (["camera_shift=true"], "camera_shift", True),
        (["low_confidence=null"], "low_confidence", None),
        ({"max_age": 7}, "max_age", 7),  # from Python
        ({"gating_threshold": 13.3}, "gating_threshold", 13.3),
    ],
)
def test_overrides_replace_single_keys(overrides: Any, key: str, value: Any) -> None:
    changed, before = load_config("deepsort", overrides), load_config("deepsort")
    assert getattr(changed, key) == value
    assert changed.model_dump(exclude={key}) == before.model_dump(exclude={key})


@pytest.mark.parametrize("overrides", [["stages.1.max_missed=2"], {"stages.1.max_missed": 2}])
def test_overrides_reach_inside_stages(overrides: Any) -> None:
    config = load_config("deepsort", overrides)
    assert [stage.max_missed for stage in config.stages] == [None, 2, None]
    assert load_config("deepsort", ["stages=[{match: iou}]"]).stages[0].match == "iou"


@pytest.mark.parametrize(
    ("minimum", "low", "least"),
    [
        (0.6, 0.1, 0.1),  # a second round for doubtful detections
        (0.6, None, 0.6),  # none
        (None, None, -math.inf),  # every detection, on whatever scale scores are
        (None, 0.1, -math.inf),
        (0.0, 0.1, 0.0),  # nothing is doubtful: `--set min_confidence=0` means all detections
    ],
)
def test_the_least_confidence_is_that_of_the_widest_round(
    minimum: float | None, low: float | None, least: float
) -> None:
    stages = [{"match": "iou"}]
    config = load_config("flatsort", {"min_confidence": minimum, "low_confidence": low, "stages": stages})
    assert config.least_confidence == least


def test_a_configuration_can_be_changed_again_and_stays_as_it_was() -> None:
    first = load_config("sort")
    second = load_config(first, {"max_age": 30})
    assert (first.max_age, second.max_age) == (1, 30)
    assert load_config(second) == second
    assert Tracker.from_config(second).config == second
    assert Tracker.from_config("sort", max_age=30).config == second


def test_a_file_of_the_users_own(tmp_path: Path) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text("max_age: 5\nstages:\n  - {match: iou}\n")
    assert load_config(own).max_age == load_config(str(own)).max_age == 5
    assert load_config(own, ["max_age=6"]).max_age == 6


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["max_agee=3"], "unknown key 'max_agee'; did you mean 'max_age'?"),
        (["iou_distance=0.3"], "unknown key 'iou_distance'; did you mean 'max_iou_distance'?"),
        (["xyzzy=1"], "unknown key 'xyzzy'; keys are motion, min_confidence"),  # nothing is near
        (["stages.0.cascad=true"], "unknown key 'stages.0.cascad'; did you mean 'stages.0.cascade'?"),
        (["max_age"], "--set max_age: expected KEY=VALUE"),
        (["=3"], "--set =3: expected KEY=VALUE"),
        (["max_age=[1"], "--set max_age=[1: the value is not YAML"),
        (["max_age=-1"], "max_age: Input should be greater than or equal to 0, found -1"),
        (["max_age=2.5"], "max_age: Input should be a valid integer"),
        (["max_age=soon"], "max_age: Input should be a valid integer"),
        (["max_age="], "max_age: Input should be a valid integer, found None"),
        (["min_confidence=1.5"], "min_confidence: Input should be less than or equal to 1, found 1.5"),
        (["min_confidence=.nan"], "min_confidence: "),
        (["max_iou_distance=.nan"], "max_iou_distance: "),
        (["low_confidence=7"], "low_confidence: Input should be less than or equal to 1, found 7"),
        (["new_track_confidence=.nan"], "new_track_confidence: Input should be"),
        (["max_cosine_distance=.inf"], "max_cosine_distance"),  # would match what the gate forbids
        (["max_cosine_distance=-0.1"], "max_cosine_distance"),
        (["max_cosine_distance=often"], "max_cosine_distance"),
        (["stages.0.max_distance=.inf"], "stages.0.max_distance"),
        (["n_init=0"], "n_init: Input should be greater than or equal to 1, found 0"),
        (["budget=0"], "budget: Input should be greater than or equal to 1, found 0"),
        (["momentum=1"], "momentum: Input should be less than 1, found 1"),
        (["gating_threshold=0"], "gating_threshold: Input should be greater than 0, found 0"),
        (["motion=xyz"], "motion: Input should be 'xyah' or 'xysr', found 'xyz'"),
        (["appearance=none"], "stages: an appearance stage needs `appearance: gallery` or `average`, found `none`"),
        (["stages=[]"], "stages: "),
        (["stages=5"], "stages: "),
        (["stages=[5]"], "stages.0: "),
        (["stages.0.match=colour"], "stages.0.match: Input should be 'appearance' or 'iou', found 'colour'"),
        (["stages.1.detections=low"], "low_confidence: a stage on low detections needs it, found none"),
        (["stages.7.cascade=true"], "--set stages.7.cascade: no such place"),
        (["stages.x.cascade=true"], "--set stages.x.cascade: no such place"),
        (["stage.0.cascade=true"], "unknown key 'stage'; did you mean 'stages'?"),
        (["max_age.0=1"], "--set max_age.0: no such place"),
    ],
)
def test_bad_overrides_are_named_in_one_line(overrides: list[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_config("deepsort", overrides)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "expected `key: value` lines, found NoneType"),
        (b"- 1\n- 2\n", "expected `key: value` lines, found list"),
        (b"just words", "expected `key: value` lines, found str"),
        (b"max_age: [1\nstages: }", "not readable as YAML"),
        (b"\xff\xfe\x00\x01", "not readable as YAML"),  # an image, say
        (b"!!python/object/apply:os.getcwd []", "not readable as YAML"),  # and nothing is run
        (b"max_age: 5\n", "key 'stages' is missing"),
        (b"1: 2\nstages: [{match: iou}]\n", "own.yaml: 1: Keys should be strings"),
        (b"max_age: 5\nmin_hit: 3\nstages: [{match: iou}]\n", "unknown key 'min_hit'; did you mean 'min_hits'?"),
    ],
)
def test_bad_files_are_named_in_one_line(tmp_path: Path, text: bytes, message: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_bytes(text)
    with pytest.raises(InputError) as caught:
        load_config(path)
    assert message in str(caught.value)
    assert "own.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["strongsort", "SORT", "", ".", "no/such.yaml"])
def test_an_unknown_preset_names_those_there_are(name: str) -> None:
    with pytest.raises(InputError, match=r"no preset or file '.*'; presets are deepsort, flatsort, sort"):
        load_config(name)


def test_presets_are_found_in_a_wheel_and_in_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = Path(config_module.__file__).parents[1]
    assert list(PRESET_FOLDERS) == [package / "presets", package.parent / "configs" / "tracker"]
    wheel = tmp_path / "presets"
    wheel.mkdir()
    (wheel / "sort.yaml").write_text("max_age: 77\nstages: [{match: iou}]\n")
    monkeypatch.setattr(config_module, "PRESET_FOLDERS", (wheel, CHECKOUT))
    assert load_config("sort").max_age == 77  # what is installed comes first
    assert load_config("deepsort").max_age == 30
    monkeypatch.setattr(config_module, "PRESET_FOLDERS", (tmp_path / "absent", CHECKOUT))
    assert load_config("sort").max_age == 1


def test_defaults_are_written_once() -> None:
    """A preset names every key it depends on; what it leaves out has no effect in it."""
    for name in preset_names():
        written = yaml.safe_load((CHECKOUT / f"{name}.yaml").read_text())
        left_out = set(TrackerConfig.model_fields) - set(written)
        silent = {"low_confidence", "new_track_confidence", "camera_shift", "min_hits"}  # off by default
        if written["appearance"] == "none":
            silent |= {"metric", "budget", "momentum", "max_cosine_distance", "max_euclidean_distance"}
            silent |= {"gating_threshold", "max_feature_age"}
        silent |= {"momentum"} if written["appearance"] == "gallery" else {"budget"}
        silent |= {"max_euclidean_distance"} if written.get("metric") == "cosine" else set()
        assert left_out <= silent, name


SEARCHED = [
    (model, name, search)
    for model in (TrackerConfig, Stage)
    for name, field in model.model_fields.items()
    for search in field.metadata
    if isinstance(search, Search)
]


@pytest.mark.parametrize(("model", "name", "search"), SEARCHED)
def test_a_search_range_holds_what_the_field_takes(model: type[BaseModel], name: str, search: Search) -> None:
    assert bool(search.choices) != (search.low < search.high)  # one or the other
    for value in search.choices or (search.low, search.high):
        config = load_config("flatsort", {name if model is TrackerConfig else f"stages.3.{name}": value})
        part = config if model is TrackerConfig else config.stages[-1]
        assert name == "use" or getattr(part, name) == value
    if not search.choices:  # and whole numbers are searched where there are to be some
        number = int if model.model_fields[name].annotation is int else float
        assert (type(search.low), type(search.high)) == (number, number)
    assert not search.log or search.low > 0
    assert search.step is None or (search.high - search.low) / search.step == pytest.approx(
        round((search.high - search.low) / search.step)
    )


@pytest.mark.parametrize(("model", "name", "search"), SEARCHED)
def test_a_search_range_holds_the_presets(model: type[BaseModel], name: str, search: Search) -> None:
    """Where they use the key: from null and `none` nothing is searched."""
    configs = [load_config(preset) for preset in preset_names()]
    parts = configs if model is TrackerConfig else [stage for config in configs for stage in config.stages]
    values = [getattr(part, name) for part in parts]
    assert any(value in search for value in values)
    assert [value for value in values if value not in search and value not in (None, "none")] == []


def test_a_range_knows_what_lies_in_it() -> None:
    assert [value in Search(1, 5) for value in (0, 1, 5, 6, None, "auto")] == [False, True, True, False, False, False]
    assert [value in Search(choices=(None, 2)) for value in (None, 2, 1)] == [True, True, False]


def test_a_stage_can_be_left_out() -> None:
    config = load_config("flatsort", ["stages.3.use=false"])
    assert config.stages == load_config("flatsort").stages[:3]
    assert not load_config("flatsort", ["stages.0.use=false"]).needs_features
    assert load_config(config) == config
    with pytest.raises(InputError, match="stages: expected at least one stage with `use: true`"):
        load_config("sort", ["stages.0.use=false"])
