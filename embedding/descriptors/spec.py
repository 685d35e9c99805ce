"""What the text that names a descriptor means: `A+0.7*B`, a model that ships, a file, a run's folder."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embedding.errors import InputError

SHIPPED = Path(__file__).parents[1] / "weights"
DEFAULT = "statistics"  # what `default` means: docs/descriptors.md says why
UNTRAINED = ("colour", "pixels")
RECORD = "model.json"  # what makes a folder a run's
GRAMMAR = "expected names with + between them, weights above 0 before a *, such as default+0.7*colour"


@dataclass(frozen=True)
class Part:
    """One descriptor of several.

    Attributes:
        name: as `Descriptor.load` knows it.
        weight: of its features, before it is squared in the similarity; None where the text gives none.
    """

    name: str
    weight: float | None = None


def parse(text: str) -> tuple[Part, ...]:
    """The parts of `A`, `A+B` or `A+0.7*B`; what exists as a file or model is one part, whatever is in its name.

    Raises:
        InputError: a part without a name, or a weight that is no number above 0.

    Example:
        >>> parse("default+0.7*colour")
        (Part(name='default', weight=None), Part(name='colour', weight=0.7))
    """
    pieces = text.split("+")
    parts: list[Part] = []
    while pieces:
        count = next((k for k in range(len(pieces), 1, -1) if _holds_file("+".join(pieces[:k]))), 1)
        parts.append(_parse_part("+".join(pieces[:count]), text))
        del pieces[:count]
    return tuple(parts)


def three_digits(weight: float) -> str:
    """A weight as it is written: to three digits, without an exponent, whose + would begin a part."""
    return np.format_float_positional(float(f"{weight:.3g}"), trim="-")


def model_path(name: str) -> Path | None:
    """The trained model, its file or its folder, that `Descriptor.load` reads for a name; None where it reads none."""
    if name in UNTRAINED:
        return None
    places = [SHIPPED / f"{name}.safetensors", *([] if name == "default" else [Path(name)])]
    return next(filter(_is_model, places), None)


def closed_form_path(name: str) -> Path | None:
    """The file of a closed-form descriptor that `Descriptor.load` reads for a name; None where it reads none."""
    name = DEFAULT if name == "default" else name
    places = [SHIPPED / f"{name}.npz", *([Path(name)] if name.endswith(".npz") else [])]
    return next((place for place in places if place.is_file()), None)


def adaptable_path(name: str) -> Path | None:
    """The file or folder behind a name, of whichever kind can be fitted to footage."""
    return closed_form_path(name) or model_path(name)


def _parse_part(text: str, whole: str) -> Part:
    name, weight = text.strip(), None
    if "*" in name and not _exists(name):
        number, _, name = (piece.strip() for piece in name.partition("*"))
        weight = _parse_weight(number, whole)
    if not name:
        raise InputError(f"descriptor {whole!r}: a part without a name, {GRAMMAR}")
    return Part(name, weight)


def _parse_weight(number: str, whole: str) -> float:
    try:
        weight = float(number)
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise InputError(f"descriptor {whole!r}: the weight {number!r}, {GRAMMAR}")
    return weight


def _holds_file(text: str) -> bool:
    """Whether this is one part whose name has a + in it: an existing file, possibly behind a weight."""
    weight, _, name = text.partition("*")
    return _exists(text.strip()) or ("+" not in weight and _exists(name.strip()))


def _exists(name: str) -> bool:
    return bool(name) and (model_path(name) is not None or Path(name).exists())


def _is_model(path: Path) -> bool:
    """Whether this is a run's folder, or a model's file, or the name of one that was written in parts."""
    if path.is_dir():
        return (path / RECORD).is_file()
    return path.suffix == ".safetensors" and (path.is_file() or path.with_suffix(".json").is_file())
