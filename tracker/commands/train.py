"""Train a flat-manifold auto-encoder: `python -m tools.train CONFIG [--set KEY=VALUE ...] [--resume] [--out DIR]`.

Many GPUs or machines: `torchrun --nproc-per-node N -m tools.train CONFIG ...`.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from embedding.config import load_config
from embedding.errors import TrainingError
from embedding.extras import require_package


def main(
    config: Annotated[str, typer.Argument(help="a name under configs/embedding, or a YAML file")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="override a (dotted) key")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on from the checkpoint in the output folder")] = False,
    out: Annotated[Path | None, typer.Option(help="output folder; default runs/NAME")] = None,
) -> None:
    """Train a model; its weights and record are written to the output folder.

    Example: flatsort train mot16-lite --set data.path=output/crops.npy steps=2000 --out runs/street
    """
    warnings.filterwarnings("ignore", message=".*torch.jit.script", category=FutureWarning)  # torch's own use of it
    folder = out or Path("runs") / Path(config).stem
    try:
        resolved = load_config(config, set_ or [])
        require_package("torch", "train")
        from embedding.training.loop import train  # torch takes seconds to import: a wrong key should not

        path = train(resolved, folder, resume)
    except TrainingError as error:
        print(f"train: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        print(f"train: interrupted; go on with --resume --out {folder}", file=sys.stderr)
        raise typer.Exit(130) from None
    if os.environ.get("RANK", "0") == "0":
        print(path)
