"""The training loop: two optimisers, a phase, a controller every process shares, and exact resumption.

All randomness is a function of the seed and the step: the order of the data, the noise. So a checkpoint need not hold
the state of a generator, and a killed run that is resumed ends in the same weights, bit by bit on a CPU.
"""

from __future__ import annotations

import importlib.metadata
import math
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from embedding.config import TrainingConfig
from embedding.data import DataSet, load_data
from embedding.data.crops import CropDataSet
from embedding.data.dataset import spread
from embedding.descriptors.whitening import fit_whitening
from embedding.distributed import Process, joined
from embedding.errors import InputError, TrainingError, quoted, shortened
from embedding.training.checkpoint import load_checkpoint, save_checkpoint
from embedding.training.constraint import Constraint
from embedding.training.contrast import Pairs
from embedding.training.objective import Objective, Terms, draw_noise
from embedding.training.pair_sampler import PairSampler
from embedding.training.runlog import Row, RunLog
from embedding.vae.colour_stripes import SAMPLE as COLOUR_SAMPLE
from embedding.vae.model import FlatVAE
from embedding.vae.networks import VGG16Encoder
from embedding.vae.weights import WEIGHTS, save_model

CHECKPOINT = "checkpoint.pt"
COUNTERS = ("step", "seconds", "skipped", "gap", "row")  # of `Run`, that a checkpoint holds beside its parts
# may change on resumption; the whitening is fitted after the last step
FREE_KEYS = {"steps", "log_every", "checkpoint_every", "device", "threads", "tensorboard", "whiten"}
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
    optimiser: torch.optim.Adam  # encoder and decoder
    prior_optimiser: torch.optim.Adam
    constraint: Constraint
    sampler: PairSampler | None = None  # of batches for the tracklet term
    step: int = 0  # steps done
    seconds: float = 0.0
    skipped: int = 0  # steps without a finite gradient
    gap: int = 0  # of them, the last ones in a row
    row: Row = field(default_factory=dict)  # of the log, the latest

    @property
    def model(self) -> FlatVAE:
        return self.objective.model

    def parts(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "optimiser": self.optimiser,
            "prior_optimiser": self.prior_optimiser,
            "constraint": self.constraint,
        }

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


def _loop(run: Run, data: DataSet, log: RunLog) -> None:
    """Steps until the last one. Every decision is taken on numbers shared by all processes."""
    config, process = run.config, run.process
    module: nn.Module = run.objective
    if process.count > 1:
        ids = [process.device.index] if process.device.type == "cuda" else None
        module = DistributedDataParallel(run.objective, device_ids=ids, broadcast_buffers=False)
    while run.step < config.steps:
        began = time.perf_counter()
        due = (run.step + 1) % config.log_every == 0 or run.step + 1 == config.steps
        rows, pairs = _draw(run, len(data))
        x = data.batch(rows).to(process.device, non_blocking=True)
        noise = draw_noise(config, _generator(config.seed, 0, run.step)).part(process.rank, process.count)
        loss, terms = module(x, noise.to(process.device), run.constraint.weight, measure=due, pairs=pairs)
        _descend(run, loss, terms)
        if terms.error.isfinite():
            run.constraint.update(float(terms.error))
        run.step += 1
        run.seconds += time.perf_counter() - began
        log.advance(run.step)
        if due:
            run.row = _row(run, terms)
            log.write(run.row)
            _guard(run, log)
        if run.step % config.checkpoint_every == 0 or run.step == config.steps:
            run.save()


def _draw(run: Run, count: int) -> tuple[Tensor, Pairs | None]:
    """This process's rows of the data in this step, and what is known of the pairs of all processes' rows."""
    if run.sampler is None:
        return batch_index(run.config, run.step, count, run.process), None
    rows, pairs = run.sampler.draw(np.random.default_rng([run.config.seed, 2, run.step]))
    return torch.from_numpy(rows).view(run.process.count, -1)[run.process.rank], pairs.to(run.process.device)


