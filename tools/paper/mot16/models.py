"""The four models of section 4.4, what each is told, and how the time is shared out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from embedding.config import TrainingConfig, load_config
from embedding.data.crop_pack import index_path, read_index
from embedding.data.crops import ADVICE, load_crops
from embedding.errors import InputError
from embedding.vae.weights import WEIGHTS
from tools.paper.bench import matches
from tools.paper.experiments import Data

# Label, as in Table 2 -> folder, and what is set beside configs/embedding/mot16.yaml, which is the scale-free model.
# All have that file's estimator of the penalty, `directional`: unbiased, and four decoder passes where the paper's
# finite differences of 128 latents take 129.
MODELS: dict[str, tuple[str, tuple[str, ...]]] = {
    "VHP-VAE": ("vhp_vae", ("flatness.weight=0",)),
    "VHP-FMVAE 300": ("vhp_fmvae300", ("flatness.mode=absolute", "flatness.weight=300")),
    "VHP-FMVAE 3000": ("vhp_fmvae3000", ("flatness.mode=absolute", "flatness.weight=3000")),
    "VHP-FMVAE scale-free": ("vhp_fmvae", ()),
}
QUICK = (
    "model.latent_dim=8",
    "model.encoder.width=0.06",
    "model.decoder.widths=[32,16,16,8,8]",
    "model.prior.widths=[16]",
    "model.prior.samples=2",
    "constraint.max_initial_steps=5",
    "batch=16",
    "steps=12",
    "log_every=4",
)


@dataclass(frozen=True)
class Plan:
    """One model: what it is called, the run that makes it, and the command line's overrides that say the same."""

    label: str
    folder: Path
    overrides: tuple[str, ...]

    @property
    def config(self) -> TrainingConfig:
        return load_config("mot16", self.overrides)

    @property
    def weights(self) -> Path:
        return self.folder / WEIGHTS

    @property
    def is_done(self) -> bool:
        """Whether the weights there are of this very run."""
        return matches(self.weights, self.config)


def share(minutes: float, jobs: int, models: int = len(MODELS)) -> float:
    """Minutes of training for each model, so that all of them, `jobs` side by side, take `minutes`.

    Raises:
        InputError: no time, or no job.

    Example:
        >>> share(60, 1), share(60, 2), share(60, 3), share(60, 8)
        (15.0, 30.0, 30.0, 60.0)
    """
    if not (minutes > 0 and math.isfinite(minutes)):
        raise InputError(f"--minutes {minutes:g}: expected a time above 0")
    if jobs < 1:
        raise InputError(f"--jobs {jobs}: expected a number from 1")
    return minutes / math.ceil(models / min(jobs, models))


def make_plans(output: Path, data: Data, quick: bool) -> list[Plan]:
    """The four runs, each checked before the first begins.

    Raises:
        InputError: no pack of crops, one without an index, an unknown sequence or key, or no time.
    """
    common = (
        *(QUICK if quick else ()),
        "tensorboard=false",
        f"minutes={share(data.minutes, data.jobs):g}",
        f"data.path={data.crops}",
        f"data.exclude=[{','.join(held_out(data))}]",
        *data.set,
    )
    plans = [Plan(label, output / "models" / name, (*common, *own)) for label, (name, own) in MODELS.items()]
    load_crops(plans[0].config.data)
    for plan in plans:
        plan.config  # noqa: B018  a wrong key is to be told now
    return plans


def held_out(data: Data) -> Sequence[str]:
    """Sequences of the pack that nothing learns from: those of --exclude, or those evaluated that the pack has.

    Raises:
        InputError: there is no such pack, or it does not say which sequence a crop is from.
    """
    for path, what in ((data.crops, "crops"), (index_path(data.crops), "index of the crops' sequences")):
        if not path.is_file():
            raise InputError(f"--crops {data.crops}: no {what} ({path}); {ADVICE}")
    return data.exclude or tuple(name for name in data.seq if name in read_index(data.crops).names)
