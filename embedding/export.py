"""A trained descriptor as an .onnx file that any runtime takes, its preprocessing inside."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedding.data.dataset import spread
from embedding.descriptor import Descriptor
from embedding.descriptors.spec import closed_form_path, model_path
from embedding.errors import InputError
from embedding.extras import require_package
from embedding.files import atomic_path

if TYPE_CHECKING:
    import onnx
    from typing_extensions import TypeIs

    from embedding.descriptors.closed_form import ClosedForm
    from embedding.descriptors.latent import LatentDescriptor

INPUTS = ("imagenet", "crops")
OPSET = 17  # of 2022: what runtimes of today read
LARGEST_DIFFERENCE = 1e-4  # of a number of a feature of unit length; rounding makes 1e-6 of it
LARGEST_DIFFERENCE_OF_LOGARITHMS = 2e-3  # the same where single precision has to take matrices' logarithms
SMALLEST_COSINE = 0.9  # mean over the compared crops, in 8 bits
BATCHES = (1, 7, 64)  # a graph that fixes the batch somewhere fails at one of them
CALIBRATION = 256  # crops
MOTCHALLENGE = ("MOT", "PETS09-", "TUD-", "ADL-", "AVG-", "ETH-", "KITTI-", "Venice-", "TownCentre")  # names begin so


@dataclass(frozen=True)
class ExportReport:
    """How far the file's features are from the descriptor's, measured with onnxruntime before it was put in place.

    Attributes:
        difference: the largest of any number, features scaled to unit length.
        raw_difference: the same of features as they are.
        cosine, smallest_cosine: between the two features of a crop: mean and smallest.
        crops: how many were compared.
        real: whether they are of the given pack, or made up.
    """

    difference: float
    raw_difference: float
    cosine: float
    smallest_cosine: float
    crops: int
    real: bool


def export_onnx(
    descriptor: str,
    out: str | Path,
    kind: str = "imagenet",
    int8: bool = False,
    calibration: str | Path | None = None,
    opset: int = OPSET,
) -> ExportReport:
    """Write a trained descriptor as ONNX: images of any number in, features [N, n] as `Descriptor` gives them out.

    `Descriptor.load` takes the file. It names itself, its input and its terms in the model's metadata. It is compared
    with the descriptor in onnxruntime, in batches of several sizes, and replaces `out` only if it agrees.

    Args:
        descriptor: what `Descriptor.load` takes, but trained here: a name, a .safetensors file or a run's folder.
        out: the .onnx file.
        kind: `imagenet` takes float32 [N, 3, height, width], red, green, blue in [0, 1] minus ImageNet's mean and over
            its standard deviation, as re-identification networks do; `crops` takes uint8 [N, height, width, 3], blue,
            green, red, as `embedding.descriptors.cropping` cuts them.
        int8: convolutions in 8 bits; the first of them stays in float where there are crops to calibrate on.
        calibration: a pack of crops, FILE.npy, to find the range of each layer's values on. Without it every layer
            finds it anew for each batch, which makes the file smaller but slower.
        opset: version of ONNX's operators, from 16.

    Raises:
        InputError: onnx or onnxruntime is not installed, no such descriptor or none that was trained, a pack of
            something else, an opset that is not known here, or a file that does not agree.
    """
    out = Path(out)
    _check(out, kind, int8, calibration)
    describe, record = _fitted(descriptor)
    pack = None if calibration is None else _read_pack(Path(calibration), describe)
    model = _build(describe, kind, opset)
    largest = LARGEST_DIFFERENCE
    if is_closed_form(describe):
        largest = LARGEST_DIFFERENCE_OF_LOGARITHMS
        if int8:
            raise InputError(f"{out}: {descriptor} has no convolutions, which alone become 8 bits")
    if int8:
        model = _quantised(model, kind, pack)
    _annotate(model, describe, record, kind, int8)
    with atomic_path(out) as temporary:
        temporary.write_bytes(model.SerializeToString())
        report = _compare(temporary, out, describe, pack)
        agrees = report.cosine >= SMALLEST_COSINE if int8 else report.difference <= largest
        if not agrees:
            found = f"features differ by {report.difference:.1e}, cosine {report.cosine:.4f}"
            raise InputError(f"{out}: not written, {found}")
    return report


def _check(out: Path, kind: str, int8: bool, calibration: str | Path | None) -> None:
    require_package("onnx", f"--out {out}")
    if out.suffix != ".onnx" or out.is_dir():
        raise InputError(f"{out}: expected the name of a file that ends in .onnx")
    if kind not in INPUTS:
        raise InputError(f"input {kind!r}: expected {' or '.join(INPUTS)}")
    if calibration is not None and not int8:
        raise InputError(f"{calibration}: crops to calibrate on, but nothing to calibrate without int8")


def _fitted(name: str) -> tuple[LatentDescriptor | ClosedForm, dict[str, Any]]:
    """The descriptor of that name and the record beside its weights."""
    closed_form = closed_form_path(name)
    if closed_form is not None:
        from embedding.descriptors.closed_form import ClosedForm

        found = ClosedForm.load(closed_form)
        return found, found.record
    path = model_path(name)
    if path is None:
        Descriptor.load(name, "cpu")  # which knows what to say of a name that is none
        raise InputError(f"descriptor {name!r}: not a model trained here, of which alone there is something to export")
    from embedding.descriptors.latent import LatentDescriptor
    from embedding.vae.weights import read_record, weights_path

    return LatentDescriptor(path, "cpu"), read_record(weights_path(path))


def _read_pack(path: Path, describe: LatentDescriptor | ClosedForm) -> NDArray[np.uint8]:
    try:
        crops: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
        describe.require_crops(crops)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot calibrate on it ({error}), expected a pack of tools.crops") from error
    if len(crops) < 2:
        raise InputError(f"{path}: {len(crops)} crops, expected some to calibrate on and some to compare")
    return crops


def _build(describe: LatentDescriptor | ClosedForm, kind: str, opset: int) -> onnx.ModelProto:
    import onnx

    from embedding.export_graph import OLDEST_OPSET, descriptor_graph

    newest = onnx.defs.onnx_opset_version()
    if not OLDEST_OPSET <= opset <= newest:
        raise InputError(
            f"opset {opset}: expected one from {OLDEST_OPSET} to {newest}, which onnx {onnx.__version__} has"
        )
    if is_closed_form(describe):
        from embedding.export_closed_form import closed_form_graph

        return closed_form_graph(describe, kind, opset)
    return descriptor_graph(describe.stages, (describe.width, describe.height), kind, opset)


def is_closed_form(describe: LatentDescriptor | ClosedForm) -> TypeIs[ClosedForm]:
    """Whether it has statistics in place of a network."""
    return hasattr(describe, "statistics")


def _quantised(model: onnx.ModelProto, kind: str, pack: NDArray[np.uint8] | None) -> onnx.ModelProto:
    """The model with its convolutions in 8 bits, weights by output channel."""
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static

    convolutions = [node.name for node in model.graph.node if node.op_type == "Conv"]
    with TemporaryDirectory() as folder, _silent():
        source, target = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        onnx.save(model, source)
        if pack is None:
            quantize_dynamic(source, target, op_types_to_quantize=["Conv"], weight_type=QuantType.QUInt8)
        else:
            quantize_static(
                source,
                target,
                CropReader(pack[::2][spread(len(pack[::2]), CALIBRATION)], kind),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["Conv"],
                nodes_to_exclude=convolutions[:1],  # three channels: slower in 8 bits than in float, and worse
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        return onnx.load(target)


class CropReader:
    """Crops a batch at a time, in the form onnxruntime's calibration asks for."""

    def __init__(self, crops: NDArray[np.uint8], kind: str, batch: int = 16) -> None:
        self._batches = (crops[first : first + batch] for first in range(0, len(crops), batch))
        self._kind = kind

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """The next input, None after the last."""
        from embedding.descriptors.onnx import imagenet_images
        from embedding.export_graph import INPUT

        crops = next(self._batches, None)
        if crops is None:
            return None
        return {INPUT: crops if self._kind == "crops" else imagenet_images(crops)}


