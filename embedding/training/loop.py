"""The training loop: two optimisers, a phase, a controller every process shares, and exact resumption.

All randomness is a function of the seed and the step: the order of the data, the noise. So a checkpoint need not hold
the state of a generator, and a killed run that is resumed ends in the same weights, bit by bit on a CPU. What a step
does is in `step`; nothing in the loop waits for the device but what is logged.
"""

from __future__ import annotations

import importlib.metadata
import math
import platform
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from embedding.config import TrainingConfig
from embedding.data import DataSet, load_data
from embedding.data.crops import CropDataSet
from embedding.data.dataset import spread
from embedding.descriptors.whitening import fit_whitening
from embedding.distributed import Process, joined
from embedding.errors import InputError, TrainingError, quoted, shortened
from embedding.training.checkpoint import load_checkpoint, save_checkpoint
from embedding.training.constraint import Constraint
from embedding.training.feed import Feed, Order, number_of
from embedding.training.objective import NoiseSource, Objective, Terms
from embedding.training.pair_sampler import PairSampler
from embedding.training.runlog import Row, RunLog
from embedding.training.step import Guard, Optimisers, Readback, Step
from embedding.vae.colour_stripes import SAMPLE as COLOUR_SAMPLE
from embedding.vae.model import FlatVAE
from embedding.vae.networks import VGG16Encoder
from embedding.vae.weights import WEIGHTS, save_model

CHECKPOINT = "checkpoint.pt"
COUNTERS = ("step", "seconds", "initial_phase", "row")  # of `Run`, that a checkpoint holds beside its parts
# may change on resumption; the whitening is fitted after the last step
FREE_KEYS = {
    "steps",
    "minutes",
    "log_every",
    "checkpoint_every",
    "checkpoint_minutes",
    "device",
    "compile",
    "cuda_graph",
}
FREE_KEYS |= {"threads", "tensorboard", "whiten"}
LARGEST_GAP = 10  # steps without a finite gradient, one after another, before a run stops
GRACE = 500  # steps before a latent space without an active unit counts as collapsed
LATENT_SAMPLE = 10_000  # observations whose mean latent is stored with the weights