def _descend(run: Run, loss: Tensor, terms: Terms) -> None:
    """One step of the optimisers; the prior rests in the initial phase. A step that is not finite is left out."""
    for optimiser in (run.optimiser, run.prior_optimiser):
        optimiser.zero_grad(set_to_none=True)
        for group in optimiser.param_groups:
            group["lr"] = group["initial_lr"] * _decay(run.config, run.step)
    finite = terms.is_finite()
    if finite:
        loss.backward()
        norms = [
            nn.utils.clip_grad_norm_(optimiser.param_groups[0]["params"], run.config.optimiser.clip_norm)
            for optimiser in (run.optimiser, run.prior_optimiser)
        ]
        finite = all(bool(norm.isfinite()) for norm in norms)
    if not finite:
        run.skipped, run.gap = run.skipped + 1, run.gap + 1
        if run.gap == LARGEST_GAP:
            parts = f"C {float(terms.error):.3g}, F {float(terms.divergence):.3g}, R {float(terms.R):.3g}"
            raise TrainingError(
                f"step {run.step + 1}: {LARGEST_GAP} steps in a row without a finite gradient ({parts}): lower "
                "optimiser.learning_rate or flatness.weight, or look for data far outside the likelihood's range"
            )
        return
    run.gap = 0
    run.optimiser.step()
    if not run.constraint.initial_phase:
        run.prior_optimiser.step()


def _row(run: Run, terms: Terms) -> Row:
    """What is always reported together: flatness says nothing without reconstruction, F, scale and active units."""
    rel, constraint = float(terms.rel), run.constraint
    return {
        "step": run.step,
        "seconds": round(run.seconds, 3),
        "phase": "initial" if constraint.initial_phase else "forced" if constraint.forced else "main",
        "C": float(terms.error),
        "C_smoothed": constraint.smoothed,
        "bound": constraint.bound,
        "F": float(terms.divergence),
        "beta": constraint.weight,
        "c": math.sqrt(max(0.0, float(terms.c2))),
        "R": float(terms.R),
        "rel": rel,
        "active_units": terms.active_units,
        "contrast": float(terms.contrast),
        "effective_dimension": run.config.model.latent_dim / (1 + max(0.0, rel)),
        "learning_rate": run.optimiser.param_groups[0]["lr"],
        "skipped_steps": run.skipped,
    }


def _guard(run: Run, log: RunLog) -> None:
    """Stop a collapsed run; warn of a bound that looks out of reach."""
    row, steps = run.row, run.config.steps
    if row["active_units"] == 0 and run.step >= GRACE:
        raise TrainingError(
            f"step {run.step}: the latent space collapsed (no active unit, F {row['F']:.3g} nats, C {row['C']:.3g} "
            f"against a data variance or entropy it no longer explains): lower constraint.initial_beta, "
            "constraint.bound or flatness.weight"
        )
    half = steps // 2
    if run.constraint.initial_phase and run.step >= half > run.step - run.config.log_every:
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
    rate = config.optimiser.learning_rate
    networks = [*model.encoder.parameters(), *model.decoder.parameters()]
    # The prior's gradient carries the factor beta, 1e-6 at first: Adam's usual epsilon would drown it.
    prior_rate = config.optimiser.prior_learning_rate or rate
    optimisers = (torch.optim.Adam(networks, rate), torch.optim.Adam(model.prior.parameters(), prior_rate, eps=1e-14))
    for optimiser in optimisers:
        optimiser.param_groups[0]["initial_lr"] = optimiser.param_groups[0]["lr"]
    objective, constraint = Objective(model, config, bound), Constraint(config.constraint, bound)
    run = Run(config, folder, process, objective, *optimisers, constraint, _sampler(config, data))
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


def batch_index(config: TrainingConfig, step: int, count: int, process: Process) -> Tensor:
    """Which observations a process takes at a step: each epoch a new permutation, its incomplete last batch dropped."""
    epoch, position = divmod(step, count // config.batch)
    order = torch.randperm(count, generator=_generator(config.seed, 1, epoch))
    batch = order[position * config.batch : (position + 1) * config.batch]
    return batch.view(process.count, -1)[process.rank]


def _generator(seed: int, purpose: int, number: int) -> torch.Generator:
    mixed = np.random.SeedSequence([seed, purpose, number]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(mixed))


def _decay(config: TrainingConfig, step: int) -> float:
    """Cosine from 1 at the first step to `final_learning_rate` at the last."""
    final = config.optimiser.final_learning_rate
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * step / config.steps))


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
