"""A descriptor's encoder as an ONNX graph, operator by operator.

torch's own exporters are no help here: the new one needs onnxscript, the old one is about to go and fixes the batch.
The encoders are made of few kinds of layers, and `embedding.export` compares what the graph computes with what torch
does before anybody sees it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from embedding.descriptors.latent import Stages
from embedding.descriptors.onnx import IMAGENET_MEAN, IMAGENET_STD
from embedding.vae.colour_stripes import ColourStripes
from embedding.vae.networks import GaussianHead, GaussianPerceptron, VGG16Encoder

INPUT, OUTPUT = "images", "features"
BATCH = "n"  # the name of the dimension that may be anything
OLDEST_OPSET = 16  # the first whose ScatterElements can add


class Graph:
    """Nodes and constants as they are added; a value is the name of what a node gives."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node of one output and name it after its operator."""
        output = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def constant(self, values: Tensor | NDArray[Any] | Sequence[int] | int | float) -> str:
        """Add a constant; whole numbers are int64, others float32."""
        array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
        array = array.astype(np.int64 if np.issubdtype(array.dtype, np.integer) else np.float32)
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name


def descriptor_graph(stages: Stages, size: tuple[int, int], kind: str, opset: int) -> onnx.ModelProto:
    """The model: images of any number in, features [N, n] out.

    Args:
        stages: of the descriptor.
        size: width and height of a crop, pixels.
        kind: `imagenet` takes float32 [N, 3, height, width], red, green, blue in [0, 1] minus ImageNet's mean and over
            its standard deviation; `crops` takes uint8 [N, height, width, 3], blue, green, red.
        opset: version of ONNX's operators, from 16.
    """
    graph = Graph()
    images = _from_imagenet(graph, stages) if kind == "imagenet" else _from_bytes(graph, stages)
    latent = _encode(graph, stages.encoder, images)
    centred = graph.add("Sub", latent, graph.constant(stages.offset))
    graph.add("MatMul", centred, graph.constant(stages.matrix.T), output=OUTPUT)
    return finished(graph, size, kind, len(stages.matrix), opset)


def finished(graph: Graph, size: tuple[int, int], kind: str, dimension: int, opset: int) -> onnx.ModelProto:
    """The model of a graph that takes `INPUT` and gives `OUTPUT` [N, dimension]."""
    width, height = size
    of_bytes = helper.make_tensor_value_info(INPUT, TensorProto.UINT8, [BATCH, height, width, 3])
    of_colours = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [BATCH, 3, height, width])
    given = of_bytes if kind == "crops" else of_colours
    found = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [BATCH, dimension])
    whole = helper.make_graph(graph.nodes, "descriptor", [given], [found], graph.constants)
    versions = [helper.make_opsetid("", opset)]
    oldest = helper.find_min_ir_version_for(versions)  # which older runtimes read too
    return helper.make_model(whole, producer_name="flatsort", opset_imports=versions, ir_version=oldest)


def _from_imagenet(graph: Graph, stages: Stages) -> str:
    """(colour - mean) / std of an image standardised with ImageNet's figures, which is a scale and a shift of it."""
    reversed_colours = graph.add("Gather", INPUT, graph.constant([2, 1, 0]), axis=1)  # to blue, green, red
    mean, std = (
        torch.from_numpy(values[::-1].copy()).double().view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD)
    )
    return _scale_and_shift(graph, reversed_colours, std, mean, stages)


def _from_bytes(graph: Graph, stages: Stages) -> str:
    """(bytes / 255 - mean) / std, channels first."""
    values = graph.add("Cast", INPUT, to=TensorProto.FLOAT)
    first = graph.add("Transpose", values, perm=[0, 3, 1, 2])
    return _scale_and_shift(graph, first, torch.tensor(1 / 255).double(), torch.zeros(()), stages)


def _scale_and_shift(graph: Graph, values: str, scale: Tensor, shift: Tensor, stages: Stages) -> str:
    """((values * scale + shift) - mean) / std in one scale and one shift."""
    mean, std = stages.mean.cpu().double(), stages.std.cpu().double()
    scaled = graph.add("Mul", values, graph.constant(scale / std))
    return graph.add("Add", scaled, graph.constant((shift - mean) / std))


