"""Serve cameras: `flatsort serve --config cameras.yaml`, until it is told to end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def main(
    config: Annotated[Path, typer.Option(help="YAML file of cameras and outputs, see docs/serve.md.")],
    check: Annotated[bool, typer.Option("--check", help="Read and check the file, start nothing.")] = False,
) -> None:
    """Track many cameras at once and for ever; a camera that fails does not disturb the others.

    Tracks are written to Parquet by the hour and as JSON lines; /metrics and /healthz say how each camera goes.

    Example: flatsort serve --config cameras.yaml
    """
    from embedding.progress import say
    from tracker.serve.config import load
    from tracker.serve.service import serve

    loaded = load(config)
    if check:
        say(f"{config}: {len(loaded.cameras)} cameras: {', '.join(loaded.cameras)}")
        return
    raise typer.Exit(serve(loaded, config))
