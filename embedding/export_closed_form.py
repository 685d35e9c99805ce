"""A closed-form descriptor as an ONNX graph.

ONNX has no eigenvectors: the logarithm of a matrix is found by square roots, each by Newton's and Schulz's iteration,
which multiplies matrices alone (Higham, Functions of Matrices, 2008, chapters 6 and 11), and by the series of what is
then near to the identity. A colour's words are looked up in the same table as in `ColourWords`.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from embedding.descriptors.closed_form import Affine, ClosedForm
from embedding.descriptors.onnx import IMAGENET_MEAN, IMAGENET_STD
from embedding.descriptors.statistics import BANDS, COLUMNS, GREY, ROWS, ColourWords, StripeGaussians
from embedding.export_graph import INPUT, OUTPUT, Graph, finished

SIDE = StripeGaussians.FEATURES + 1
STEPS = (14, 10, 8, 7)  # of each square root: eigenvalues begin at a thousandth of the trace, then at its root ...
CENTRE = 0.7  # of the eigenvalues after four roots, which lie in 0.4 to 1
TERMS = 18  # of the series


def closed_form_graph(describe: ClosedForm, kind: str, opset: int) -> onnx.ModelProto:
    """The model: images of any number in, features [N, 128] out; `kind` as `descriptor_graph` has it."""
    graph = Graph()
    pixels = _prepared(graph, kind)
    words, gaussians = _words(graph, describe.statistics.words, pixels), _gaussians(graph, pixels)
    parts = [
        _unit(graph, _affine(graph, part, rows))
        for part, rows in zip(describe.map.parts, (words, gaussians), strict=True)
    ]
    _affine(graph, describe.map.joint, graph.add("Concat", *parts, axis=1), OUTPUT)
    return finished(graph, (describe.width, describe.height), kind, describe.dimension, opset)


def _prepared(graph: Graph, kind: str) -> str:
    """Blue, green and red [N, 3, 64, 32] in 0 to 1, half way to grey."""
    if kind == "imagenet":
        colours = graph.add("Gather", INPUT, graph.constant([2, 1, 0]), axis=1)
        mean, std = (values[::-1].reshape(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
        scaled = graph.add("Mul", colours, graph.constant(np.asarray(std)))
        values = graph.add("Add", scaled, graph.constant(np.asarray(mean)))
    else:
        values = graph.add("Transpose", graph.add("Cast", INPUT, to=TensorProto.FLOAT), perm=[0, 3, 1, 2])
        values = graph.add("Div", values, graph.constant(255.0))
    pairs = graph.add("Reshape", values, graph.constant([0, 3, ROWS, COLUMNS, 2]))
    pixels = _mean(graph, pairs, [4], 2, keepdims=0)
    means = graph.add("Max", _mean(graph, pixels, [2, 3], ROWS * COLUMNS), graph.constant(1 / 255))
    grey = _mean(graph, means, [1], 3)
    gains = graph.add("Pow", graph.add("Div", grey, means), graph.constant(GREY))
    return graph.add("Min", graph.add("Mul", pixels, gains), graph.constant(1.0))


def _mean(graph: Graph, values: str, axes: list[int], count: int, keepdims: int = 1) -> str:
    """Over axes of `count` values in all; ReduceMean takes its axes otherwise in every other version."""
    total = graph.add("ReduceSum", values, graph.constant(axes), keepdims=keepdims)
    return graph.add("Div", total, graph.constant(float(count)))


def _words(graph: Graph, words: ColourWords, pixels: str) -> str:
    """`ColourWords`: [N, 8 x words]."""
    levels, count = ColourWords.LEVELS, len(words.words)
    level = graph.add("Cast", graph.add("Mul", pixels, graph.constant(float(levels))), to=TensorProto.INT64)
    capped = graph.add("Min", level, graph.constant(levels - 1))
    places = graph.constant(np.array([levels**2, levels, 1]).reshape(3, 1, 1))
    colour = graph.add("ReduceSum", graph.add("Mul", capped, places), graph.constant([1]), keepdims=0)
    shares = np.zeros((levels**3, count), np.float16)
    np.put_along_axis(shares, words.nearest, words.share.astype(np.float16), axis=1)
    table = "shares"
    graph.constants.append(numpy_helper.from_array(shares, table))
    share = graph.add("Cast", graph.add("Gather", table, colour, axis=0), to=TensorProto.FLOAT)  # [N, 64, 32, W]
    weighted = graph.add("Mul", share, graph.constant(words.columns[:, None]))
    of_row = graph.add("ReduceSum", weighted, graph.constant([2]), keepdims=0)
    stripes = graph.add("MatMul", graph.constant(words.stripes), of_row)
    return graph.add("Flatten", graph.add("Sqrt", graph.add("Max", stripes, graph.constant(0.0))))


def _gaussians(graph: Graph, pixels: str) -> str:
    """`StripeGaussians`: [N, 7 x 55]."""
    logarithm = _logarithm(graph, _moments(graph, pixels))
    upper = np.triu_indices(SIDE)
    scale = np.where(upper[0] == upper[1], 1, np.sqrt(2))
    flat = graph.add("Reshape", logarithm, graph.constant([0, BANDS - 1, SIDE * SIDE]))
    chosen = graph.add("Gather", flat, graph.constant(upper[0] * SIDE + upper[1]), axis=2)
    return graph.add("Flatten", graph.add("Mul", chosen, graph.constant(scale)))


def _moments(graph: Graph, pixels: str) -> str:
    """[N, 7, 10, 10]"""
    gaussians = StripeGaussians()
    planes = _planes(graph, pixels, gaussians)
    bands = graph.add("Reshape", planes, graph.constant([0, SIDE, BANDS, -1]))
    weighted = graph.add("Mul", graph.add("Transpose", bands, perm=[0, 2, 1, 3]), graph.constant(gaussians.root))
    squares = graph.add("MatMul", weighted, graph.add("Transpose", weighted, perm=[0, 1, 3, 2]))
    lower, upper = (
        graph.add("Slice", squares, graph.constant([start]), graph.constant([stop]), graph.constant([1]))
        for start, stop in ((0, BANDS - 1), (1, BANDS))
    )
    mean = graph.add("Div", graph.add("Add", lower, upper), graph.constant(2.0))
    return graph.add("Add", mean, graph.constant(StripeGaussians.RIDGE * np.eye(SIDE)))


def _planes(graph: Graph, pixels: str, gaussians: StripeGaussians) -> str:
    """Features of pixels, [N, 10, 64, 32]."""
    blue, green, red = (graph.add("Gather", pixels, graph.constant([colour]), axis=1) for colour in range(3))
    zero = graph.add("Mul", blue, graph.constant(0.0))
    light, a, b = _lab(graph, pixels)
    largest, smallest = graph.add("Max", blue, green, red), graph.add("Min", blue, green, red)
    saturation = graph.add(
        "Div",
        graph.add("Sub", largest, smallest),
        graph.add("Max", largest, graph.constant(StripeGaussians.DARKEST)),
    )
    light = graph.add("Div", light, graph.constant(100.0))
    return graph.add(
        "Concat",
        graph.add("Add", zero, graph.constant(gaussians.height)),
        light,
        *(graph.add("Div", value, graph.constant(50.0)) for value in (a, b)),
        saturation,
        _gradient(graph, light, axis=3, size=COLUMNS),
        _gradient(graph, light, axis=2, size=ROWS),
        blue,
        red,
        graph.add("Add", zero, graph.constant(1.0)),
        axis=1,
    )


def _gradient(graph: Graph, values: str, axis: int, size: int) -> str:
    """Size of the difference of both neighbours; 0 at the border."""
    ahead, behind = (
        graph.add("Slice", values, graph.constant([start]), graph.constant([stop]), graph.constant([axis]))
        for start, stop in ((2, size), (0, size - 2))
    )
    found = graph.add("Abs", graph.add("Sub", ahead, behind))
    border = [0] * 8
    border[axis] = border[axis + 4] = 1
    return graph.add("Pad", found, graph.constant(border))


def _lab(graph: Graph, pixels: str) -> tuple[str, str, str]:
    """CIE L*a*b* of sRGB under D65, [N, 1, 64, 32] each."""
    low = graph.add("Div", pixels, graph.constant(12.92))
    base = graph.add("Div", graph.add("Add", pixels, graph.constant(0.055)), graph.constant(1.055))
    high = graph.add("Pow", base, graph.constant(2.4))
    is_low = graph.add("LessOrEqual", pixels, graph.constant(0.04045))
    linear = graph.add("Where", is_low, low, high)
    to_xyz = np.array(  # columns blue, green, red; white is 1
        [[0.180423, 0.357580, 0.412453], [0.072169, 0.715160, 0.212671], [0.950227, 0.119193, 0.019334]]
    ) / np.array([[0.950456], [1.0], [1.088754]])
    xyz = graph.add("Conv", linear, graph.constant(to_xyz[:, :, None, None]), kernel_shape=[1, 1])
    root = graph.add("Pow", graph.add("Max", xyz, graph.constant(1e-9)), graph.constant(1 / 3))
    straight = graph.add("Add", graph.add("Mul", xyz, graph.constant(7.787)), graph.constant(16 / 116))
    is_bright = graph.add("Greater", xyz, graph.constant(0.008856))
    f = graph.add("Where", is_bright, root, straight)
    x, y, z = (graph.add("Gather", f, graph.constant([one]), axis=1) for one in range(3))
    light = graph.add("Sub", graph.add("Mul", y, graph.constant(116.0)), graph.constant(16.0))
    a = graph.add("Mul", graph.add("Sub", x, y), graph.constant(500.0))
    b = graph.add("Mul", graph.add("Sub", y, z), graph.constant(200.0))
    return light, a, b


def _logarithm(graph: Graph, matrices: str) -> str:
    """log(A) without its trace, [N, 7, 10, 10], of symmetric positive definite matrices."""
    identity = graph.constant(np.eye(SIDE))
    diagonal = graph.add("Mul", matrices, identity)
    trace = graph.add("ReduceSum", diagonal, graph.constant([2, 3]), keepdims=1)
    root = graph.add("Div", matrices, trace)
    for steps in STEPS:
        root = _square_root(graph, root, steps)
    near = graph.add("Sub", graph.add("Div", root, graph.constant(CENTRE)), identity)
    total = graph.constant(np.eye(SIDE) * _sign(TERMS) / TERMS)
    for term in range(TERMS - 1, 0, -1):  # Horner: log(1 + E) = E (1 - E (1/2 - E (1/3 - ...)))
        product = graph.add("MatMul", near, total)
        total = graph.add("Add", product, graph.constant(np.eye(SIDE) * _sign(term) / term))
    scaled = graph.add("Mul", graph.add("MatMul", near, total), graph.constant(2.0 ** len(STEPS)))
    mean = graph.add("ReduceSum", graph.add("Mul", scaled, identity), graph.constant([2, 3]), keepdims=1)
    return graph.add("Sub", scaled, graph.add("Mul", graph.add("Div", mean, graph.constant(float(SIDE))), identity))


def _sign(term: int) -> float:
    return 1.0 if term % 2 else -1.0


def _square_root(graph: Graph, matrices: str, steps: int) -> str:
    """Y -> A^(1/2), Z -> A^(-1/2): T = (3 I - Z Y) / 2, Y <- Y T, Z <- T Z."""
    three = graph.constant(1.5 * np.eye(SIDE))
    y, z = matrices, ""
    for step in range(steps):
        product = y if step == 0 else graph.add("MatMul", z, y)
        t = graph.add("Sub", three, graph.add("Mul", product, graph.constant(0.5)))
        y, z = graph.add("MatMul", y, t), t if step == 0 else graph.add("MatMul", t, z)
    return y


def _affine(graph: Graph, affine: Affine, rows: str, output: str | None = None) -> str:
    product = graph.add("MatMul", rows, graph.constant(affine.matrix))
    return graph.add("Add", product, graph.constant(affine.offset), output=output)


def _unit(graph: Graph, rows: str) -> str:
    squares = graph.add("ReduceSum", graph.add("Mul", rows, rows), graph.constant([1]), keepdims=1)
    return graph.add("Div", rows, graph.add("Sqrt", graph.add("Max", squares, graph.constant(1e-24))))
