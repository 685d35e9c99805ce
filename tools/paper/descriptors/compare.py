"""The MOT16 descriptor beside others (section 4.4): how well each tells people apart, and how flat its model is.

Every descriptor is compared in several forms: plain, as it comes; centred, minus a mean, since a cosine depends on the
origin; and, for a model that has one, whitened. The mean is that of the training data where the descriptor is a model,
which travels with its weights, and that of the compared crops otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from embedding.descriptor import Descriptor
from embedding.descriptors.base import DescribesBoxes
from embedding.descriptors.latent import LatentDescriptor
from embedding.descriptors.spec import DEFAULT, SHIPPED
from embedding.errors import InputError
from embedding.files import atomic_path
from embedding.geometry import effective_dimension, mean_scale, metric_tensor, relative_spread, spectrum
from embedding.retrieval import GAP, METRICS, NO_TRACKLET, Labels, measure_retrieval
from embedding.training.objective import SMALLEST_ACTIVE
from embedding.vae.model import FlatVAE
from embedding.vae.weights import WEIGHTS, load_model, read_record, weights_path
from tools.paper.bench import Bench
from tools.paper.descriptors import across
from tools.paper.descriptors import plots as descriptor_plots
from tools.paper.nested import learnt_from
from tracker.evaluate.table import print_columns

BASELINES = ("pixels", "colour")
LATENTS = 32  # at which the metric is computed, some 0.3 s each with 128 latents and 64 x 64 pixels
METRIC_CHUNK = 4  # latents a pass
ENCODER_CHUNK = 32  # crops a pass
LARGE = 0.9  # share of the eigenvalues, the largest, that the second condition number is of
RECORDED = ("step", "C", "F", "beta", "active_units")  # of a run's last step, beside what is measured here

Features = NDArray[np.float32]
Crops = NDArray[np.uint8]  # BGR [N, height, width, 3]


@dataclass(frozen=True)
class Compared:
    """One descriptor as it enters the comparison.

    Attributes:
        label: in tables and pictures.
        describe: image and boxes in, plain features out.
        weights: of the model behind it; None where there is none.
        seen: names of sequences that it has learnt from.
        is_foreign: somebody else's network, of which nobody here knows what it has learnt from.
    """

    label: str
    describe: DescribesBoxes
    weights: Path | None = None
    seen: frozenset[str] = frozenset()
    is_foreign: bool = False


def run(
    bench: Bench,
    crops: Crops,
    labels: Labels,
    compared: Sequence[Compared],
    features: Mapping[str, Features],
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """Measure every descriptor, draw the pictures, write DIR/descriptors.md and print the table at a glance.

    Args:
        bench: where to, and whether quickly.
        crops: [N, height, width, 3].
        labels: of the N crops.
        compared: the descriptors.
        features: label -> plain features [N, D].
        about: how the crops were chosen, for the report: sequences, det, every, visibility.

    Returns:
        The figures, as DIR/descriptors.json holds them.

    Raises:
        InputError: a feature is not finite, or a model takes crops of another size.
    """
    found: dict[str, Any] = {}
    shown, spectra = {}, {}  # label -> features in the form of the pictures, eigenvalues
    for one in compared:
        bench.say(f"descriptors: {one.label}")
        plain = features[one.label]
        if not np.isfinite(plain).all():
            raise InputError(f"descriptor {one.label!r}: gives features that are not finite, expected numbers")
        in_forms = forms(plain, one.weights)
        form, shown[one.label] = list(in_forms.items())[-1]
        found[one.label] = {"dimension": plain.shape[1], "comparison": comparison(in_forms, labels)}
        if one.weights is not None:
            found[one.label]["model"], spectra[one.label] = model_figures(
                one.weights, crops, 2 if bench.quick else LATENTS
            )
        picture = bench.output / f"map-{one.label}.png"
        descriptor_plots.draw_map(crops, shown[one.label], labels, f"{one.label}, {form}", picture)
    descriptor_plots.draw_neighbours(crops, shown, labels, bench.output / "neighbours.png")
    if spectra:
        descriptor_plots.draw_spectra(spectra, bench.output / "spectra.png")
    used = {label: _as_used(label, plain, compared) for label, plain in features.items()}
    names = about["sequences"]
    foreign = {one.label for one in compared if one.is_foreign}
    over = across.figures(used, labels, names, {one.label: set(one.seen) for one in compared}, foreign)
    figures = {**about, **_counts(labels), "descriptors": found, "across": over}
    with atomic_path(bench.output / "descriptors.md") as temporary:
        temporary.write_text(markdown(figures), encoding="utf-8")
    print_columns(HEADER, cosine_rows(found))
    print_columns(["mAP", "form", *names], across.sequence_rows(over, names))
    print_columns(across.HEADER, across.rows(over))
    return figures


def _as_used(label: str, plain: Features, compared: Sequence[Compared]) -> NDArray[np.floating]:
    """Features in the form that the descriptor has in a tracker: of a model, centred and whitened."""
    weights = next(one.weights for one in compared if one.label == label)
    in_forms = forms(plain, weights)
    return plain if weights is None else list(in_forms.values())[-1]


def _counts(labels: Labels) -> dict[str, Any]:
    people = np.unique(np.stack([labels.sequences, labels.identities]), axis=1).shape[1]
    linked = float((labels.tracklets != NO_TRACKLET).mean())
    return {"crops": len(labels), "people": people, "on_tracklet": linked, "gap": GAP}


def shipped() -> list[str]:
    """Names of what comes with the project: the baselines, the closed form, every model of MOT16's crops."""
    return [*BASELINES, DEFAULT, *sorted(path.stem for path in SHIPPED.glob("mot16*.json"))]


