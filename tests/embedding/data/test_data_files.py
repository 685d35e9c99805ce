"""Data sets that come from files: what is read, and what is said when it is not there or not right."""

from pathlib import Path

import numpy as np
import pytest
import torch

from embedding.config import DataConfig
from embedding.data import load_data
from embedding.data.mocap import read_motion, read_skeleton, wrap_degrees
from embedding.errors import InputError

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"
CMU = SHARED / "cmu"
needs_cmu = pytest.mark.skipif(not CMU.is_dir(), reason=f"{CMU} is absent")
MNIST = SHARED / "mnist"
needs_mnist = pytest.mark.skipif(not MNIST.is_dir(), reason=f"{MNIST} is absent")

SKELETON = """:version 1.10
:root
   order TX TY TZ RX RY RZ
:bonedata
  begin
     name hip
     direction 1 0 0
  end
  begin
     name knee   # one joint
     dof rx ry
     limits (-10 10)
            (-10 10)
  end
:hierarchy
"""
MOTION = "#!comment\n:FULLY-SPECIFIED\n:DEGREES\n1\nroot 1 2 3 4 5 6\nknee 190 -20\n2\nroot 1 2 3 4 5 6\nknee 7 8e0\n"


@pytest.fixture
def motions(tmp_path: Path) -> Path:
    (tmp_path / "01.asf").write_text(SKELETON)
    for movement in ("walking", "hopping"):
        (tmp_path / movement).mkdir()
        (tmp_path / movement / "01_02.amc").write_text(MOTION)
    return tmp_path


def mocap(path: Path, **keys: object) -> DataConfig:
    return DataConfig(kind="mocap", path=str(path), **keys)


@pytest.mark.parametrize(
    ("degrees", "wrapped"),
    [(0, 0), (190, -170), (-326.75, 33.25), (180, -180), (-180, -180), (540, -180), (179.5, 179.5)],
)
def test_angles_are_wrapped_to_half_open_interval(degrees: float, wrapped: float) -> None:
    assert wrap_degrees(np.array(degrees)) == pytest.approx(wrapped)


def test_a_folder_of_motions_is_read_and_the_root_dropped(motions: Path) -> None:
    data = load_data(mocap(motions, movements=("walking",), scale="raw"))
    assert data.describe()["channels"] == ["knee_rx", "knee_ry"]
    assert data.values.tolist() == [[-170, -20], [7, 8]]
    assert data.labels.tolist() == ["walking", "walking"]


def test_a_single_motion_is_taken_whole(motions: Path) -> None:
    assert len(load_data(mocap(motions / "hopping" / "01_02.amc", scale="raw"))) == 2


