"""An ONNX file with one picture as its input, run by ONNX Runtime, and what the file says about itself."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.errors import InputError

DEFAULT_SIZE = 640  # pixels, where the file leaves its input's size open
MOST_PIXELS = 8192  # a side; a larger one is a damaged file's
TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
MOST_TEXT = 200_000  # characters of metadata that are parsed; the names of 1,203 classes (LVIS) take 30,000
MOST_NAME = 100  # characters of a class name that are kept

Floats = NDArray[np.float32]
Size = tuple[int, int]  # width, height


class OnnxNetwork:
    """A network from an .onnx file; it runs on one thread of the CPU.

    Args:
        path: the network; one input, float or half, [1, 3, H, W].

    Attributes:
        size: of the input, pixels.
        task: `detect`, `pose` and the like, as exporters of the YOLO family note it; empty where the file is silent.
        class_names: by class id; empty where the file is silent.
        key_point_values: numbers that a pose network gives each box beyond its classes; None where the file is silent.

    Raises:
        InputError: the file cannot be read or run, or has another input.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._session, self._input, self._type, self.size, notes = _open(path)
        self.task = notes.get("task", "").strip().lower()
        self.class_names = _class_names(notes.get("names", ""))
        self.key_point_values = _key_point_values(notes.get("kpt_shape", ""))

    def run(self, picture: Floats) -> list[Floats]:
        """All outputs for a picture [1, 3, H, W]."""
        try:
            outputs = self._session.run(None, {self._input: picture.astype(self._type, copy=False)})
            return [np.asarray(output, np.float32) for output in outputs]
        except Exception as error:  # ONNX Runtime's own exceptions have no common class
            width, height = self.size
            raise InputError(f"{self._path}: does not run on {width}x{height}: {_first_line(error)}") from error


def _open(path: Path) -> tuple[Any, str, type[np.floating], Size, Mapping[str, str]]:
    """Session, name, type and size of the input, metadata."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # it says in an exception what it would log
    try:
        with path.open("rb"):
            pass
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"], enable_fallback=0)
        inputs = [(entry.name, entry.type, entry.shape) for entry in session.get_inputs()]
        notes = dict(session.get_modelmeta().custom_metadata_map)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeError as error:
        raise InputError(f"{path}: cannot be read as ONNX: its names are no text, is the file damaged?") from error
    except Exception as error:  # ONNX Runtime's own exceptions have no common class
        raise InputError(f"{path}: cannot be read as ONNX: {_first_line(error)}") from error
    match inputs:
        case [(name, kind, [(1 | str() | None), (3 | str() | None), height, width])] if kind in TYPES:
            size = tuple(side if isinstance(side, int) else DEFAULT_SIZE for side in (width, height))
            if all(0 < side <= MOST_PIXELS for side in size):
                return session, name, TYPES[kind], (size[0], size[1]), notes
    found = " and ".join(f"{kind} {shape}" for _, kind, shape in inputs) or "none"
    raise InputError(f"{path}: input {found}, expected one of floats [1, 3, height, width]")


def _first_line(error: Exception) -> str:
    return _printable(str(error).strip().partition("\n")[0])[:300] or type(error).__name__


def _printable(text: str) -> str:
    return "".join(filter(str.isprintable, text))


def _literal(text: str) -> Any:
    """A Python literal in metadata; None where it is none."""
    try:
        with warnings.catch_warnings():  # of what is odd in somebody's names
            warnings.simplefilter("ignore")
            return ast.literal_eval(text.strip()) if len(text) <= MOST_TEXT else None
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _class_names(text: str) -> dict[int, str]:
    """`{0: 'person', ...}` or `['person', ...]`; empty where anything in it is no name."""
    value = _literal(text)
    if isinstance(value, (list, tuple)):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        return {}
    names = {}
    for key, name in value.items():
        class_id = int(key) if isinstance(key, str) and key.isascii() and key.isdigit() and len(key) < 10 else key
        if type(class_id) is not int or not 0 <= class_id < 10**9 or not isinstance(name, str):
            return {}
        names[class_id] = _printable(" ".join(name.split()))[:MOST_NAME]
    return names


def _key_point_values(text: str) -> int | None:
    """`[17, 3]`: 17 key points of three numbers."""
    value = _literal(text)
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(type(part) is int for part in value):
        return prod(value) if min(value) > 0 else None
    return None
