"""Small networks that tests of detectors build."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest


def _write_network(
    path: Path,
    *outputs: np.ndarray,
    shape: tuple[int | str, ...] = (1, 3, 96, 96),
    notes: Mapping[str, str] = {},
    half: bool = False,
) -> Path:
    onnx = pytest.importorskip("onnx")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    floats, number = (onnx.TensorProto.FLOAT16, np.float16) if half else (onnx.TensorProto.FLOAT, np.float32)
    constants = {"zero": np.zeros((1, 1, 1, 1), number)}
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("ReduceSum", ["nothing"], ["sum"], keepdims=1),
    ]
    for index, output in enumerate(outputs):
        constants |= {f"constant{index}": output.astype(number), f"ones{index}": np.ones(output.ndim, np.int64)}
        nodes.append(helper.make_node("Reshape", ["sum", f"ones{index}"], [f"scalar{index}"]))
        nodes.append(helper.make_node("Add", [f"constant{index}", f"scalar{index}"], [f"output{index}"]))
    graph = helper.make_graph(
        nodes,
        "constant",
        [helper.make_tensor_value_info("image", floats, shape)],
        [helper.make_tensor_value_info(f"output{i}", floats, list(output.shape)) for i, output in enumerate(outputs)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, dict(notes))
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture(scope="session")
def write_network() -> Callable[..., Path]:
    """`write_network(path, *outputs, shape, notes, half)`: a network that returns `outputs` whatever it is shown.

    `shape` is its input's, `notes` its metadata, `half` its precision.
    """
    return _write_network
