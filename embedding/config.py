"""Everything a training run can be told, as one checked tree. The YAML files under configs/embedding fill it.

An unknown key is an error that names the nearest known one; a value of the wrong kind names its key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from embedding import settings

PRESET_FOLDERS = (
    Path(__file__).parent / "presets",  # in an installed wheel
    Path(__file__).resolve().parents[1] / "configs" / "embedding",  # in a checkout
)

Activation = Literal["relu", "silu", "tanh", "softplus"]


class Section(BaseModel):
    """A part of the configuration: immutable, and closed against unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(Section):
    """Which observations to train on. Keys a kind does not need are ignored by it."""

    kind: Literal["pendulum", "mocap", "mnist", "crops"]
    path: str | None = None  # file or folder; None: ../shared/data beside the checkout
    count: int | None = Field(default=None, gt=0)  # observations to render or keep; None: all (pendulum: 15,000)
    noise: float = Field(default=0.05, ge=0)  # pendulum: standard deviation of the noise, in units of full brightness
    seed: int = 0  # of whatever the data set draws: noise, angles, a random binarisation
    binarise: Literal["static", "threshold", "sample"] = "static"  # mnist: the packed file; grey > 0.5; grey as odds
    scale: Literal["raw", "unit", "standardised"] = "unit"  # source's units; [0, 1]; zero mean and unit variance
    movements: tuple[str, ...] = ("walking", "jogging", "balancing", "punching", "kicking")  # mocap
    exclude: tuple[str, ...] = ()  # crops: sequences of the pack that are held out


class EncoderConfig(Section):
    """q(z|x): a multi-layer perceptron, or torchvision's VGG16 for images whose sides are multiples of 32."""

    kind: Literal["mlp", "vgg16"] = "mlp"
    widths: tuple[int, ...] = (256, 256)  # mlp: units of each hidden layer
    activation: Activation = "silu"  # mlp; VGG16 has ReLU
    width: float = Field(default=1.0, gt=0)  # vgg16: multiplier of every layer's channels
    norm: Literal["none", "batch"] = "none"  # vgg16: batch normalisation before each activation, as in VGG16-BN
    stripes: int = Field(default=0, ge=0)  # vgg16: of a colour histogram that is a linear part of the mean; 0: none
    bins: int = Field(default=8, ge=2)  # a colour, of that histogram
    pretrained: bool = False  # vgg16: start from torchvision's ImageNet weights (width 1 only)


class DecoderConfig(Section):
    """f(z), the mean of p(x|z). No BatchNorm and no Dropout: they couple samples and spoil the Jacobian."""

    kind: Literal["mlp", "convolutional"] = "mlp"
    widths: tuple[int, ...] = (256, 256)  # units of each layer; convolutional: channels after each doubling of the side
    activation: Activation = "silu"


class PriorConfig(Section):
    """The hierarchical prior p(z|zeta) p(zeta) and its proposal q(zeta|z): two perceptrons of the same widths."""

    widths: tuple[int, ...] = (256, 256)
    activation: Activation = "silu"
    samples: int = Field(default=16, ge=1)  # K, importance samples an observation


class ModelConfig(Section):
    latent_dim: int = Field(default=2, ge=1)  # n
    likelihood: Literal["gaussian", "bernoulli"] = "gaussian"
    encoder: EncoderConfig = EncoderConfig()
    decoder: DecoderConfig = DecoderConfig()
    prior: PriorConfig = PriorConfig()


class MixupConfig(Section):
    """Where the metric is made flat: on the segments between the batch's latents, and a little beyond (Eq. 11)."""

    enabled: bool = True  # False: at the latents alone (ablation)
    extrapolation: float = Field(default=0.2, ge=0)  # a0: a ~ U(-a0, 1 + a0)


class FlatnessConfig(Section):
    """The penalty on a metric that is not a multiple of the identity (Eq. 12). Weight 0 is the VHP-VAE."""

    weight: float = Field(default=0.0, ge=0)  # eta. absolute: beta * eta * R; relative: eta * bound * rel
    mode: Literal["absolute", "relative"] = "absolute"
    estimator: Literal["exact", "finite_difference", "directional"] = "exact"
    directions: int = Field(default=2, ge=1)  # directional: k, Haar-orthonormal directions a sample
    step: float = Field(default=1e-2, gt=0)  # finite_difference: step in units of the latents' standard deviation
    batch_fraction: float = Field(default=1.0, gt=0, le=1)  # share of the batch the penalty is evaluated on
    c2: Literal["learned"] | float = "learned"  # the metric's target; 0 (no identity term) and 1 are ablations
    detach_latent: bool = False  # True: the penalty trains the decoder alone

    @model_validator(mode="after")
    def target_has_a_scale(self) -> FlatnessConfig:
        if self.mode == "relative" and self.c2 != "learned":
            raise ValueError(f"c2 is {self.c2:g}, but relative mode knows no fixed target; expected mode absolute")
        return self


class AugmentationConfig(Section):
    """What is done to the images the encoder sees; the decoder has to give back the clean ones. Each is uniform."""

    flip: bool = False  # left and right, every other image
    shift: float = Field(default=0.0, ge=0, lt=1)  # largest change of place and of size, in half sides
    brightness: float = Field(default=0.0, ge=0)  # largest change of contrast (factor) and brightness (scaled units)
    colour: float = Field(default=0.0, ge=0)  # largest change of one colour (factor)
    erase: float = Field(default=0.0, ge=0, le=1)  # share of images in which a rectangle is hidden

    @property
    def is_active(self) -> bool:
        return bool(self.flip or self.shift or self.brightness or self.colour or self.erase)


