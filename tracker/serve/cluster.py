"""A service as actors of Ray: one a camera, and a pool of those who look at pictures, on any machine of a cluster.

An actor that dies is started again by Ray; a camera goes on then where its files end. Pictures travel through Ray's
object store, one a camera at a time.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

from embedding.extras import require_package
from embedding.progress import say
from tracker.core.detections import Detections, Image
from tracker.errors import InputError
from tracker.serve.camera import Camera
from tracker.serve.config import CameraConfig, ServiceConfig
from tracker.serve.looking import Batches, Looker, Unseen, Wanted
from tracker.serve.status import Report, Status

PATIENCE = 20.0  # seconds that cameras have to close their files, and actors to answer at the start
LOOKING = 10.0  # seconds after which a picture that was given to the pool is given up
POLL = 1.0  # seconds that reports are waited for; who is late is asked no second time meanwhile
STORE = 200_000_000  # bytes of the object store of a cluster that is started here, and more for each camera
STORE_PER_CAMERA = 25_000_000  # a picture of 1920x1080 that is looked at, one that is freed, and room

# What Ray reads when it is imported: cameras say similar things, each is to be heard; its makers are told nothing.
ENVIRONMENT = {"RAY_DEDUP_LOGS": "0", "RAY_COLOR_PREFIX": "0", "RAY_USAGE_STATS_ENABLED": "0"}
# Of actors: a picture is a task, and Ray would keep a record of the latest hundred thousand.
FOR_EVER: dict[str, Any] = {"max_restarts": -1, "enable_task_events": False}


class LookingActor:
    """One of the pool: finds and describes for many cameras at once.

    Args:
        wanted: all that will be asked for.
        most: pictures of a batch.
    """

    def __init__(self, wanted: list[Wanted], most: int) -> None:
        self._wanted = wanted
        self._looker: Looker | None = None
        self._loading = threading.Lock()
        self._batches = Batches(lambda one, images: self._loaded()(one, images), 1, most)

    def class_names(self) -> dict[Wanted, Mapping[int, str]]:
        """Names of the classes that are found, by id.

        Raises:
            InputError: no such detector, class or descriptor.
        """
        return {one: self._loaded().class_names(one) for one in self._wanted}

    def _loaded(self) -> Looker:
        """Not as the actor is made: what that raises comes with a page of Ray's."""
        with self._loading:
            if self._looker is None:
                self._looker = Looker(self._wanted)
            return self._looker

    def look(self, wanted: Wanted, image: Image) -> Detections:
        """The detections of a picture; called by many cameras at the same time."""
        return self._batches(wanted, image)


class CameraActor:
    """One camera, from its start on.

    Args:
        pool: how many actors look, see `_pool_name`.
        first: which of them is asked first.
    """

    def __init__(
        self,
        name: str,
        config: CameraConfig,
        wanted: Wanted,
        pool: int,
        first: int,
        folder: Path | None,
        class_names: Mapping[int, str],
        with_lines: bool,
    ) -> None:
        self._turns = cycle(range(pool))
        for _ in range(first % pool):
            next(self._turns)
        self._pool: dict[int, Any] = {}  # by name and not by argument: those keep an actor from being started again
        self._wanted = wanted
        self._camera = Camera(name, config, self._look, folder, class_names, with_lines)
        self._camera.start()

    def report(self) -> Report:
        """What the camera has to tell."""
        return self._camera.report()

    def stop(self) -> Report:
        """End in good order; what it tells last."""
        self._camera.stop(PATIENCE)
        return self._camera.report()

    def _look(self, image: Image) -> Detections:
        import ray

        turn = next(self._turns)
        try:
            if turn not in self._pool:
                self._pool[turn] = ray.get_actor(_pool_name(turn))
            found: Detections = ray.get(self._pool[turn].look.remote(self._wanted, image), timeout=LOOKING)
            return found
        except ray.exceptions.RayTaskError as error:
            raise Unseen(str(error.cause)) from None
        except (ray.exceptions.RayError, ValueError) as error:
            raise Unseen(f"an actor of the pool is away ({type(error).__name__})") from None