def load_compared(specs: Sequence[str]) -> list[Compared]:
    """Descriptors by name or file.

    Raises:
        InputError: no such descriptor, or two would have the same label.
    """
    compared = [_load(spec) for spec in specs]
    labels = [one.label for one in compared]
    for label in labels:
        if labels.count(label) > 1:
            raise InputError(f"descriptor {label!r}: named {labels.count(label)} times, expected names that differ")
    return compared


def _load(spec: str) -> Compared:
    seen = frozenset(learnt_from(spec))
    for candidate in (SHIPPED / f"{spec}.safetensors", Path(spec)):
        weights = weights_path(candidate)
        if weights.suffix == ".safetensors" and weights.with_suffix(".json").is_file():
            label = weights.resolve().parent.name if weights.name == WEIGHTS else weights.stem
            return Compared(label, LatentDescriptor(weights, whiten=False, centre=False), weights, seen)
    label = Path(spec).stem if Path(spec).is_file() else spec
    return Compared(label, Descriptor.load(spec), seen=seen, is_foreign=spec.endswith(".onnx"))


def forms(features: Features, weights: Path | None) -> dict[str, NDArray[np.floating]]:
    """What plain features [N, D] are compared as: name of the form -> [N, D]."""
    if weights is None:
        return {"plain": features, "centred": features - features.mean(axis=0)}
    model = load_model(weights)
    centred = features - model.latent_mean.numpy()
    found = {"plain": features, "centred": centred}
    if not torch.equal(model.latent_whitening, torch.eye(model.latent_dim)):
        found["whitened"] = centred @ model.latent_whitening.numpy().T
    return found


def comparison(features: Mapping[str, NDArray[np.floating]], labels: Labels) -> list[dict[str, Any]]:
    """One descriptor's rows: every form and metric, with the query's own tracklet in the gallery and without."""
    return [
        {
            "form": form,
            "metric": metric,
            **measure_retrieval(vectors, labels, metric).summary(),
            "off_tracklet": measure_retrieval(vectors, labels, metric, off_tracklet=True).summary(),
        }
        for form, vectors in features.items()
        for metric in METRICS
    ]