class TrackletConfig(Section):
    """A contrastive term on the posterior mean: crops of one tracklet alike, crops of one frame different.

    Its distance is the tracker's: 1 - cosine of centred means. Tracklets come from the detections alone, no label is
    used. Weight 0 is the paper's objective.
    """

    weight: float = Field(default=0.0, ge=0)  # loss: weight * bound * nats
    temperature: float = Field(default=0.1, gt=0)  # of the softmax over cosines
    frames: int = Field(default=8, ge=1)  # frames a step's tracklets are taken from, at least
    min_length: int = Field(default=4, ge=2)  # crops a tracklet must have to take part


class ConstraintConfig(Section):
    """The bound on the reconstruction error C (per value, not summed), and how beta enforces it (Eq. 14)."""

    bound: float | None = Field(
        default=None, gt=0
    )  # on C itself, in the data's units squared, or nats a value (Bernoulli)
    bound_fraction: float | None = Field(
        default=None, gt=0
    )  # the same as a fraction of the data's variance (or entropy)
    beta: float = Field(default=1e-6, gt=0)  # where beta starts when the initial phase ends
    initial_beta: float = Field(default=0.0, ge=0)  # beta during the initial phase
    rate: float = Field(default=0.03, gt=0)  # nu, the exponent a step at an error of 100 % of the bound
    largest_change: float = Field(default=0.1, gt=0)  # clamp of the exponent a step
    tau: float = Field(default=1.0, gt=0)  # slope of the tanh that draws beta to 1 while the bound holds
    smoothing: float = Field(default=0.99, ge=0, lt=1)  # of the moving average of C
    smallest_beta: float = Field(default=1e-8, gt=0)
    largest_beta: float = Field(default=1e2, gt=0)
    max_initial_steps: int | None = Field(default=None, gt=0)  # leave the initial phase at the latest here; None: never

    @model_validator(mode="after")
    def one_bound(self) -> ConstraintConfig:
        if (self.bound is None) == (self.bound_fraction is None):
            raise ValueError("expected exactly one of bound and bound_fraction")
        return self


class OptimiserConfig(Section):
    """Adam, twice: one for encoder and decoder, one for the prior's networks."""

    learning_rate: float = Field(default=1e-4, gt=0)
    prior_learning_rate: float | None = Field(default=None, gt=0)  # None: as learning_rate
    final_learning_rate: float = Field(default=1.0, gt=0, le=1)  # fraction of the rate at the last step (cosine decay)
    clip_norm: float = Field(default=10.0, gt=0)  # largest norm of each optimiser's gradient


class TrainingConfig(Section):
    """One run: data, model, objective, optimisation."""

    data: DataConfig
    model: ModelConfig = ModelConfig()
    mixup: MixupConfig = MixupConfig()
    flatness: FlatnessConfig = FlatnessConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    tracklet: TrackletConfig = TrackletConfig()
    whiten: float | None = Field(
        default=None, ge=0, le=1
    )  # shrinkage of the whitening by tracklets; None: no whitening
    constraint: ConstraintConfig
    optimiser: OptimiserConfig = OptimiserConfig()
    steps: int = Field(gt=0)  # the most
    minutes: float | None = Field(default=None, gt=0)  # of training: the rate decays to their end; None: steps alone
    batch: int = Field(default=128, ge=2)  # observations a step, over all processes together
    decode_fraction: float = Field(default=1.0, gt=0, le=1)  # share of the batch that is reconstructed; C is its mean
    seed: int = Field(default=0, ge=0)
    device: str = "auto"  # auto: cuda, else mps, else cpu
    precision: Literal["float32", "bfloat16"] = "float32"  # bfloat16: autocast of the networks, on a GPU alone
    compile: bool = False  # torch.compile the objective: a minute first, then fewer and larger kernels
    cuda_graph: bool = True  # record the step and launch it as one, on a GPU and in one process
    threads: int | None = Field(default=None, gt=0)  # CPU threads; None: torch's choice
    log_every: int = Field(default=100, gt=0)  # steps
    checkpoint_every: int = Field(default=1000, gt=0)  # steps
    checkpoint_minutes: float = Field(default=1.0, gt=0)  # beside it: the most that a kill can cost
    tensorboard: bool = True  # write a TensorBoard log too, if it is installed


def load_config(source: str | Path, overrides: Sequence[str] = ()) -> TrainingConfig:
    """Read a configuration: a name under configs/embedding or a YAML file, then KEY=VALUE overrides (dotted keys).

    Raises:
        InputError: no such file, not YAML, an unknown key (the nearest known one is named), a value of the wrong kind.
    """
    return settings.load(TrainingConfig, source, PRESET_FOLDERS, overrides)


def parse_config(tree: Mapping[str, Any], where: str) -> TrainingConfig:
    """Check a configuration given as nested mappings; `where` begins the message of an InputError."""
    return settings.parse(TrainingConfig, tree, where)


def parse_model(tree: Mapping[str, Any], where: str) -> ModelConfig:
    """Check the model's part alone, as it is recorded beside weights."""
    return settings.parse(ModelConfig, tree, where)
