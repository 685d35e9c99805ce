"""A service in the threads of one process: for a few cameras, and to see how it works."""

from __future__ import annotations

from functools import partial

from tracker.serve.camera import Camera
from tracker.serve.config import ServiceConfig
from tracker.serve.looking import Batches, Looker, Wanted
from tracker.serve.status import Report

PATIENCE = 20.0  # seconds that cameras have to close their files


class LocalEngine:
    """All cameras, and who looks at their pictures, in this process.

    Raises:
        InputError: no such detector, class or descriptor.
    """

    def __init__(self, config: ServiceConfig) -> None:
        wanted = {name: Wanted.by(camera) for name, camera in config.cameras.items()}
        looker = Looker(list(wanted.values()))
        self._batches = Batches(looker, config.pool.workers, config.pool.batch)
        self._cameras = [
            Camera(
                name,
                camera,
                partial(self._batches, wanted[name]),
                None if config.output.tracks is None else config.output.tracks / name,
                looker.class_names(wanted[name]),
                config.output.lines is not None,
            )
            for name, camera in config.cameras.items()
        ]
        for one in self._cameras:
            one.start()

    def reports(self) -> list[Report]:
        """What every camera has to tell."""
        return [camera.report() for camera in self._cameras]

    def stop(self) -> list[Report]:
        """End all cameras in good order; what they tell last."""
        for camera in self._cameras:
            camera.stop(patience=0)
        for camera in self._cameras:
            camera.stop(PATIENCE)
        self._batches.close()
        return self.reports()