def model_figures(weights: Path, crops: Crops, latents: int = LATENTS) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """How flat a model is at crops it may never have seen, beside what it makes of them.

    Flatness never alone: a collapsed model is perfectly flat.

    Args:
        weights: of the model.
        crops: [N, height, width, 3] of the size the model takes.
        latents: posterior samples, of evenly spread crops, at which the whole metric is computed.

    Returns:
        The figures, and the metrics' eigenvalues [latents, n], ascending.
    """
    model, record = load_model(weights), read_record(weights)
    if model.shape != (3, *crops.shape[1:3]):
        found = " x ".join(map(str, model.shape[:0:-1]))
        raise InputError(f"{weights}: takes crops of {found}, expected {crops.shape[2]} x {crops.shape[1]} pixels")
    observations = _as_trained_on(crops, record["data"])
    mean, std = _encode(model, observations)
    rows = torch.linspace(0, len(mean) - 1, min(latents, len(mean))).long()
    noise = torch.randn(mean[rows].shape, generator=torch.Generator().manual_seed(0))
    metric = metric_tensor(model.decode, mean[rows] + std[rows] * noise, METRIC_CHUNK)
    values = spectrum(metric)
    smallest_large = values.shape[1] - round(LARGE * values.shape[1])
    signal = mean.var(dim=0, unbiased=False)
    trained = record.get("figures", {})
    figures = {
        "latents": model.latent_dim,
        "unexplained": _unexplained(model, observations, mean),
        "relative_spread": float(relative_spread(metric)),
        "effective_dimension": float(effective_dimension(metric)),
        "scale": float(mean_scale(metric).sqrt()),
        "condition": _median(values[:, -1] / values[:, 0]),
        "condition_large": _median(values[:, -1] / values[:, smallest_large]),
        "active_units": int((signal > SMALLEST_ACTIVE * (signal + std.square().mean(dim=0))).sum()),
        "training": {key: trained[key] for key in RECORDED if key in trained},
    }
    return figures, values.numpy()


def _as_trained_on(crops: Crops, data: Mapping[str, Any]) -> torch.Tensor:
    """Crops as the network sees them, [N, 3, height, width], by the scale in the record of its training data."""
    mean, std = (torch.tensor(data[key])[:, None, None] for key in ("mean", "std"))
    return (torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255 - mean) / std