def _encode(graph: Graph, encoder: nn.Module, images: str) -> str:
    """m(x) [N, n] of images x [N, 3, height, width]."""
    if not isinstance(encoder, VGG16Encoder):
        return _layer(graph, encoder, images)
    centred = graph.add("Sub", images, graph.constant(encoder.channel_mean))
    scaled = graph.add("Div", centred, graph.constant(encoder.channel_std))
    mean = _layer(graph, encoder.head, graph.add("Flatten", _layer(graph, encoder.body, scaled)))
    return mean if encoder.stripes is None else graph.add("Add", mean, _stripes(graph, encoder.stripes, images))


def _layer(graph: Graph, layer: nn.Module, value: str) -> str:
    """What a layer, or a chain of them, makes of a value; of a Gaussian, its mean."""
    if isinstance(layer, nn.Sequential):
        for part in layer:
            value = _layer(graph, part, value)
        return value
    if isinstance(layer, GaussianPerceptron):
        return _layer(graph, layer.head, _layer(graph, layer.body, value))
    if isinstance(layer, GaussianHead):
        return _layer(graph, layer.mean, value)
    return OPERATORS[type(layer)](graph, layer, value)


def _convolution(graph: Graph, layer: nn.Conv2d, value: str) -> str:
    assert layer.bias is not None and not isinstance(layer.padding, str)
    constants = graph.constant(layer.weight), graph.constant(layer.bias)
    return graph.add(
        "Conv", value, *constants, kernel_shape=layer.kernel_size, strides=layer.stride, pads=layer.padding * 2
    )


def _pooling(graph: Graph, layer: nn.MaxPool2d, value: str) -> str:
    return graph.add("MaxPool", value, kernel_shape=[layer.kernel_size] * 2, strides=[layer.stride] * 2)


def _linear(graph: Graph, layer: nn.Linear, value: str) -> str:
    return graph.add("Gemm", value, graph.constant(layer.weight), graph.constant(layer.bias), transB=1)


def _pointwise(operator: str) -> Callable[[Graph, nn.Module, str], str]:
    return lambda graph, _, value: graph.add(operator, value)


OPERATORS: dict[type[nn.Module], Callable[[Graph, Any, str], str]] = {
    nn.Conv2d: _convolution,
    nn.MaxPool2d: _pooling,
    nn.Linear: _linear,
    nn.Flatten: _pointwise("Flatten"),
    nn.ReLU: _pointwise("Relu"),
    nn.Tanh: _pointwise("Tanh"),
    nn.Softplus: _pointwise("Softplus"),
    nn.SiLU: lambda graph, _, value: graph.add("Mul", value, graph.add("Sigmoid", value)),
}


def _stripes(graph: Graph, stripes: ColourStripes, images: str) -> str:
    """`ColourStripes`: the histogram's square roots, mapped to the latents."""
    mean, std = stripes.scale
    colours = graph.add("Add", graph.add("Mul", images, graph.constant(std)), graph.constant(mean))
    clipped = graph.add("Clip", colours, graph.constant(0.0), graph.constant(math.nextafter(1, 0)))
    bin_of_colour = graph.add("Floor", graph.add("Mul", clipped, graph.constant(float(stripes.bins))))
    capped = graph.add("Min", bin_of_colour, graph.constant(stripes.bins - 1.0))
    places = torch.tensor([stripes.bins**2, stripes.bins, 1.0]).view(3, 1, 1)
    bin_of_pixel = graph.add(
        "ReduceSum", graph.add("Mul", capped, graph.constant(places)), graph.constant([1]), keepdims=0
    )
    whole = graph.add("Cast", graph.add("Flatten", bin_of_pixel), to=TensorProto.INT64)
    index = graph.add("Add", whole, graph.constant(stripes.first_bin))
    shape = graph.add("Shape", index)
    count = graph.add("Gather", shape, graph.constant([0]))
    size = graph.add("Concat", count, graph.constant([stripes.dimension]), axis=0)
    empty = graph.add("ConstantOfShape", size)
    weights = graph.add("Expand", graph.constant(stripes.weight_of_pixel), shape)
    frequencies = graph.add("ScatterElements", empty, index, weights, axis=1, reduction="add")
    centred = graph.add("Sub", graph.add("Sqrt", frequencies), graph.constant(stripes.centre))
    return graph.add("MatMul", centred, graph.constant(stripes.map.weight.T))
