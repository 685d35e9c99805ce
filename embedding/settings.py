"""Settings from YAML: a file, `KEY=VALUE` overrides and a pydantic model to check them, with one wording for mistakes.

Whatever a file or an override holds ends in the checked model or in an `InputError` of one short line.
"""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from embedding.errors import LONGEST_QUOTE, InputError, quoted, shortened

Model = TypeVar("Model", bound=BaseModel)

MOST = 100_000  # characters of a file or value, with every alias written out; a preset has some 2,000
NEAR = 0.4  # difflib's ratio from which a known key may be the one that was meant


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, but 1e-4 is a number, as in YAML 1.2; in YAML 1.1 it lacks a point."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def load(
    model: type[Model],
    source: str | Path,
    folders: Sequence[Path],
    overrides: Iterable[str] | Mapping[str, Any] = (),
) -> Model:
    """Read a preset or a file, apply overrides, check.

    Args:
        source: name of a preset, or a YAML file.
        folders: where presets lie, the first that has one counts.
        overrides: as `override` takes them.

    Raises:
        InputError: no such preset or file, not YAML, an unknown key (the nearest one is named) or a bad value.
    """
    path = find(source, folders)
    where = path.name if path.parent in folders else str(path)
    return parse(model, override(read(path), overrides), where)


def preset_names(folders: Iterable[Path]) -> list[str]:
    """Names of the presets in these folders, sorted."""
    return sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})


def find(source: str | Path, folders: Sequence[Path]) -> Path:
    """The file of that preset, or that file."""
    for path in (*(folder / f"{source}.yaml" for folder in folders), Path(source)):
        if os.path.isfile(path):  # noqa: PTH113 (which a name that is too long does not surprise)
            return path
    raise InputError(f"config: no preset or file '{shortened(source)}'; presets are {', '.join(preset_names(folders))}")


def read(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file.

    Raises:
        InputError: it cannot be read, is too large, is not YAML or holds no keys.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MOST + 1).decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not readable as YAML: is not text") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    values = _parse_yaml(text, f"{path}: not readable as YAML")
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected `key: value` lines, found {type(values).__name__}")
    return values


def override(tree: dict[str, Any], overrides: Iterable[str] | Mapping[str, Any]) -> dict[str, Any]:
    """Change values in place, one after the other, and return them.

    Args:
        tree: nested dictionaries and lists.
        overrides: `KEY=VALUE` strings, whose value is YAML, or a mapping. A key may have dots: `flatness.weight`,
            `stages.0.max_missed`.

    Raises:
        InputError: no `=`, a value that is not YAML, or no such place.
    """
    pairs = overrides.items() if isinstance(overrides, Mapping) else map(_split, overrides)
    for key, value in pairs:
        _set(tree, str(key), value)
    return tree


def parse(model: type[Model], tree: Mapping[str, Any], where: str) -> Model:
    """Check values given as nested mappings; `where` begins the message of an InputError."""
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise InputError(f"{where}: {_explain(error, model)}") from error
    except RecursionError as error:
        raise InputError(f"{where}: nested too deep") from error


