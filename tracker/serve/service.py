"""The whole service: cameras are started, asked how they go, and ended in good order."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from embedding.extras import require_package
from embedding.progress import say
from tracker.errors import InputError
from tracker.files.apart import require_apart
from tracker.run.processes.ending import ending_in_order
from tracker.serve.config import ServiceConfig
from tracker.serve.endpoint import Endpoint
from tracker.serve.lines import LinesOut, file_of
from tracker.serve.metrics import Board, require_metrics
from tracker.serve.status import Report

PAUSE = 0.25  # seconds between two questions to the cameras
LOST = 3  # exit code: a camera was given up, as `track` has it


class Engine(Protocol):
    """Where cameras run."""

    def reports(self) -> list[Report]:
        """What every camera has to tell since it was asked last."""

    def stop(self) -> list[Report]:
        """End everything in good order; what cameras tell last."""


def serve(config: ServiceConfig, where: Path) -> int:
    """Run until no camera has anything more, or a signal comes; the exit code.

    Args:
        where: the file of the configuration, which no output may replace.

    Raises:
        InputError: something is missing or cannot be written; nothing has been started then.
    """
    config = config.revealed()  # here, as a cluster's machines have environments of their own
    _require_possible(config, where)
    board = Board(config.cameras, config.stale)
    with ExitStack() as stack:
        lines = None if config.output.lines is None else LinesOut(config.output.lines)
        if lines is not None:
            stack.callback(lines.close)
        if config.listen is not None:
            endpoint = stack.enter_context(Endpoint(config.listen, board))
            say(f"serve: {len(config.cameras)} cameras; http://{endpoint.address}/metrics and /healthz")
        engine = _engine(config)
        stack.enter_context(ending_in_order())  # Ray has set signals of its own
        asking = _Asking(engine, board, lines)
        try:
            while not asking.over.wait(PAUSE):
                pass
        except KeyboardInterrupt:
            say("serve: ending; once more ends at once")
        finally:
            asking.end()
    for status in board.statuses:
        say(f"{status.name}: {status.frames} frames, {status.tracks} tracks, {status.rows} rows; {status.state}")
    given_up = any(status.state == "given up" for status in board.statuses)
    return LOST if given_up else 0


def _require_possible(config: ServiceConfig, where: Path) -> None:
    """Refuse what shows before anything is started."""
    inputs = [("--config", where)]
    for name, camera in config.cameras.items():
        if camera.is_recording:
            path = Path(str(camera.source))
            if not path.is_file():
                raise InputError(f"cameras.{name}.source {path}: no such file, expected a URL, number or video")
            inputs.append((f"the source of {name}", path))
        if camera.zones is not None:
            inputs.append((f"the zones of {name}", camera.zones))
    if (lines := file_of(config.output.lines)) is not None:
        require_apart([("output.lines", lines)], inputs)
    if config.output.tracks is not None:
        require_package("pyarrow", f"output.tracks {config.output.tracks}")
    if config.listen is not None:
        require_metrics()


def _engine(config: ServiceConfig) -> Engine:
    if config.engine == "local":
        from tracker.serve.local import LocalEngine

        return LocalEngine(config)
    from tracker.serve.cluster import RayEngine

    return RayEngine(config)


class _Asking:
    """Asks cameras how they go, in a thread of its own: no signal cuts it off between two lines."""

    def __init__(self, engine: Engine, board: Board, lines: LinesOut | None) -> None:
        self._engine, self._board, self._lines = engine, board, lines
        self._stopped = threading.Event()
        self.over = threading.Event()
        """No camera has anything more."""
        threading.Thread(target=self._ask, name="ask", daemon=True).start()

    def end(self) -> None:
        """End the cameras, and take in what they tell last."""
        self._stopped.set()
        self.over.wait()
        self._take(self._engine.stop())

    def _ask(self) -> None:
        try:
            while not self._board.is_over and not self._stopped.wait(PAUSE):
                self._take(self._engine.reports())
        finally:
            self.over.set()

    def _take(self, reports: list[Report]) -> None:
        for report in reports:
            self._board.take(report.status)
            if self._lines is not None:
                self._lines.put(b"".join(report.lines))
        if self._lines is not None:
            self._board.lines_dropped = self._lines.dropped
