"""The metrics table: the columns of the DeepSORT family's papers, in print and as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from embedding.files import atomic_path

if TYPE_CHECKING:
    from rich.console import Console

PERCENT = ("IDF1", "IDP", "IDR", "Recall", "Precision", "MOTA", "MOTP", "MOTAL", "HOTA", "DetA", "AssA")
COLUMNS = tuple(
    "IDF1 IDP IDR Recall Precision FAR GT MT PT ML FP FN IDs FM MOTA MOTP MOTAL HOTA DetA AssA".split()  # noqa: SIM905
)
PIPED_WIDTH = 400  # characters: a file has no edge to wrap at

Rows = Mapping[str, Mapping[str, float]]


def print_table(rows: Rows, console: Console | None = None) -> None:
    """Print name -> column -> value, a line a sequence; a line a column where the console is too narrow for that.

    Nothing is printed where standard output is closed.
    """
    if console is None and sys.stdout is None:
        return
    console = console or wide_console()
    lines = [["", *COLUMNS], *([name, *(_text(row, column) for column in COLUMNS)] for name, row in rows.items())]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    if sum(widths) + 2 * len(widths) > console.width:
        lines = [list(cells) for cells in zip(*lines, strict=True)]
    print_columns(lines[0], lines[1:], console, bold="OVERALL")


def wide_console() -> Console:
    """A terminal as it is; a file or pipe as wide as a table may be."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)


def print_columns(
    header: Sequence[str], rows: Sequence[Sequence[str]], console: Console | None = None, bold: str | None = None
) -> None:
    """Print rows under a header: columns of words to the left, of numbers to the right.

    Args:
        bold: first cell of the row that stands out.
    """
    from rich import box
    from rich.table import Table

    console = console or wide_console()
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, padding=(0, 1, 0, 0), pad_edge=False)
    for place, (title, *cells) in enumerate(zip(header, *rows, strict=True)):
        is_text = place == 0 or any(cell[:1].isalpha() for cell in cells)
        table.add_column(title, justify="left" if is_text else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row, style="bold" if row[0] == bold else None)
    console.print(table)


def write_json(path: str | Path, rows: Rows) -> None:
    """Write name -> column -> number, columns in the table's order, atomically."""
    ordered = {name: {column: row[column] for column in COLUMNS} for name, row in rows.items()}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(ordered, indent=2) + "\n", encoding="utf-8")


def _text(row: Mapping[str, float], column: str) -> str:
    value = row[column]
    return f"{value:.2f}" if column in PERCENT or column == "FAR" else f"{int(value)}"
