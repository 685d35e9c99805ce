"""Configurations: the committed ones, overrides, and what is said about mistakes."""

from pathlib import Path

import pytest

from embedding.config import PRESET_FOLDERS, load_config, parse_config
from embedding.errors import InputError

PRESETS = PRESET_FOLDERS[1]
MINIMAL = {"data": {"kind": "pendulum"}, "constraint": {"bound": 0.003}, "steps": 10}


@pytest.mark.parametrize("path", sorted(PRESETS.glob("*.yaml")), ids=lambda path: path.stem)
def test_committed_configurations(path: Path) -> None:
    config = load_config(path.stem)
    assert config == load_config(path)
    assert parse_config(config.model_dump(mode="json"), "a round trip") == config


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("steps=7", "steps", 7),
        ("flatness.weight=1e-4", "flatness.weight", 1e-4),  # YAML 1.1 would call it text
        ("flatness.c2=0", "flatness.c2", 0.0),  # the ablation without identity term
        ("flatness.c2=learned", "flatness.c2", "learned"),
        ("mixup.enabled=false", "mixup.enabled", False),
        ("model.decoder.widths=[8, 4]", "model.decoder.widths", (8, 4)),
        ("constraint.max_initial_steps=null", "constraint.max_initial_steps", None),
        ("data.path=a=b.npz", "data.path", "a=b.npz"),  # only the first = parts key and value
    ],
)
def test_overrides(override: str, key: str, value: object) -> None:
    found: object = load_config("pendulum", [override])
    for name in key.split("."):
        found = getattr(found, name)
    assert found == value


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("flatness.wieght=1", r"unknown key 'flatness.wieght'; did you mean 'flatness.weight'\?"),
        ("weight=1", r"unknown key 'weight'; did you mean 'flatness.weight'\?"),  # the right name, no section
        ("modle.latent_dim=3", r"unknown key 'modle'; did you mean 'model'\?"),
        ("steps=many", r"steps: Input should be a valid integer.*, found 'many'"),
        ("steps=0", r"steps: Input should be greater than 0, found 0"),
        ("flatness.mode=flat", r"flatness.mode: Input should be 'absolute' or 'relative', found 'flat'"),
        ("constraint.bound_fraction=0.1", r"expected exactly one of bound and bound_fraction"),
        ("flatness={mode: relative, c2: 0}", r"flatness: c2 is 0, but relative mode knows no fixed target"),
        ("steps", r"expected KEY=VALUE"),
        ("=3", r"expected KEY=VALUE"),
        ("steps.more=3", r"--set steps.more: no such place"),
        ("seed=[1", r"--set seed=\[1: the value is not YAML"),
    ],
)
def test_wrong_overrides(override: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as error:
        load_config("pendulum", [override])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"steps: [1", "not readable as YAML: .* \\(line 1, column 10\\)"),
        (b"- 1\n- 2\n", "expected `key: value` lines, found list"),
        (b"\xff\xfe\x00", "not readable as YAML: is not text"),
        (b"steps: 3\n", "key 'data' is missing"),
    ],
)
def test_broken_files(tmp_path: Path, text: bytes, complaint: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_bytes(text)
    with pytest.raises(InputError, match=complaint) as error:
        load_config(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_no_such_configuration() -> None:
    with pytest.raises(InputError, match=r"no preset or file 'pendulun'; presets are .*pendulum"):
        load_config("pendulun")


def test_defaults_are_the_vhp_vae() -> None:
    assert parse_config(MINIMAL, "here").flatness.weight == 0
