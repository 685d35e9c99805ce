"""Write a trained descriptor as ONNX: `python -m tools.export --descriptor NAME --out FILE.onnx`.

    track --seq clip.mp4 --det yolo11n.onnx --descriptor FILE.onnx

Other programs that take a re-identification network take the file too: crops of 64 x 64 pixels, red, green, blue,
ImageNet's mean and deviation; the graph does the rest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from embedding.export import OPSET, ExportReport, export_onnx
from tracker.files.apart import require_apart

# Measured for mot16-lite-heldout on 3,426 of MOT16-11's SDP crops, calibrated on MOT16-09; speed on one thread of a CPU
# with AVX-512 VNNI. Float: rank-1 .925, mAP .793; calibrated .924, .792, 2.0 times as fast; without .923, .793, 0.7.
INT8 = (
    "Convolutions in 8 bits. With --calibrate twice as fast as float at a cosine of 0.9997 to it, mAP .792 for .793; "
    "without, only smaller: 0.7 times as fast."
)


def main(
    out: Annotated[Path, typer.Option(help="FILE.onnx to write.")],
    descriptor: Annotated[str, typer.Option(help="A trained one, as for `track`.")] = "default",
    kind: Annotated[
        str,
        typer.Option(
            "--input", help="imagenet: float32 [N,3,64,64], RGB, ImageNet's scale; crops: uint8 [N,64,64,3], BGR."
        ),
    ] = "imagenet",
    int8: Annotated[bool, typer.Option("--int8", help=INT8)] = False,
    calibrate: Annotated[Path | None, typer.Option(help="PACK.npy of crops (tools.crops), for --int8.")] = None,
    opset: Annotated[int, typer.Option(help="Version of ONNX's operators.")] = OPSET,
) -> None:
    """Write a trained descriptor, its preprocessing inside; onnxruntime compares it with the original first.

    Example: flatsort export --descriptor default --out default.onnx
    """
    read = [("the descriptor", Path(descriptor)), *([] if calibrate is None else [("--calibrate", calibrate)])]
    require_apart([("--out", out)], read)
    report = export_onnx(descriptor, out, kind, int8, calibrate, opset)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB")
    print_report(report)


def print_report(report: ExportReport) -> None:
    """Print how far the file's features are from the descriptor's."""
    print(
        f"on {report.crops} {'crops of the pack' if report.real else 'made-up crops'}: largest difference "
        f"{report.difference:.1e} at unit length, {report.raw_difference:.1e} as they are; "
        f"cosine {report.cosine:.6f}, smallest {report.smallest_cosine:.6f}"
    )
