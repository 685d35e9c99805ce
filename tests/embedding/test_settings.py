"""Settings from YAML: one loader for trackers and networks, one wording for a mistake, and bounds on bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from embedding import settings
from embedding.errors import InputError


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    weight: float = Field(1.0, ge=0)
    kind: Literal["one", "two"] = "one"


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    steps: int = 10
    rate: float = 0.1
    inner: Inner = Inner()
    parts: tuple[Inner, ...] = ()
    name: str


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.yaml").write_text("name: small\nparts: [{weight: 2}, {weight: 3}]\n")
    return tmp_path


@pytest.mark.parametrize(
    ("overrides", "place", "value"),
    [
        (["steps=20"], ("steps",), 20),
        (["rate=1e-4"], ("rate",), 1e-4),  # which YAML 1.1 takes for text
        (["rate=2E3"], ("rate",), 2000.0),
        (["inner.weight=0.5"], ("inner", "weight"), 0.5),
        (["parts.1.weight=7"], ("parts", 1, "weight"), 7),
        ({"inner.kind": "two"}, ("inner", "kind"), "two"),
        (["steps=1", "steps=2"], ("steps",), 2),
        (["name=a=b"], ("name",), "a=b"),
    ],
)
def test_overrides_reach_every_place(folder: Path, overrides: Any, place: tuple[Any, ...], value: object) -> None:
    found: Any = settings.load(Settings, "small", [folder], overrides).model_dump()
    for part in place:
        found = found[part]
    assert found == value


@pytest.mark.parametrize("source", ["small", "small.yaml"])
def test_a_preset_or_a_file(folder: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert settings.load(Settings, source, [folder]).parts[0].weight == 2
    assert settings.preset_names([folder]) == ["small"]


def test_the_first_folder_counts(folder: Path) -> None:
    (folder / "other").mkdir()
    (folder / "other" / "small.yaml").write_text("name: other\n")
    assert settings.load(Settings, "small", [folder / "other", folder]).name == "other"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["steps"], "--set steps: expected KEY=VALUE"),
        (["=1"], "--set =1: expected KEY=VALUE"),
        (["inner..weight=1"], "expected KEY=VALUE"),
        (["steps=[1"], "--set steps=[1: the value is not YAML"),
        (["steps=ten"], "steps: Input should be a valid integer, unable to parse string as an integer, found 'ten'"),
        (["stebs=1"], "unknown key 'stebs'; did you mean 'steps'?"),
        (["weight=1"], "unknown key 'weight'; did you mean 'inner.weight'?"),
        (["inner.wait=1"], "unknown key 'inner.wait'; did you mean 'inner.weight'?"),
        (["zzz=1"], "unknown key 'zzz'; keys are steps, rate, inner, parts, name"),
        (["inner.kind=three"], "inner.kind: Input should be 'one' or 'two', found 'three'"),
        (["inner.weight=-1"], "inner.weight: Input should be greater than or equal to 0, found -1"),
        (["parts.5.weight=1"], "--set parts.5.weight: no such place"),
        (["steps.deep=1"], "--set steps.deep: no such place"),
    ],
)
def test_a_mistake_is_one_line(folder: Path, overrides: list[str], said: str) -> None:
    (folder / "small.yaml").write_text("name: small\nsteps: 1\nparts: [{weight: 2}]\n")
    with pytest.raises(InputError) as raised:
        settings.load(Settings, "small", [folder], overrides)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected `key: value` lines, found NoneType"),
        ("- 1\n", "expected `key: value` lines, found list"),
        ("a: [1", "not readable as YAML"),
        ("a: b: c\n", "not readable as YAML"),
        ("name: !!python/object/apply:os.system ['true']\n", "not readable as YAML"),  # nothing is run
        ("a: &a [*a]\nname: x\n", "not readable as YAML"),  # holds itself
        ("name: x\nsteps: " + "9" * 5000, ""),
        ("name: x\nsteps: {[1]: 2}\n", "not readable as YAML"),
        ("inner: {weight: 1}\n", "key 'name' is missing"),
        ("[" * 3000, "not readable as YAML"),
        ("x: " + "y" * 200_000, "more than 100,000 characters"),
    ],
)
@pytest.mark.slow
def test_a_bad_file_is_one_short_line(folder: Path, text: str, said: str) -> None:
    (folder / "bad.yaml").write_text(text)
    with pytest.raises(InputError) as raised:
        settings.load(Settings, "bad", [folder])
    message = str(raised.value)
    assert said in message and "bad.yaml" in message
    assert "\n" not in message and len(message) < 500 + len(str(folder))


def test_aliases_do_not_grow_without_bound(folder: Path) -> None:
    """Nine lines that are a billion values when written out."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (folder / "laugh.yaml").write_text("\n".join(lines))
    with pytest.raises(InputError, match="with its aliases written out"):
        settings.load(Settings, "laugh", [folder])


def test_no_such_preset(folder: Path) -> None:
    with pytest.raises(InputError, match="no preset or file 'smal'; presets are small"):
        settings.load(Settings, "smal", [folder])
    with pytest.raises(InputError, match=r"no preset or file 'x+\.\.\.'"):
        settings.load(Settings, "x" * 5000, [folder])