@pytest.mark.parametrize(
    ("motion", "message"),
    [
        (MOTION.replace("knee 190 -20", "knee 190"), "line 6: found 'knee 190', expected 2 values"),  # one short
        (MOTION.replace("knee 190", "elbow 190"), "expected a bone of the skeleton"),  # bone without a channel
        (MOTION.replace("8e0", "eight"), "line 9: found 'knee 7 eight', expected a bone and numbers"),  # not a number
        (MOTION.replace("knee 190 -20\n", ""), "a frame lacks some of the skeleton's 8 channels"),  # bone left out
        (":DEGREES\nknee 1 2\n", "after a frame number"),  # values before any frame
        ("", "or there is none"),  # empty file
    ],
)
def test_a_broken_motion_is_named_with_its_line(motions: Path, motion: str, message: str) -> None:
    path = motions / "walking" / "01_02.amc"
    path.write_text(motion)
    with pytest.raises(InputError, match=message):
        read_motion(path, read_skeleton(motions / "01.asf"))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"kind": "mocap", "path": "gone.npz"}, r"gone.npz does not exist; give the packed .npz.*mocap.cs.cmu.edu"),
        ({"kind": "mnist", "path": "gone.npz"}, r"gone.npz does not exist;.*Larochelle"),
        ({"kind": "mnist", "path": ".", "binarise": "threshold"}, r"holds no MNIST;.*download=True"),
        ({"kind": "crops"}, r"data.path: not given.*uint8 \[N, 64, 64, 3\]"),
        ({"kind": "crops", "path": "gone.npy"}, r"gone.npy does not exist; it holds crops"),
        ({"kind": "mocap", "path": "."}, r"holds no motion"),  # a folder without motions
    ],
)
def test_absent_data_says_where_to_get_it(
    keys: dict[str, object], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        load_data(DataConfig.model_validate(keys))
    assert "\n" not in str(caught.value)


def test_a_movement_the_data_lacks_is_named(motions: Path) -> None:
    with pytest.raises(InputError, match=r"has no flying, only hopping, walking"):
        load_data(mocap(motions, movements=("walking", "flying")))


def test_a_motion_without_skeleton_is_named(motions: Path) -> None:
    (motions / "01.asf").unlink()
    with pytest.raises(InputError, match=r"01_02.amc: its skeleton 01.asf is neither"):
        load_data(mocap(motions, movements=("walking",)))


@needs_cmu
def test_the_packed_file_holds_the_fifty_channels_and_five_movements() -> None:
    data = load_data(DataConfig(kind="mocap"))
    with np.load(CMU / "cmu_mocap_62ch.npz") as packed:
        assert data.describe()["channels"] == packed["channel"][packed["keep50"]].tolist()
        walking = packed["X"][packed["seq_action"][packed["seq_id"]] == "walking"][:, packed["keep50"]]
    about = data.describe()
    degrees = data.values.double().numpy() * about["std"] + about["mean"]
    np.testing.assert_allclose(degrees[data.labels == "walking"], wrap_degrees(walking), atol=1e-3)
    assert set(data.labels) == {"walking", "jogging", "balancing", "punching", "kicking"}
    assert data.values.mean(0).abs().max() < 1e-5
    assert data.variance == pytest.approx(np.radians(degrees).var(0).mean(), rel=1e-4)


@needs_cmu
@pytest.mark.parametrize(
    ("trial", "name", "every"),
    [
        ("49_18", "49_18", 1),  # kept at 120 frames a second
        ("35_01", "35_01", 4),  # every fourth frame: 30 a second
    ],
)
def test_a_source_file_gives_the_packed_frames(trial: str, name: str, every: int) -> None:
    channels = read_skeleton(CMU / f"{trial[:2]}.asf")
    frames = read_motion(CMU / f"{trial}.amc", channels)[::every]
    with np.load(CMU / "cmu_mocap_62ch.npz") as packed:
        assert channels == packed["channel"].tolist()
        rows = packed["seq_name"][packed["seq_id"]] == name
        np.testing.assert_allclose(frames, packed["X"][rows], rtol=1e-5, atol=1e-5)


@needs_cmu
def test_standardised_channels_have_unit_variance() -> None:
    data = load_data(DataConfig(kind="mocap", scale="standardised", count=1000))
    assert len(data) == 1000
    torch.testing.assert_close(data.values.std(0, unbiased=False), torch.ones(50), atol=1e-4, rtol=0)


@needs_mnist
def test_packed_digits_are_zero_and_one_with_their_labels() -> None:
    data = load_data(DataConfig(kind="mnist"))
    assert len(data) == 50_000
    assert data.shape == (28, 28)
    assert data.values.max() == 1
    ones, zeros = (data.values[torch.from_numpy(data.labels == digit)].float().mean(0) for digit in (1, 0))
    assert ones[14, 14] > 0.8  # a one crosses the centre, a zero does not
    assert zeros[14, 14] < 0.1


def write_idx(folder: Path, brightness: np.ndarray, labels: np.ndarray) -> None:
    """MNIST as torchvision keeps it: LeCun's idx files, one pair for training and one for testing."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in ("train", "t10k"):
        shape = np.array(brightness.shape, dtype=">i4").tobytes()
        (raw / f"{name}-images-idx3-ubyte").write_bytes(bytes([0, 0, 8, 3]) + shape + brightness.tobytes())
        shape = np.array(labels.shape, dtype=">i4").tobytes()
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1]) + shape + labels.tobytes())


def test_grey_digits_are_binarised_as_stated(tmp_path: Path) -> None:
    brightness = np.full((400, 28, 28), 64, dtype=np.uint8)  # a quarter of full brightness
    brightness[:, 0] = 128  # just above one half
    write_idx(tmp_path, brightness, np.arange(400, dtype=np.uint8) % 10)
    threshold = load_data(DataConfig(kind="mnist", path=str(tmp_path), binarise="threshold"))
    assert threshold.values[:, 0].min() == 1
    assert threshold.values[:, 1:].max() == 0
    assert threshold.labels[:3].tolist() == [0, 1, 2]
    sample = load_data(DataConfig(kind="mnist", path=str(tmp_path), binarise="sample", seed=1))
    assert sample.values[:, 1:].float().mean().item() == pytest.approx(64 / 255, abs=0.003)


@pytest.mark.parametrize(
    ("scale", "low", "high", "mean"),
    [("raw", 0, 255, 128), ("unit", 0, 1, 0.5), ("standardised", -1.8, 1.8, 0)],
)
def test_crops_are_scaled_and_channels_first(scale: str, low: float, high: float, mean: float, tmp_path: Path) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (40, 8, 6, 3), dtype=np.uint8)
    np.save(tmp_path / "crops.npy", crops)
    data = load_data(DataConfig(kind="crops", path=str(tmp_path / "crops.npy"), scale=scale))
    everything = data.batch(torch.arange(40))
    assert everything.shape == (40, 3, 8, 6)
    assert everything.min() == pytest.approx(low, abs=0.1)
    assert everything.max() == pytest.approx(high, abs=0.1)
    assert everything.mean().item() == pytest.approx(mean, rel=0.03, abs=0.03)
    assert data.variance == pytest.approx(everything.var(0, unbiased=False).mean().item(), rel=1e-4)
    about = data.describe()
    pixel = (everything[7, 2, 4, 5] * about["std"][2] + about["mean"][2]) * 255
    assert pixel.item() == pytest.approx(crops[7, 4, 5, 2], abs=1e-3)


def test_crops_of_another_shape_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "crops.npy", np.zeros((4, 3, 8, 8), dtype=np.float32))
    with pytest.raises(InputError, match=r"crops.npy: found float32 \[4, 3, 8, 8\], expected uint8"):
        load_data(DataConfig(kind="crops", path=str(tmp_path / "crops.npy")))


def test_count_spreads_over_the_whole_file(tmp_path: Path) -> None:
    crops = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), dtype=np.uint8)
    np.save(tmp_path / "crops.npy", crops)
    data = load_data(DataConfig(kind="crops", path=str(tmp_path / "crops.npy"), count=4, scale="raw"))
    assert data.batch(torch.arange(4))[:, 0, 0, 0].tolist() == pytest.approx([0, 3, 6, 9])
