"""What the experiments share: their models, trained once, their data, their sizes and where results go."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from embedding.config import TrainingConfig, load_config, parse_config
from embedding.data import load_data
from embedding.data.dataset import ArrayDataSet
from embedding.files import atomic_path
from embedding.training.loop import train
from embedding.vae.model import FlatVAE
from embedding.vae.weights import WEIGHTS, load_model, read_record, save_model

# Overrides of configs/embedding/NAME.yaml, which describes the VHP-FMVAE. A fixed c² makes sense for the absolute
# penalty alone (Eq. 12). Without the identity its weight is the paper's; with c² = 1 it is as strong as the relative
# penalty of human.yaml where beta settles: 2 beta n is about 3 bound.
VARIANTS = {
    "vhp_vae": ["flatness.weight=0"],
    "vhp_fmvae": [],
    "no_mixup": ["mixup.enabled=false"],
    "no_identity": ["flatness.mode=absolute", "flatness.weight=8000", "flatness.c2=0"],
    "fixed_scale": ["flatness.mode=absolute", "flatness.weight=2", "flatness.c2=1"],
}
TITLES = {
    "vhp_vae": "VHP-VAE",
    "vhp_fmvae": "VHP-FMVAE",
    "no_mixup": "without mixup",
    "no_identity": "without c²I",
    "fixed_scale": "c² = 1",
}
QUICK = ["steps=60", "batch=32", "log_every=30", "model.prior.samples=2"]
INDIFFERENT = {
    "device",
    "threads",
    "compile",
    "cuda_graph",
    "log_every",
    "checkpoint_every",
    "checkpoint_minutes",
    "tensorboard",
}  # to a run's result


@dataclass(frozen=True)
class Sizes:
    """How much is measured. The defaults are the paper's where it states them."""

    pairs: int = 100  # of Table 1, and interpolations of Fig. 5
    nodes: int = 14_400  # of the graph
    grid: int = 120  # points a side of the equidistance plots
    latents: int = 5_000  # encoded observations
    samples: int = 10_000  # the most metrics of a box plot


@dataclass
class Bench:
    """One run of `tools.paper`.

    Attributes:
        output: folder of the results; models trained here are kept in output/models and found again.
        quick: small sizes and a few training steps, to see that everything runs.
        say: told what is going on, one line a time.
    """

    output: Path
    quick: bool = False
    say: Callable[[str], None] = print
    _models: dict[str, FlatVAE] = field(default_factory=dict)

    @property
    def sizes(self) -> Sizes:
        return Sizes(pairs=8, nodes=900, grid=24, latents=300, samples=200) if self.quick else Sizes()

    def config(self, name: str, variant: str) -> TrainingConfig:
        """configs/embedding/NAME.yaml with the variant's overrides."""
        return load_config(name, ["tensorboard=false", *VARIANTS[variant]])

    def data(self, name: str) -> ArrayDataSet:
        data = load_data(self.config(name, "vhp_fmvae").data)
        assert isinstance(data, ArrayDataSet)
        return data

    def model(self, name: str, variant: str) -> FlatVAE:
        """The model of a data set: trained before, or now."""
        label = f"{name}-{variant}"
        if label not in self._models:
            self._models[label] = load_model(self._weights(name, variant))
        return self._models[label]

    def _weights(self, name: str, variant: str) -> Path:
        config = self.config(name, variant)
        if self.quick:
            config = load_config(name, ["tensorboard=false", *VARIANTS[variant], *QUICK])
        folder = self.output / "models" / f"{name}-{variant}"
        if matches(folder / WEIGHTS, config):
            return folder / WEIGHTS
        self.say(f"{name}: training {TITLES[variant]}, {config.steps} steps, in {folder}")
        return train(config, folder, resume=True)

    def record(self, name: str, variant: str) -> dict[str, Any]:
        """What training wrote down about the model: its last F, beta, active units and so on."""
        return dict(read_record(self._weights(name, variant))["figures"])

    def write(self, name: str, figures: dict[str, Any]) -> Path:
        """OUTPUT/NAME.json."""
        path = self.output / f"{name}.json"
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps({"quick": self.quick, **figures}, indent=1) + "\n", encoding="utf-8")
        return path


def matches(weights: Path, config: TrainingConfig) -> bool:
    """Whether weights exist and come from this configuration, as far as it matters to the result."""
    if not weights.with_suffix(".json").is_file():  # which is written last
        return False
    wanted = config.model_dump(mode="json")
    found = parse_config(read_record(weights).get("config", {}), str(weights)).model_dump(mode="json")
    return all(found[key] == value for key, value in wanted.items() if key not in INDIFFERENT)


def keep(folder: Path, target: Path) -> None:
    """Copy a trained model to be kept with the project: in half precision, with its record."""
    record = {key: value for key, value in read_record(folder / WEIGHTS).items() if key not in ("model", "shape")}
    save_model(load_model(folder).half(), target, record)


@torch.no_grad()
def posterior(model: FlatVAE, data: ArrayDataSet, count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Posterior means and one posterior sample each, [count, n] both, of evenly spread observations."""
    mean, std = model.encode(data.batch(spread_index(data, count)))
    return mean, mean + std * torch.randn(mean.shape, generator=torch.Generator().manual_seed(seed))


def spread_index(data: ArrayDataSet, count: int) -> torch.Tensor:
    """Evenly spread indices, at most `count`."""
    return torch.linspace(0, len(data) - 1, min(count, len(data))).long()