@contextmanager
def _silent() -> Iterator[None]:
    """Without onnxruntime's advice on preprocessing, which the graph needs none of."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _annotate(
    model: onnx.ModelProto, describe: LatentDescriptor | ClosedForm, record: dict[str, Any], kind: str, int8: bool
) -> None:
    """Write into the model what its user has to know."""
    from onnx import helper

    size = f"{describe.height}, {describe.width}"
    given = {
        "imagenet": f"float32 [n, 3, {size}], colours in [0, 1] minus ImageNet's mean and over its standard deviation",
        "crops": f"uint8 [n, {size}, 3]",
    }
    facts = {
        "descriptor": describe.name,
        "crop_size": f"{describe.width}x{describe.height}",  # width first
        "colour_order": "RGB" if kind == "imagenet" else "BGR",
        "input": given[kind],
        "output": f"float32 [n, {describe.dimension}], compared by cosine",
        "precision": "int8" if int8 else "float32",
        "licence": licence(record),
    }
    helper.set_model_props(model, facts)


def licence(record: dict[str, Any]) -> str:
    """The terms of a model's weights, one line, by the sequences that its record says it has learnt from."""
    if "terms" in record and "adaptation" not in record:
        return str(record["terms"])
    learnt = [*record["data"].get("crops", {}), *record.get("adaptation", {}).get("sequences", [])]
    if any(name.startswith(MOTCHALLENGE) for name in learnt):
        return "weights trained on MOTChallenge data, CC BY-NC-SA 3.0: for non-commercial use"
    return f"weights trained on {', '.join(learnt) or 'unrecorded data'}, whose terms apply to them"


def _compare(
    file: Path, out: Path, describe: LatentDescriptor | ClosedForm, pack: NDArray[np.uint8] | None
) -> ExportReport:
    """Features of a file against the descriptor's, on crops it was not calibrated on."""
    from embedding.descriptors.onnx import OnnxDescriptor

    count = sum(BATCHES)
    crops = _made_up(count, describe) if pack is None else pack[1::2][spread(len(pack[1::2]), count)]
    try:
        exported = OnnxDescriptor(file, "cpu")
    except InputError as error:
        raise InputError(f"{out}: not written, {str(error).removeprefix(f'{file}: ')}") from error
    parts = np.split(crops, np.cumsum(BATCHES)[:-1])
    found = np.concatenate([exported.describe_crops(part) for part in parts]).astype(np.float64)
    expected = describe.describe_crops(crops).astype(np.float64)
    unit, wanted = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (found, expected))
    cosines = (unit * wanted).sum(axis=1)
    return ExportReport(
        difference=float(np.abs(unit - wanted).max()),
        raw_difference=float(np.abs(found - expected).max()),
        cosine=float(cosines.mean()),
        smallest_cosine=float(cosines.min()),
        crops=len(crops),
        real=pack is not None,
    )


def _made_up(count: int, describe: LatentDescriptor | ClosedForm) -> NDArray[np.uint8]:
    """Crops of noise and, every other, of 8 x 8 patches of one colour."""
    random = np.random.default_rng(0)
    crops = random.integers(0, 256, (count, describe.height, describe.width, 3), np.uint8)
    down, across = np.mgrid[: describe.height, : describe.width] // 8 * 8
    crops[::2] = crops[::2, down, across]
    return crops