def train(config: TrainingConfig, output: Path, resume: bool = False, progress: bool = True) -> Path:
    """Train a model, or go on where a killed run stopped.

    Args:
        config: the run.
        output: its folder: checkpoint.pt, log.csv, tensorboard/, and at the end model.safetensors and model.json.
        resume: go on from the folder's checkpoint, if there is one.
        progress: show a bar or plain lines.

    Returns:
        The path of the weights.

    Raises:
        InputError: data, device or folder do not fit the configuration, or the disk is full.
        TrainingError: the run met NaN, or its latent space collapsed.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    if config.flatness.estimator == "finite_difference":  # TF32 makes noise of a difference, and of its gradient
        torch.backends.cudnn.allow_tf32 = False
        torch.set_float32_matmul_precision("highest")
    with joined(config.device) as process:
        data = load_data(config.data)
        run = _start(config, Path(output), data, process, resume)
        with RunLog(
            run.folder,
            config.steps,
            run.step,
            writes=process.first,
            speaks=progress,
            tensorboard=config.tensorboard,
        ) as log:
            _loop(run, data, log)
        return _finish(run, data)


@dataclass
class Run:
    """Everything that changes while a run goes on, and where it lives."""

    config: TrainingConfig
    folder: Path
    process: Process
    objective: Objective
    optimisers: Optimisers
    constraint: Constraint
    guard: Guard
    sampler: PairSampler | None = None  # of batches for the tracklet term
    step: int = 0  # steps done
    seconds: float = 0.0
    initial_phase: bool = True  # as the host knows it: of the step before the last
    row: Row = field(default_factory=dict)  # of the log, the latest
    warned: bool = False  # of a bound out of reach

    @property
    def model(self) -> FlatVAE:
        return self.objective.model

    @property
    def share(self) -> float:
        """Of the run that is done, by steps or time; the same for every process."""
        steps = self.step / self.config.steps
        return (
            max(steps, self.process.agreed(self.seconds) / (60 * self.config.minutes)) if self.config.minutes else steps
        )

    def parts(self) -> dict[str, Any]:
        optimisers = {"optimiser": self.optimisers.networks, "prior_optimiser": self.optimisers.prior}
        return {"model": self.model, **optimisers, "constraint": self.constraint, "guard": self.guard}

    def save(self) -> None:
        if self.process.first:
            state = {name: part.state_dict() for name, part in self.parts().items()}
            counters = {name: getattr(self, name) for name in COUNTERS}
            save_checkpoint(
                self.folder / CHECKPOINT, {**state, **counters, "config": self.config.model_dump(mode="json")}
            )

    def restore(self) -> None:
        path = self.folder / CHECKPOINT
        state = load_checkpoint(path)
        absent = sorted({*self.parts(), *COUNTERS, "config"} - state.keys())
        if absent or not isinstance(state["config"], dict):
            raise InputError(f"{path}: not a checkpoint of this program (no {', '.join(absent) or 'configuration'})")
        changed = _changed_key(state["config"], self.config.model_dump(mode="json"))
        if changed:
            raise InputError(f"{path}: {changed}; resume with the same configuration or choose another --out")
        try:
            for name, part in self.parts().items():
                part.load_state_dict(state[name])
        except Exception as error:  # torch trusts what it is given: anything from KeyError to RuntimeError
            raise InputError(f"{path}: does not fit its own configuration ({shortened(error)})") from error
        for name in COUNTERS:
            setattr(self, name, state[name])
        for optimiser in self.optimisers:  # which takes over the settings of the device that saved it
            optimiser.param_groups[0]["capturable"] = self.process.device.type == "cuda"


def _loop(run: Run, data: DataSet, log: RunLog) -> None:
    """Steps until the last one. Every decision is taken on numbers shared by all processes."""
    config, process = run.config, run.process
    source, back = NoiseSource(config, process.device), Readback(3, process.device)
    back.post(_told(run, math.nan))
    take = Step(run.objective, run.optimisers, run.constraint, run.guard, config, process, log.say).take
    finished, saved = run.share >= 1, run.seconds
    with closing(Feed(data, Order(config, len(data), process, run.sampler), process.device)) as feed:
        while not finished:
            began, share = time.perf_counter(), run.share
            finished = share >= 1 or run.step + 1 == config.steps  # when time is over, one more that is measured
            due = finished or (run.step + 1) % config.log_every == 0
            run.optimisers.set_rates(config, _decay(config, share), process.device)
            noise = source.draw(number_of(config.seed, 0, run.step)).part(process.rank, process.count)
            terms = take(feed.at(run.step), noise, due, _may_be_penalised(run))
            back.post(_told(run, terms.error))
            initial_phase, gap, error = back.read()
            run.initial_phase = bool(initial_phase)
            _require_gradients(run, gap, error)
            run.step += 1
            run.seconds += time.perf_counter() - began
            log.advance(run.step)
            if due:
                run.row = _row(run, terms)
                log.write(run.row)
                _guard(run, log)
            if run.step % config.checkpoint_every == 0 or run.seconds - saved >= 60 * config.checkpoint_minutes:
                run.save()
                saved = run.seconds
    _, gap, error = back.read(late=0)
    _require_gradients(run, gap, error)
    run.save()


def _told(run: Run, error: Tensor | float) -> tuple[Tensor, ...]:
    """What the host is to learn of a step, a step later."""
    return run.constraint.initial_phase, run.guard.gap, torch.as_tensor(error, device=run.process.device)


def _may_be_penalised(run: Run) -> bool:
    """Whether the penalty may have a weight. The host hears a step late that the initial phase is over."""
    config = run.config
    return config.flatness.mode == "relative" or config.constraint.initial_beta > 0 or not run.initial_phase


def _require_gradients(run: Run, gap: float, error: float) -> None:
    """TrainingError where the device has given up on too many steps, of which the host hears a step late."""
    if gap >= LARGEST_GAP:
        raise TrainingError(
            f"step {run.step}: {LARGEST_GAP} steps in a row without a finite gradient (C {error:.3g}): lower "
            "optimiser.learning_rate or flatness.weight, or look for data far outside the likelihood's range"
        )


def _row(run: Run, terms: Terms) -> Row:
    """What is always reported together: flatness says nothing without reconstruction, F, scale and active units."""
    rel, constraint = float(terms.rel), run.constraint
    return {
        "step": run.step,
        "seconds": round(run.seconds, 3),
        "phase": "initial" if bool(constraint.initial_phase) else "forced" if bool(constraint.forced) else "main",
        "C": float(terms.error),
        "C_smoothed": float(constraint.smoothed),
        "bound": constraint.bound,
        "F": float(terms.divergence),
        "beta": float(constraint.weight),
        "c": math.sqrt(max(0.0, float(terms.c2))),
        "R": float(terms.R),
        "rel": rel,
        "active_units": terms.active_units,
        "contrast": float(terms.contrast),
        "effective_dimension": run.config.model.latent_dim / (1 + max(0.0, rel)),
        "learning_rate": float(run.optimisers.networks.param_groups[0]["lr"]),
        "skipped_steps": int(run.guard.skipped),
    }


def _guard(run: Run, log: RunLog) -> None:
    """Stop a collapsed run; warn of a bound that looks out of reach."""
    row = run.row
    if row["active_units"] == 0 and run.step >= GRACE:
        raise TrainingError(
            f"step {run.step}: the latent space collapsed (no active unit, F {row['F']:.3g} nats, C {row['C']:.3g} "
            f"against a data variance or entropy it no longer explains): lower constraint.initial_beta, "
            "constraint.bound or flatness.weight"
        )
    if row["phase"] == "initial" and not run.warned and run.share >= 0.5:
        run.warned = True
        log.say(
            f"warning: after {run.step} steps C is {row['C_smoothed']:.3g}, still above the bound {row['bound']:.3g}: "
            "the prior is not being trained; raise constraint.bound, or set constraint.max_initial_steps"
        )


def _start(config: TrainingConfig, folder: Path, data: DataSet, process: Process, resume: bool) -> Run:
    """A new run, or the one its checkpoint describes."""
    _check_fit(config, data, process)
    if (folder / CHECKPOINT).exists() and not resume:
        raise InputError(f"{folder}: holds a run already; go on with --resume, or choose another --out")
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = FlatVAE(config.model, data.shape)
    _fit_colours(model, data)
    model.to(process.device)
    bound = config.constraint.bound or float(config.constraint.bound_fraction or 0) * data.variance
    objective = Objective(model, config, bound)
    optimisers = Optimisers.of(objective, config, process.device)
    constraint, guard = Constraint(config.constraint, bound, process.device), Guard(process.device)
    run = Run(config, folder, process, objective, optimisers, constraint, guard, _sampler(config, data))
    if resume and (folder / CHECKPOINT).exists():
        run.restore()
    return run


def _fit_colours(model: FlatVAE, data: DataSet) -> None:
    encoder = model.encoder
    if isinstance(encoder, VGG16Encoder) and encoder.stripes is not None and isinstance(data, CropDataSet):
        sample = torch.from_numpy(spread(len(data), COLOUR_SAMPLE))
        encoder.stripes.fit(data.batch(sample), data.mean, data.std)


def _sampler(config: TrainingConfig, data: DataSet) -> PairSampler | None:
    if not config.tracklet.weight:
        return None
    assert isinstance(data, CropDataSet) and data.origin is not None  # or _check_fit has complained
    return PairSampler(data.origin, config.batch, config.tracklet.frames, config.tracklet.min_length)


def _check_fit(config: TrainingConfig, data: DataSet, process: Process) -> None:
    if config.batch > len(data):
        raise InputError(f"batch: found {config.batch}, expected at most the data's {len(data)} observations")
    if config.batch % process.count:
        raise InputError(f"batch: found {config.batch}, expected a multiple of the {process.count} processes")
    if config.constraint.bound is None and config.model.likelihood == "bernoulli":
        raise InputError("constraint.bound_fraction: is of a variance; a Bernoulli likelihood needs constraint.bound")
    if (config.tracklet.weight or config.whiten is not None) and getattr(data, "origin", None) is None:
        raise InputError("tracklet.weight, whiten: the data has no tracklets, expected a pack of tools.crops")
    if config.tracklet.weight and config.batch % (2 * process.count):
        raise InputError(f"batch: found {config.batch}, expected pairs of crops for each of {process.count} processes")
    if config.augmentation.is_active and len(data.shape) != 3:
        raise InputError(f"augmentation: is for images, found observations of shape {data.shape}")
    x = data.batch(torch.arange(config.batch))
    low, high = float(x.min()), float(x.max())
    if not bool(x.isfinite().all()):
        raise InputError("data: found NaN or infinity, expected finite values")
    if config.model.likelihood == "bernoulli" and (low < 0 or high > 1):
        raise InputError(f"data: found values in [{low:.3g}, {high:.3g}], a Bernoulli likelihood expects [0, 1]")


def _decay(config: TrainingConfig, share: float) -> float:
    """Cosine from 1 at the first step to `final_learning_rate` at the end, by the share of the run that is done."""
    final = config.optimiser.final_learning_rate
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def _changed_key(old: dict[str, Any], new: dict[str, Any]) -> str | None:
    """The first key in which two configurations differ in what a resumed run must keep."""
    for key in sorted(old.keys() | new.keys()):
        if key not in FREE_KEYS and old.get(key) != new.get(key):
            return f"the checkpoint has {key} = {quoted(old.get(key))}, the configuration {quoted(new.get(key))}"
    return None


def _finish(run: Run, data: DataSet) -> Path:
    """Write the weights, with the mean latent and scale of the training data, and the record of the run."""
    path = run.folder / WEIGHTS
    if not run.process.first:
        return path
    model = run.model.eval()
    index = torch.from_numpy(spread(len(data), LATENT_SAMPLE))
    with torch.no_grad():
        means = torch.cat([model.encode(data.batch(part).to(run.process.device))[0] for part in index.split(256)])
    model.latent_mean.copy_(means.mean(0))
    if run.config.whiten is not None:
        assert isinstance(data, CropDataSet) and data.origin is not None
        whitening = fit_whitening(means.cpu().numpy(), data.origin.tracklet[index.numpy()], run.config.whiten)
        model.latent_whitening.copy_(torch.from_numpy(whitening.matrix))
    model.latent_scale.fill_(run.row["c"])
    versions = {name: importlib.metadata.version(name) for name in ("torch", "torchvision", "numpy")}
    record = {
        "config": run.config.model_dump(mode="json"),
        "data": data.describe(),
        "versions": {"python": platform.python_version(), **versions},
        "figures": {name: value for name, value in run.row.items() if value == value},  # JSON knows no NaN
    }
    save_model(model, path, record)
    return path
