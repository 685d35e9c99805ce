"""Draw the pictures of the documents: `python -m tools.site concepts --out docs/concepts`.

`concepts` trains two small models for "what flat means", four CPU minutes, kept in `--models`; the rest comes from the
demo's scene. `gallery --out docs/gallery` makes the pictures of the gallery, `zones --out docs/zones` those of the
zones (with Playwright and Chromium), `notebook --out docs/notebooks` runs the notebooks there anew.
"""

from __future__ import annotations

import tempfile
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tracker.commands.command_line import run_command

MODELS = Path("output/paper")


class What(str, Enum):
    """What is drawn."""

    concepts = "concepts"
    gallery = "gallery"
    notebook = "notebook"
    zones = "zones"


def main(
    what: Annotated[What, typer.Argument(help="Which pictures.")],
    out: Annotated[Path, typer.Option(help="Folder of the pictures.")],
    models: Annotated[
        Path, typer.Option(help="Folder of the pendulum's models, as `tools.paper` keeps them.")
    ] = MODELS,
    quick: Annotated[bool, typer.Option("--quick", help="Small models, to see that it runs.")] = False,
) -> None:
    """Draw the pictures of the documents."""
    out.mkdir(parents=True, exist_ok=True)
    if what is What.concepts:
        draw_concepts(out, models, quick)
    elif what is What.gallery:
        from tools.site.gallery import draw_gallery

        draw_gallery(out)
    elif what is What.zones:
        from tools.site.zones import draw_zones

        draw_zones(out)
    else:
        from tools.site.notebook import write_notebook

        for path in sorted(out.glob("*.ipynb")):
            with tempfile.TemporaryDirectory() as folder:
                write_notebook(path, Path(folder))


def draw_concepts(out: Path, models: Path, quick: bool = False) -> None:
    """One frame, flatness, the gate, the passes: each for light and for dark pages."""
    from tools.site.concepts import flat, frame, gate, passes
    from tools.site.concepts.style import draw_for_both
    from tracker.demo.render import render_demo

    draw_for_both(frame.draw, out, "frame")
    draw_for_both(partial(flat.draw, flat.measure(models, quick)), out, "flat")
    with tempfile.TemporaryDirectory() as name:
        draw_for_both(partial(gate.draw, gate.measure(render_demo(Path(name)))), out, "gate")
        longer = render_demo(Path(name), passes.FRAMES)
        draw_for_both(partial(passes.draw, passes.measure(Path(name), longer)), out, "passes")


if __name__ == "__main__":
    run_command(main, "site")