class RayEngine:
    """All cameras as actors; joins the cluster of the configuration, or starts one on this machine.

    Raises:
        InputError: Ray is missing or no cluster answers; no such detector, class or descriptor.
    """

    def __init__(self, config: ServiceConfig) -> None:
        require_package("ray", "engine: ray (engine: local does without)")
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        import ray

        _join_cluster(config)
        self._ray = ray
        wanted = {name: Wanted.by(camera) for name, camera in config.cameras.items()}
        self._pool = self._start_pool(config, list(dict.fromkeys(wanted.values())))
        class_names = self._class_names(config)
        actor: Any = ray.remote(CameraActor)
        folder = config.output.tracks
        self._cameras: dict[str, Any] = {}
        for number, (name, camera) in enumerate(config.cameras.items()):
            options = {"num_cpus": config.ray.cpus_per_camera, "max_concurrency": 2}
            self._cameras[name] = actor.options(**options, **FOR_EVER).remote(
                name,
                camera,
                wanted[name],
                config.pool.workers,
                number,
                None if folder is None else folder.absolute() / name,
                class_names[wanted[name]],
                config.output.lines is not None,
            )
        self._asked: dict[str, Any] = {}  # reports that are on their way
        self._told = {name: Status(name) for name in self._cameras}
        self._deaths = dict.fromkeys(self._cameras, 0)

    def reports(self) -> list[Report]:
        """What every camera that answers has to tell; of the others, how they went last."""
        for name, camera in self._cameras.items():
            if name not in self._asked:
                self._asked[name] = camera.report.remote()
        return self._collected(POLL)

    def stop(self) -> list[Report]:
        """End all cameras in good order, then the actors; what they tell last."""
        late = self._collected(PATIENCE, everybody=True)  # rows in a report that is on its way are told once
        self._asked = {name: camera.stop.remote() for name, camera in self._cameras.items()}
        last = self._collected(PATIENCE + POLL, everybody=True)
        for name in self._asked:
            say(f"{name}: does not end; its process is ended, its files are recovered by the next start")
        self._ray.shutdown()
        return late + last

    def _collected(self, seconds: float, everybody: bool = False) -> list[Report]:
        """Reports that come within some seconds."""
        reports = {name: Report(status) for name, status in self._told.items()}
        until = time.monotonic() + seconds
        waited = set(self._asked)
        while waited and (left := until - time.monotonic()) > 0:
            by_reference = {self._asked[name]: name for name in waited}
            ready, _ = self._ray.wait(list(by_reference), num_returns=len(by_reference), timeout=min(left, POLL))
            for reference in ready:
                name = by_reference[reference]
                waited.discard(name)
                del self._asked[name]
                reports[name] = self._report(name, reference)
            if not everybody:
                break
        return list(reports.values())

    def _report(self, name: str, reference: Any) -> Report:
        try:
            report: Report = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            before = self._told[name]
            if before.why != AWAY:
                self._deaths[name] += 1
                say(f"{name}: {AWAY} ({type(error).__name__}); it is started again")
            report = Report(replace(before, state="failing", why=AWAY, restarts=self._deaths[name]))
        report.status.restarts = self._deaths[name]
        self._told[name] = report.status
        return report

    def _start_pool(self, config: ServiceConfig, wanted: list[Wanted]) -> list[Any]:
        options: dict[str, Any] = {
            "num_cpus": config.pool.cpus,
            "num_gpus": config.pool.gpus,
            "max_concurrency": max(2, len(config.cameras) + 1),  # every camera waits for one picture at most
        }
        actor: Any = self._ray.remote(LookingActor)
        return [
            actor.options(name=_pool_name(number), **options, **FOR_EVER).remote(wanted, config.pool.batch)
            for number in range(config.pool.workers)
        ]

    def _class_names(self, config: ServiceConfig) -> dict[Wanted, Mapping[int, str]]:
        """What the pool finds, once all of it is ready."""
        answers = [member.class_names.remote() for member in self._pool]
        while len(self._ray.wait(answers, num_returns=len(answers), timeout=LOOKING)[0]) < len(answers):
            pool = config.pool
            say(f"ray: waits for {pool.workers} places of {pool.cpus:g} CPUs and {pool.gpus:g} GPUs, as pool asks for")
        try:
            names: dict[Wanted, Mapping[int, str]] = self._ray.get(answers)[0]
            return names
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, InputError):
                raise InputError(str(error.cause)) from None
            raise


AWAY = "its process died"


def _pool_name(number: int) -> str:
    """Of an actor that looks; names are a service's own, as every one has a namespace of its own."""
    return f"flatsort-look-{number}"


def _join_cluster(config: ServiceConfig) -> None:
    import ray

    options: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": True}
    address = config.ray.address or os.environ.get("RAY_ADDRESS")
    if address is None:
        wanted = config.ray.cpus_per_camera * len(config.cameras) + config.pool.cpus * config.pool.workers
        options |= {
            "address": "local",
            "num_cpus": max(os.cpu_count() or 1, math.ceil(wanted)),
            "include_dashboard": config.ray.dashboard,
            "object_store_memory": STORE + STORE_PER_CAMERA * len(config.cameras),
        }
    else:
        options["address"] = address
    try:
        ray.init(**options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(f"ray: {' '.join(str(error).split())[:200]}") from None