def _split(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not all(key.split(".")):
        raise InputError(f"--set {shortened(text)}: expected KEY=VALUE")
    return key, _parse_yaml(value, f"--set {shortened(text)}: the value is not YAML")


def _set(tree: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key. A section that is absent is made: whether it is known is for the model to say."""
    *outer, last = key.split(".")
    place: Any = tree
    try:
        for part in outer:
            place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
        place[int(last) if isinstance(place, list) else last] = value
    except (AttributeError, IndexError, ValueError, TypeError) as error:
        raise InputError(f"--set {shortened(key)}: no such place in the configuration") from error


def _parse_yaml(text: str, fault: str) -> Any:
    """The value of YAML text; `fault` begins the message where it has none."""
    if len(text) > MOST:
        raise InputError(f"{fault}: more than {MOST:,} characters")
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        size = _written_out(node, {}) if node is not None else 0
        if size <= MOST:
            return loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise InputError(f"{fault}: {shortened(error.problem or error.context)}{place}") from error
    except Exception as error:  # PyYAML lets through what its constructors raise: KeyError, AttributeError, ValueError
        raise InputError(f"{fault}: {type(error).__name__}: {shortened(error)}") from error
    raise InputError(f"{fault}: more than {MOST:,} characters with its aliases written out")


def _written_out(node: yaml.Node, known: dict[int, float]) -> float:
    """Characters of a node's values, about, with every alias written out; infinite where a node holds itself."""
    if id(node) not in known:
        known[id(node)] = math.inf  # until it is known
        if isinstance(node, yaml.ScalarNode):
            known[id(node)] = 1 + len(node.value)
        elif isinstance(node, yaml.MappingNode):
            known[id(node)] = 1 + sum(_written_out(part, known) for pair in node.value for part in pair)
        else:
            known[id(node)] = 1 + sum(_written_out(part, known) for part in node.value)
    return known[id(node)]


def _explain(error: ValidationError, model: type[BaseModel]) -> str:
    """The first complaint of pydantic as one line: key, what was expected, what was found."""
    problem = error.errors()[0]
    if problem["type"] == "extra_forbidden":
        return _unknown(problem["loc"], model)
    where = ".".join(_place(problem["loc"], model))
    if problem["type"] == "missing":
        return f"key '{shortened(where)}' is missing"
    message = _bounded(problem["msg"].removeprefix("Value error, "))
    if isinstance(problem["input"], dict | BaseModel):
        return f"{shortened(where)}: {message}" if where else message
    return f"{shortened(where) or 'settings'}: {message}, found {quoted(problem['input'])}"


def _unknown(place: tuple[int | str, ...], model: type[BaseModel]) -> str:
    """What is said of a key that does not exist: the same name elsewhere, a similar one here, or all there are."""
    key = ".".join(map(str, place))
    section, prefix = model, key[: -len(str(place[-1]))]
    for part in place[:-1]:
        inner = _section(section.model_fields[part].annotation) if part in section.model_fields else None
        section = section if inner is None else inner
    name = str(place[-1])[: 2 * LONGEST_QUOTE]  # difflib's time grows with the square of the length
    elsewhere = [known for known in _keys(model) if known.rpartition(".")[2] == name]
    near = [f"{prefix}{known}" for known in difflib.get_close_matches(name, section.model_fields, n=1, cutoff=NEAR)]
    meant = next(iter(elsewhere + near), None)
    hint = f"did you mean '{meant}'?" if meant else f"keys are {', '.join(section.model_fields)}"
    return f"unknown key '{shortened(key)}'; {hint}"


def _place(place: tuple[int | str, ...], model: type[BaseModel]) -> Iterator[str]:
    """The parts of a key as a user writes it: behind it pydantic says which of several types it tried."""
    section: type[BaseModel] | None = model
    for part in place:
        if isinstance(part, int):
            yield str(part)
        elif section is not None:
            yield part
            field = section.model_fields.get(part)
            section = None if field is None else _section(field.annotation)


def _section(annotation: Any) -> type[BaseModel] | None:
    """The model that a field holds, alone or several of it."""
    if get_origin(annotation) is None and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_section, get_args(annotation))), None)


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """All keys of a model, dotted; of several sections in a list those of the first."""
    for name, field in model.model_fields.items():
        yield prefix + name
        section = _section(field.annotation)
        if section is not None:
            several = "" if section is field.annotation else "0."
            yield from _keys(section, f"{prefix}{name}.{several}")


def _bounded(message: str) -> str:
    """A message of pydantic or of a validator, which may quote what it was given."""
    line = " ".join(message.split())
    return line if len(line) <= 3 * LONGEST_QUOTE else f"{line[: 3 * LONGEST_QUOTE - 3]}..."
