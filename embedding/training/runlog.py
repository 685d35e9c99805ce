"""What a training run tells while it runs: a CSV file, TensorBoard if installed, a progress bar or plain lines."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from embedding.errors import InputError, quoted, shortened
from embedding.extras import is_installed
from embedding.files import atomic_path
from embedding.progress import Listener, is_terminal

Row = dict[str, Any]


class RunLog:
    """Use as a context manager. Rows after `start` left by a killed run are dropped, so that none appears twice."""

    def __init__(self, folder: Path, steps: int, start: int, *, writes: bool, speaks: bool, tensorboard: bool) -> None:
        self.path = folder / "log.csv"
        self.writes, self.speaks = writes, speaks and writes
        self.steps = steps
        self.console = Console(file=cast(IO[str], Listener()), soft_wrap=True, highlight=False)
        self.bar = self._progress_bar(start) if self.speaks and is_terminal() else None
        self.board = self._summary_writer(folder, start) if tensorboard and writes else None
        if writes:
            self._drop_rows_after(start)

    def __enter__(self) -> RunLog:
        if self.bar:
            self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.bar:
            self.bar.stop()
        if self.board:
            self.board.close()

    def advance(self, step: int) -> None:
        if self.bar:
            self.bar.update(self.bar.task_ids[0], completed=step)

    def say(self, message: str) -> None:
        if self.speaks:
            (self.bar.console if self.bar else self.console).print(message, markup=False)

    def write(self, row: Row) -> None:
        if not self.writes:
            return
        try:
            new = not self.path.exists()
            with self.path.open("a", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(row))
                if new:
                    writer.writeheader()
                writer.writerow(row)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written: {error.strerror or error}") from error
        if self.board:
            for name, value in row.items():
                if isinstance(value, int | float):
                    self.board.add_scalar(name, value, row["step"])
        self.say(describe(row, self.steps))

    def _drop_rows_after(self, step: int) -> None:
        if not self.path.exists():
            return
        header, *rows = self._read_lines() or [""]
        if not header:  # the machine stopped before the first row was on the disk
            self.path.unlink()
            return
        if not header.startswith("step,"):
            raise InputError(f"{self.path}: begins with {quoted(header)}, expected a run's log; move it away to go on")
        kept = [row for row in rows if row.count(",") == header.count(",") and _step(row) <= step]
        with atomic_path(self.path) as temporary:
            temporary.write_text("\n".join([header, *kept]) + "\n", encoding="utf-8")

    def _read_lines(self) -> list[str]:
        """The log's whole lines: what comes after the last line break is half a row."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{self.path}: cannot be read ({shortened(error)}), expected a run's log") from error
        return text[: text.rfind("\n") + 1].splitlines()

    def _progress_bar(self, start: int) -> Progress:
        columns = (
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        bar = Progress(*columns, console=self.console)
        bar.add_task("training", total=self.steps, completed=start)
        return bar

    def _summary_writer(self, folder: Path, start: int) -> Any:
        if not is_installed("tensorboard"):
            self.say("TensorBoard is not installed (pip install 'flatsort[training]'): the log goes to log.csv alone")
            return None
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(folder / "tensorboard"), purge_step=start or None)


def _step(row: str) -> float:
    """The step of a line of the log; infinity where it does not begin with one."""
    number = row.partition(",")[0]
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 20 else math.inf


def describe(row: Row, steps: int) -> str:
    """One line for a person."""
    return (
        f"step {row['step']}/{steps}  C {row['C']:.3g} (smoothed {row['C_smoothed']:.3g}, bound {row['bound']:.3g})  "
        f"F {row['F']:.3g} nats  beta {row['beta']:.2g}  c {row['c']:.3g}  rel {row['rel']:.3g}  "
        f"active {row['active_units']}  dimension {row['effective_dimension']:.3g}  {row['phase']}"
    )
