"""The objective's parts against hand computations, and the model's files."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save, save_file
from torch import Tensor

from embedding.config import TrainingConfig, parse_config
from embedding.errors import InputError
from embedding.training.objective import Noise, NoiseSource, Objective
from embedding.vae.flatness import flatness_penalty, haar_directions
from embedding.vae.model import FlatVAE
from embedding.vae.prior import log_normal
from embedding.vae.weights import load_model, read_record, save_model, weight_files

BATCH, LATENT_DIM = 6, 3


def build_config(**overrides: object) -> TrainingConfig:
    network = {"widths": [16], "activation": "tanh"}
    tree = {
        "data": {"kind": "pendulum"},
        "model": {"latent_dim": LATENT_DIM, "encoder": network, "decoder": network, "prior": {**network, "samples": 4}},
        "constraint": {"bound": 0.5},
        "steps": 1,
        "batch": BATCH,
    }
    return parse_config({**tree, **overrides}, "test")


def build(**overrides: object) -> tuple[Objective, Tensor, Noise]:
    config = build_config(**overrides)
    torch.manual_seed(0)
    model = FlatVAE(config.model, (10,)).double()
    noise = NoiseSource(config).draw(0)
    return Objective(model, config, bound=0.5), torch.rand(BATCH, 10).double(), Noise(*(n.double() for n in noise))


def latents(objective: Objective, x: Tensor, noise: Noise) -> Tensor:
    mean, std = objective.model.encode(x)
    return mean + std * noise.latent


@pytest.mark.parametrize(
    ("flatness", "weight"),
    [
        ({"weight": 0.0}, 0.0),  # VHP-VAE
        ({"weight": 7.0}, 7.0 * 0.01),  # absolute: beta * eta * R
        ({"weight": 7.0, "mode": "relative"}, 7.0 * 0.5),  # relative: eta * bound * rel
        ({"weight": 7.0, "estimator": "directional", "directions": 2}, 7.0 * 0.01),
        ({"weight": 7.0, "c2": 0.0}, 7.0 * 0.01),  # no identity term
        ({"weight": 7.0, "c2": 1.0}, 7.0 * 0.01),
    ],
)
def test_loss_is_the_sum_of_its_parts(flatness: dict, weight: float) -> None:
    beta = 0.01
    objective, x, noise = build(flatness=flatness)
    loss, terms = objective(x, noise, beta, measure=True)
    z = latents(objective, x, noise)
    mean, std = objective.model.encode(x)
    error = (x - objective.model.decode(z)).square().mean()
    divergence = (log_normal(z, mean, std) - objective.model.prior.log_density(z, noise.zeta)).mean()
    share = 1.4 * noise.mixing[:, None] - 0.2
    mixed = (1 - share) * z + share * z[noise.order.argsort()]
    found = flatness_penalty(
        objective.model.decode,
        mixed,
        mode=flatness.get("mode", "absolute"),
        estimator=flatness.get("estimator", "exact"),
        directions=haar_directions(noise.directions),
        c2=flatness.get("c2"),
    )
    torch.testing.assert_close(loss, error + beta * divergence + weight * found.penalty)
    torch.testing.assert_close(terms.rel, found.rel.detach())
    torch.testing.assert_close(terms.error, error.detach())


def test_in_the_initial_phase_the_divergence_has_no_weight() -> None:
    objective, x, noise = build(flatness={"weight": 7.0})
    loss, terms = objective(x, noise, 0.0, penalised=False)
    loss.backward()
    assert float(loss.detach()) == float(terms.error)
    assert terms.rel.isnan()  # nobody asked
    assert bool(terms.finite)
    for parameter in objective.model.prior.parameters():
        assert parameter.grad is not None  # used, so that distributed training waits for nothing
        assert not parameter.grad.any()


def test_a_step_is_a_function_of_its_noise() -> None:
    objective, x, noise = build(flatness={"weight": 1.0, "estimator": "directional"})
    first, again = (objective(x, noise, 0.1)[0] for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, objective(x, noise._replace(latent=-noise.latent), 0.1)[0])


def test_noise_falls_into_parts() -> None:
    config = build_config()
    noise = NoiseSource(config).draw(0)
    parts = [noise.part(rank, 3) for rank in range(3)]
    for name, whole in noise._asdict().items():
        axis = 1 if name == "zeta" else 0
        torch.testing.assert_close(torch.cat([getattr(part, name) for part in parts], axis), whole)


@torch.no_grad()
@pytest.mark.parametrize(("enabled", "reach"), [(False, 0.2), (True, 0.0), (True, 0.2)])
def test_mixup_stays_on_lines_through_pairs(enabled: bool, reach: float) -> None:
    objective, x, noise = build(mixup={"enabled": enabled, "extrapolation": reach})
    z = latents(objective, x, noise)
    mixed = objective._mix(z, noise)
    if not enabled:
        assert torch.equal(mixed, z)
        return
    partner = z[noise.order.argsort()]
    share = ((mixed - z) * (partner - z)).sum(1) / (partner - z).square().sum(1).clamp_min(1e-12)
    torch.testing.assert_close(z + share[:, None] * (partner - z), mixed)
    assert float(share.min()) >= -reach
    assert float(share.max()) <= 1 + reach


def test_detached_latents_leave_the_encoder_alone() -> None:
    grads = []
    for detach in (False, True):
        objective, x, noise = build(flatness={"weight": 1e6, "detach_latent": detach})
        parameters = list(objective.model.encoder.parameters())
        for beta in (1.0, 1e-30):  # with and without the penalty
            loss = objective(x, noise, beta)[0]
            grads.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)]))
    assert float((grads[0] - grads[1]).norm()) > 100 * float((grads[2] - grads[3]).norm())


def test_active_units_are_those_that_tell_observations_apart() -> None:
    objective, x, noise = build()
    head = objective.model.encoder[1].head
    with torch.no_grad():
        head.mean.weight[0].zero_()  # latent 0 is the same for all observations
        head.mean.weight[1:].mul_(100)
    assert objective(x, noise, 0.0)[1].active_units == LATENT_DIM - 1


def test_model_goes_round_through_its_files(tmp_path: Path) -> None:
    objective, x, _ = build()
    model = objective.model.float()
    model.latent_mean.fill_(0.5)
    model.latent_whitening.copy_(torch.rand(LATENT_DIM, LATENT_DIM))
    save_model(model, tmp_path / "model.safetensors", {"figures": {"C": 1.0}})
    for path in (tmp_path, tmp_path / "model.safetensors"):
        loaded = load_model(path)
        assert torch.equal(loaded.encode(x.float())[0], model.encode(x.float())[0])
        assert torch.equal(loaded.latent_mean, model.latent_mean)
        assert torch.equal(loaded.latent_whitening, model.latent_whitening)
    assert json.loads((tmp_path / "model.json").read_text())["figures"] == {"C": 1.0}
    assert {path.name for path in tmp_path.iterdir()} == {"model.safetensors", "model.json"}


def _flip_last_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-4] ^= 1  # of a number that stays finite
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda folder: (folder / "model.json").unlink(), "expected the record beside the weights"),
        (lambda folder: (folder / "model.json").write_text("{"), "expected the record"),
        (lambda folder: (folder / "model.json").write_text("{}"), "expected keys model and shape"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"rubbish"), "expected safetensors"),
        (lambda folder: (folder / "model.safetensors").unlink(), "cannot be read"),
        (lambda folder: _flip_last_bit(folder / "model.safetensors"), "has another checksum than model.json says"),
        (lambda folder: _edit(folder, "sha256", 7), "sha256: found 7, expected a checksum of each file"),
        (lambda folder: _edit(folder, "shape", [12]), "does not fit the model"),
        (lambda folder: _edit(folder, "shape", "wide"), "shape: found 'wide', expected the sides"),
        (lambda folder: _edit(folder, "shape", [0]), r"shape: found \[0\]"),
        (lambda folder: _edit(folder, "parts", ["../other.safetensors"]), "parts: .*expected names of files beside it"),
        (lambda folder: _edit(folder, "parts", []), "parts: found"),
        (lambda folder: _edit(folder, "parts", ["model-00001-of-00002.safetensors"]), "00001-of-00002.*cannot be read"),
        (lambda folder: _edit(folder, "model", {"latent_dims": 2}), "did you mean 'latent_dim'"),
    ],
)
def test_broken_model_files(tmp_path: Path, spoil: object, complaint: str) -> None:
    save_model(build()[0].model.float(), tmp_path / "model.safetensors", {})
    spoil(tmp_path)  # type: ignore[operator]
    with pytest.raises(InputError, match=complaint) as error:
        load_model(tmp_path)
    assert "\n" not in str(error.value)


def test_half_precision_is_read_into_single(tmp_path: Path) -> None:
    model = build()[0].model
    save_model(model.half(), tmp_path / "model.safetensors", {})
    loaded = load_model(tmp_path)
    for name, tensor in loaded.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, model.state_dict()[name].float())
    assert loaded.encode(torch.rand(2, 10))[0].isfinite().all()


def test_a_file_from_before_the_whitening_gets_the_identity(tmp_path: Path) -> None:
    model = build()[0].model.float()
    save_model(model, tmp_path / "model.safetensors", {})
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["latent_whitening"]
    save_file(tensors, tmp_path / "model.safetensors")
    _edit(tmp_path, "sha256", {})  # nor had records checksums then
    loaded = load_model(tmp_path)
    assert torch.equal(loaded.latent_whitening, torch.eye(LATENT_DIM))
    assert torch.equal(loaded.encode(torch.ones(1, 10))[0], model.encode(torch.ones(1, 10))[0])


def sizes(model: FlatVAE) -> list[int]:
    return [tensor.nbytes for tensor in model.state_dict().values()]


def test_weights_in_parts_equal_the_whole(tmp_path: Path) -> None:
    model = build()[0].model.float()
    limit = max(sizes(model))
    save_model(model, tmp_path / "whole.safetensors", {})
    save_model(model, tmp_path / "parts.safetensors", {}, limit)
    files = weight_files(tmp_path / "parts.safetensors", read_record(tmp_path / "parts.safetensors"))
    count = len(files)
    assert count > sum(sizes(model)) / limit > 1
    assert [file.name for file in files] == [f"parts-{i:05}-of-{count:05}.safetensors" for i in range(1, count + 1)]
    assert {file.name for file in tmp_path.glob("parts*")} == {"parts.json", *(file.name for file in files)}
    assert all(sum(tensor.nbytes for tensor in load_file(file).values()) <= limit for file in files)
    whole, parts = (load_model(tmp_path / f"{name}.safetensors").state_dict() for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_tensor_is_never_cut(tmp_path: Path) -> None:
    model = build()[0].model.float()
    save_model(model, tmp_path / "model.safetensors", {}, part_bytes=1)
    assert len(list(tmp_path.glob("model-*.safetensors"))) == len(sizes(model))
    assert torch.equal(load_model(tmp_path).encode(torch.ones(1, 10))[0], model.encode(torch.ones(1, 10))[0])


@pytest.mark.parametrize(("before", "after"), [(1, 10**9), (10**9, 1), (1, 800)])
def test_a_new_save_takes_the_place_of_an_old_one(tmp_path: Path, before: int, after: int) -> None:
    """Whole after parts, parts after whole, fewer parts after more; what merely has a similar name stays."""
    others = {"model-best.safetensors", "model-00001-of-00002.txt", "model2-00001-of-00002.safetensors"}
    for name in others:
        (tmp_path / name).touch()
    model = build()[0].model.float()
    save_model(model, tmp_path / "model.safetensors", {}, before)
    record = read_record(tmp_path / "model.safetensors")
    model.latent_mean.fill_(7)
    save_model(model, tmp_path / "model.safetensors", {"parts": record.get("parts")}, after)  # `parts` is ours to say
    files = weight_files(tmp_path / "model.safetensors", read_record(tmp_path / "model.safetensors"))
    assert {file.name for file in tmp_path.iterdir()} == others | {"model.json", *(file.name for file in files)}
    assert torch.equal(load_model(tmp_path).latent_mean, torch.full((LATENT_DIM,), 7.0))


@pytest.mark.parametrize("part_bytes", [10**9, 1])
def test_a_save_that_fails_leaves_the_old_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part_bytes: int
) -> None:
    model = build()[0].model.float()
    save_model(model, tmp_path / "model.safetensors", {}, part_bytes)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    calls = iter([save] if part_bytes == 1 else [])

    def full_disk(tensors: dict[str, Tensor]) -> bytes:
        return next(calls, _no_space)(tensors)

    monkeypatch.setattr("embedding.vae.weights.save", full_disk)
    model.latent_mean.fill_(7)
    with pytest.raises(InputError, match="no space"):
        save_model(model, tmp_path / "model.safetensors", {}, part_bytes)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_killed_save_leaves_no_record_beside_weights_it_does_not_describe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build()[0].model.float()
    save_model(model, tmp_path / "model.safetensors", {}, part_bytes=1)
    moved: list[Path] = []
    replace = Path.replace

    def killed_at_the_third(self: Path, target: Path) -> Path:
        if len(moved) == 3:
            raise KeyboardInterrupt
        moved.append(target)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", killed_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        save_model(model, tmp_path / "model.safetensors", {}, part_bytes=1)
    assert len(moved) == 3
    with pytest.raises(InputError, match="expected the record beside the weights"):
        load_model(tmp_path)


def test_loading_fetches_no_pretrained_weights(tmp_path: Path) -> None:
    """A model that began as ImageNet's VGG16 holds its own weights; here of a network narrow enough for a test."""
    small = {"widths": [8], "activation": "tanh"}
    encoder = {"kind": "vgg16", "width": 0.05}
    config = build_config(model={"latent_dim": 2, "encoder": encoder, "decoder": small, "prior": small}).model
    save_model(FlatVAE(config, (3, 32, 32)), tmp_path / "model.safetensors", {})
    record = json.loads((tmp_path / "model.json").read_text())
    record["model"]["encoder"]["pretrained"] = True
    (tmp_path / "model.json").write_text(json.dumps(record))
    assert load_model(tmp_path).config.encoder.pretrained


def _no_space(*_: Any) -> None:
    raise OSError("no space left on device")


def _edit(folder: Path, key: str, value: object) -> None:
    record = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**record, key: value}))


def test_prior_samples_repeat_with_their_generator() -> None:
    model = build()[0].model
    draws = [model.sample_prior(5, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