@torch.no_grad()
def _encode(model: FlatVAE, observations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Posterior mean and standard deviation, [N, n] both."""
    parts = [model.encode(part) for part in observations.split(ENCODER_CHUNK)]
    return torch.cat([mean for mean, _ in parts]), torch.cat([std for _, std in parts])


@torch.no_grad()
def _unexplained(model: FlatVAE, observations: torch.Tensor, mean: torch.Tensor) -> float:
    """Mean squared error of the decoded posterior mean, over the variance of a value among the crops."""
    pairs = zip(observations.split(ENCODER_CHUNK), mean.split(ENCODER_CHUNK), strict=True)
    error = sum(float((model.decode(z) - x).square().sum()) for x, z in pairs) / observations.numel()
    return error / float(observations.var(dim=0, unbiased=False).mean())


def _median(values: torch.Tensor) -> float | None:
    """None, for JSON, where it is infinite: more than half of the metrics lack a direction."""
    median = float(values.median())
    return median if np.isfinite(median) else None


HEADER = ["descriptor", "rank-1", "mAP", "AUC", "TA@1 %", "rank-1 off", "mAP off", "AUC off"]
ALL_HEADER = ["descriptor", "form", "metric", *HEADER[1:]]
MODEL_HEADER = ["model", "unexplained", "rel", "dimension", "c", "condition", "of the top 90 %", "active", "F, nats"]
COLUMNS = ("rank1", "mean_average_precision", "auc", "true_accepts")
MODELS_EXPLAINED = (
    "Unexplained: squared error of the reconstruction over the crops' variance. rel: relative spread of the metric's "
    "eigenvalues. Dimension: n / (1 + rel). c: length in observation space of a unit step. Condition: median over "
    "latents. F: of the training's last batch."
)


def cosine_rows(descriptors: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """The table at a glance: by cosine, centred, and whitened where there is a whitening."""
    return [
        [label if row["form"] == "centred" else f"{label}, {row['form']}", *_cells(row)]
        for label, descriptor in descriptors.items()
        for row in descriptor["comparison"]
        if row["metric"] == "cosine" and row["form"] != "plain"
    ]


def all_rows(descriptors: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Every form and metric."""
    return [
        [label, row["form"], row["metric"], *_cells(row)]
        for label, descriptor in descriptors.items()
        for row in descriptor["comparison"]
    ]


def model_rows(descriptors: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """The models' figures."""
    rows = []
    for label, descriptor in descriptors.items():
        if (figures := descriptor.get("model")) is not None:
            numbers = [figures[key] for key in ("unexplained", "relative_spread")]
            dimension = f"{figures['effective_dimension']:.1f} of {figures['latents']}"
            conditions = [figures[key] for key in ("condition", "condition_large")]
            nats = figures["training"].get("F", np.nan)
            numbers = [*map(_number, numbers), dimension, *map(_number, (figures["scale"], *conditions))]
            rows.append([label, *numbers, str(figures["active_units"]), f"{nats:.0f}"])
    return rows


def _cells(row: Mapping[str, Any]) -> list[str]:
    off = row["off_tracklet"]
    values = [*(row[column] for column in COLUMNS), *(off[column] for column in COLUMNS[:3])]
    return ["-" if value is None else f"{value:.3f}" for value in values]


def _number(value: float | None) -> str:
    return "∞" if value is None else f"{value:.3g}"


def markdown(figures: Mapping[str, Any]) -> str:
    """The whole report, as DIR/descriptors.md holds it."""
    descriptors = figures["descriptors"]
    parts = [
        "# Appearance descriptors",
        protocol(figures),
        "## By cosine, centred",
        "In the columns `off` the gallery leaves out the query's own tracklet.",
        table(HEADER, cosine_rows(descriptors)),
        "## Every form and metric",
        table(ALL_HEADER, all_rows(descriptors)),
    ]
    names = figures["sequences"]
    parts += [
        "## Each sequence",
        "Mean average precision, in the form that a tracker uses; * the descriptor has learnt from this video, without "
        "its labels. Own mean and own whitening are told by the footage, without labels too.",
        table(["descriptor", "form", *names], across.sequence_rows(figures["across"], names)),
        "## Over all sequences",
        "Each counts alike. 95 %: of the mean of mAP, people resampled. Spread: deviation over sequences.",
        table(across.HEADER, across.rows(figures["across"])),
    ]
    if models := model_rows(descriptors):
        parts += [
            "## Models",
            MODELS_EXPLAINED,
            table(MODEL_HEADER, models),
        ]
    return "\n\n".join(parts) + "\n"


def protocol(figures: Mapping[str, Any]) -> str:
    """How the crops were chosen, and what a query is compared with.

    Args:
        figures: of a comparison; a `visibility` of None says that the crops are those of detections.
    """
    box = "detections" if figures["visibility"] is None else "ground-truth crops"
    crops = f"{figures['crops']} {box} of {figures['people']} people"
    where = f"{', '.join(figures['sequences'])}, every {figures['every']} frames"
    seen = "" if figures["visibility"] is None else f"at least {figures['visibility']:.0%} visible, "
    kind = f"{seen}{figures['on_tracklet']:.0%} on a tracklet of {figures['det']}"
    return f"{crops}: {where}, {kind}. A query's gallery: crops of its sequence {figures['gap']} frames away or more."


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
