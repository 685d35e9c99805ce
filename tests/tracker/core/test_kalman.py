"""Both filters against filterpy, the gate against its formula, warps against moving the points themselves."""

from __future__ import annotations

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.core.boxes import xyxy_to_xyah, xyxy_to_xysr
from tracker.core.detections import FloatArray
from tracker.core.kalman import MOTION_MODELS, SeparableFilter
from tracker.core.kalman_full import FullFilter

STEPS = 300
FILTERS = (SeparableFilter, FullFilter)


class Reference:
    """One filterpy filter with the constants of the papers, written out a second time."""

    def __init__(self, model: str, box: FloatArray) -> None:
        self.is_sort = model == "xysr"
        z = self.measurement(box)
        self.kalman = KalmanFilter(dim_x=8, dim_z=4)
        self.kalman.F = np.eye(8) + np.eye(8, k=4)
        self.kalman.H = np.eye(4, 8)
        self.kalman.x[:4, 0] = z
        if self.is_sort:  # Bewley et al. 2016; the eighth state, the ratio's velocity, is always 0 there
            self.kalman.P = np.diag([10, 10, 10, 10, 1e4, 1e4, 1e4, 0.0])
        else:  # Wojke et al. 2017
            h = z[3]
            self.kalman.P = np.diag([h / 10, h / 10, 1e-2, h / 10, h / 16, h / 16, 1e-5, h / 16]) ** 2

    def measurement(self, box: FloatArray) -> FloatArray:
        return (xyxy_to_xysr if self.is_sort else xyxy_to_xyah)(box[None])[0]

    @property
    def measurement_noise(self) -> FloatArray:
        h = self.kalman.x[3, 0]
        return np.diag([1, 1, 10, 10.0]) if self.is_sort else np.diag([h / 20, h / 20, 1e-1, h / 20]) ** 2

    def predict(self) -> None:
        h = self.kalman.x[3, 0]
        if self.is_sort:
            if self.kalman.x[2, 0] + self.kalman.x[6, 0] <= 0:
                self.kalman.x[6, 0] = 0
            noise = np.diag([1, 1, 1, 1, 1e-2, 1e-2, 1e-4, 0])
        else:
            noise = np.diag([h / 20, h / 20, 1e-2, h / 20, h / 160, h / 160, 1e-5, h / 160]) ** 2
        self.kalman.predict(Q=noise)

    def update(self, box: FloatArray) -> None:
        self.kalman.update(self.measurement(box), R=self.measurement_noise)

    def gating_distance(self, box: FloatArray) -> float:
        """(z - Hx)' (HPH' + R)^-1 (z - Hx), Wojke et al. 2017, Eq. 1."""
        residual = self.measurement(box) - self.kalman.x[:4, 0]
        return float(residual @ np.linalg.inv(self.kalman.P[:4, :4] + self.measurement_noise) @ residual)


def random_boxes(random: np.random.Generator, count: int) -> FloatArray:
    corner, size = random.uniform(-50, 1800, (count, 2)), random.uniform([20, 50], [120, 300], (count, 2))
    return np.concatenate((corner, corner + size), axis=1)


def covariances(motion: SeparableFilter | FullFilter) -> FloatArray:
    """[M, 8, 8] of either filter, without going through `from_separable`."""
    if isinstance(motion, FullFilter):
        return motion.covariance
    full = np.zeros((len(motion), 8, 8))
    for pair in range(4):
        full[:, pair, pair], full[:, pair + 4, pair + 4] = motion.state[2, :, pair], motion.state[4, :, pair]
        full[:, pair, pair + 4] = full[:, pair + 4, pair] = motion.state[3, :, pair]
    return full


def means(motion: SeparableFilter | FullFilter) -> FloatArray:
    """[M, 8] of either filter."""
    return (
        motion.state if isinstance(motion, FullFilter) else np.concatenate((motion.state[0], motion.state[1]), axis=1)
    )


@pytest.mark.parametrize("model", MOTION_MODELS)
@pytest.mark.parametrize("kind", FILTERS)
@pytest.mark.slow
def test_hundreds_of_steps_agree_with_filterpy(kind: type[SeparableFilter] | type[FullFilter], model: str) -> None:
    random = np.random.default_rng(7)
    count = 5
    boxes = random_boxes(random, count)
    velocity = random.normal(0, 2, (count, 1, 2))
    motion = kind(MOTION_MODELS[model])
    motion.append(boxes)
    references = [Reference(model, box) for box in boxes]
    for _ in range(STEPS):
        motion.predict()
        for reference in references:
            reference.predict()
        boxes = (boxes.reshape(-1, 2, 2) + velocity + random.normal(0, 1, (count, 2, 2))).reshape(-1, 4)
        rows = np.flatnonzero(random.random(count) < 0.7)
        distances = motion.gating_distance(rows, boxes)
        for row, distance in zip(rows, distances, strict=True):
            wanted = [references[row].gating_distance(box) for box in boxes]
            ulp = 1e-15 * max(wanted)  # what the matrix product may lose to cancellation
            np.testing.assert_allclose(distance, wanted, rtol=1e-9, atol=1e-9 + ulp)
        motion.update(rows, boxes[rows])
        for row in rows:
            references[row].update(boxes[row])
        wanted_means = np.array([reference.kalman.x[:, 0] for reference in references])
        wanted_covariances = np.array([reference.kalman.P for reference in references])
        scale = np.sqrt(np.einsum("mii->mi", wanted_covariances)) + 1e-12  # entries in units of their deviations
        np.testing.assert_allclose(means(motion), wanted_means, rtol=1e-9, atol=1e-9)
        error = (covariances(motion) - wanted_covariances) / (scale[:, :, None] * scale[:, None])
        assert np.abs(error).max() < 1e-9


@pytest.mark.parametrize("model", MOTION_MODELS)
@pytest.mark.parametrize("kind", FILTERS)
def test_rows_are_independent_and_keep_their_order(kind: type[SeparableFilter] | type[FullFilter], model: str) -> None:
    boxes = random_boxes(np.random.default_rng(1), 6)
    together = kind(MOTION_MODELS[model])
    together.append(boxes[:4])
    together.append(boxes[4:])
    together.predict()
    together.update(np.array([5, 1]), boxes[[5, 1]] + 3)
    together.keep(np.array([True, True, False, True, False, True]))
    alone = kind(MOTION_MODELS[model])
    alone.append(boxes[5:])
    alone.predict()
    alone.update(np.array([0]), boxes[5:] + 3)
    assert len(together) == 4
    np.testing.assert_allclose(means(together)[3], means(alone)[0], rtol=1e-12)
    np.testing.assert_allclose(covariances(together)[3], covariances(alone)[0], rtol=1e-12)
    np.testing.assert_allclose(together.boxes[2], boxes[3], rtol=1e-12)  # at rest and not updated: it stays


@pytest.mark.parametrize("kind", FILTERS)
def test_an_area_that_would_vanish_stops_shrinking(kind: type[SeparableFilter] | type[FullFilter]) -> None:
    motion = kind(MOTION_MODELS["xysr"])
    motion.append(np.array([[0.0, 0, 10, 10], [0.0, 0, 10, 10], [0.0, 0, 10, 10]]))
    velocity = np.array([-100.0, -99.0, -101.0])  # exactly to zero; to one square pixel; below zero
    if isinstance(motion, FullFilter):
        motion.state[:, 6] = velocity
    else:
        motion.state[1, :, 2] = velocity
    motion.predict()
    assert means(motion)[:, 2].tolist() == [100, 1, 100]
    assert means(motion)[:, 6].tolist() == [0, -99, 0]
    assert motion.valid.all()


@pytest.mark.parametrize("kind", FILTERS)
@pytest.mark.parametrize("model", MOTION_MODELS)
def test_what_is_no_box_is_not_valid(kind: type[SeparableFilter] | type[FullFilter], model: str) -> None:
    motion = kind(MOTION_MODELS[model])
    motion.append(np.tile([0.0, 0, 10, 20], (4, 1)))
    motion.mean[1, 2], motion.mean[2, 3], motion.mean[3, 2] = -1, 0, np.nan
    assert motion.valid.tolist() == [True, False, False, False]


@pytest.mark.parametrize("kind", FILTERS)
@pytest.mark.parametrize("model", MOTION_MODELS)
def test_nothing_to_do_is_done(kind: type[SeparableFilter] | type[FullFilter], model: str) -> None:
    motion = kind(MOTION_MODELS[model])
    none, boxes = np.zeros(0, np.int64), random_boxes(np.random.default_rng(0), 3)
    motion.predict()
    motion.update(none, boxes[:0])
    motion.append(boxes[:0])
    assert motion.gating_distance(none, boxes).shape == (0, 3)
    motion.append(boxes)
    assert motion.gating_distance(np.arange(3), boxes[:0]).shape == (3, 0)
    assert len(motion) == 3


@pytest.mark.parametrize("model", MOTION_MODELS)
def test_gate_stays_exact_far_from_the_origin(model: str) -> None:
    """The gate is one matrix product; the cancellation in it must not move a pair over the threshold."""
    random = np.random.default_rng(3)
    boxes = random_boxes(random, 200) * 4 + 1e4  # an 8K panorama
    motion = SeparableFilter(MOTION_MODELS[model])
    motion.append(boxes)
    motion.predict()
    rows = np.arange(len(boxes))
    wanted = FullFilter.from_separable(motion).gating_distance(rows, boxes + 0.5)
    found = motion.gating_distance(rows, boxes + 0.5)
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-7)
    near = wanted < 100
    assert near.any()
    np.testing.assert_allclose(found[near], wanted[near], atol=1e-7)


@pytest.mark.parametrize("model", MOTION_MODELS)
def test_the_full_filter_takes_over_where_the_separable_one_stands(model: str) -> None:
    random = np.random.default_rng(5)
    boxes = random_boxes(random, 4)
    separable = SeparableFilter(MOTION_MODELS[model])
    separable.append(boxes)
    for _ in range(5):
        separable.predict()
        separable.update(np.arange(4), boxes + random.normal(0, 1, 4))
    full = FullFilter.from_separable(separable)
    before = separable.state.copy()
    np.testing.assert_array_equal(covariances(full), covariances(separable))
    full.warp(np.eye(2, 3))  # the identity changes nothing
    np.testing.assert_array_equal(full.state, means(separable))
    np.testing.assert_array_equal(full.covariance, covariances(separable))
    for motion in (separable, full):
        motion.shift(np.array([3.0, -4.0]))
        motion.predict()
        motion.update(np.array([2, 0]), boxes[[2, 0]])
    np.testing.assert_allclose(full.state, means(separable), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(full.boxes, separable.boxes, rtol=1e-12)
    full.warp(np.array([[1, 0, 5.0], [0, 1, 5]]))
    assert not np.shares_memory(full.state, separable.state)
    assert (separable.state != before).any()


def rotation(degrees: float, zoom: float = 1.0, shift: tuple[float, float] = (0.0, 0.0)) -> FloatArray:
    angle = np.radians(degrees)
    c, s = zoom * np.cos(angle), zoom * np.sin(angle)
    return np.array([[c, -s, shift[0]], [s, c, shift[1]]])


def moving_filter(model: str) -> FullFilter:
    """Three filters with velocities and correlated covariances."""
    random = np.random.default_rng(11)
    boxes = random_boxes(random, 3)
    separable = SeparableFilter(MOTION_MODELS[model])
    separable.append(boxes)
    for _ in range(4):
        separable.predict()
        boxes += np.array([5.0, 2.0, 5.5, 2.5])
        separable.update(np.arange(3), boxes)
    return FullFilter.from_separable(separable)


@pytest.mark.parametrize("model", MOTION_MODELS)
@pytest.mark.parametrize(
    "affine",
    [
        rotation(0, 1, (12.5, -7)),  # pan
        rotation(30),  # roll
        rotation(0, 1.25),  # zoom
        rotation(-5, 0.9, (100, 50)),  # all of them
        np.array([[1.0, 0.2, 3], [0, 1, -4]]),  # shear
    ],
)
def test_a_warp_moves_states_as_it_moves_points(model: str, affine: FloatArray) -> None:
    motion = moving_filter(model)
    linear = affine[:, :2]
    zoom = np.sqrt(abs(np.linalg.det(linear)))
    before, covariance = motion.state.copy(), motion.covariance.copy()
    later = before[:, :2] + before[:, 4:6]  # where each centre would be a frame on
    width_height = motion.boxes[:, 2:] - motion.boxes[:, :2]
    motion.warp(affine)
    moved = before[:, :2] @ linear.T + affine[:, 2]
    np.testing.assert_allclose(motion.state[:, :2], moved, rtol=1e-12)
    np.testing.assert_allclose(motion.state[:, :2] + motion.state[:, 4:6], later @ linear.T + affine[:, 2], rtol=1e-12)
    np.testing.assert_allclose(motion.boxes[:, 2:] - motion.boxes[:, :2], width_height * zoom, rtol=1e-9)
    # The map is affine, so covariances go with its Jacobian, here by finite differences of the map itself.
    probe = moving_filter(model)
    jacobian = np.empty((8, 8))
    for axis in range(8):
        probe.state = np.stack((np.zeros(8), np.eye(8)[axis]))
        probe.covariance = np.zeros((2, 8, 8))
        probe.warp(affine)
        jacobian[:, axis] = probe.state[1] - probe.state[0]
    wanted = np.array([jacobian @ matrix @ jacobian.T for matrix in covariance])
    np.testing.assert_allclose(motion.covariance, wanted, rtol=1e-9, atol=1e-9)
    assert (np.linalg.eigvalsh(motion.covariance) > -1e-9).all()


@pytest.mark.parametrize("model", MOTION_MODELS)
@settings(max_examples=30, deadline=None)
@given(
    degrees=st.floats(-180, 180),
    zoom=st.floats(0.5, 2),
    x=st.floats(-500, 500),
    y=st.floats(-500, 500),
)
def test_a_warp_and_its_inverse_cancel(model: str, degrees: float, zoom: float, x: float, y: float) -> None:
    affine = rotation(degrees, zoom, (x, y))
    inverse = np.linalg.inv(np.concatenate((affine, [[0, 0, 1]])))[:2]
    motion, untouched = moving_filter(model), moving_filter(model)
    motion.warp(affine)
    motion.warp(inverse)
    np.testing.assert_allclose(motion.state, untouched.state, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(motion.covariance, untouched.covariance, rtol=1e-8, atol=1e-8)


def test_gate_and_update_of_a_warped_filter_are_the_textbook_ones() -> None:
    """After a rotation x and y are coupled; filterpy takes over the coupled state and must agree."""
    motion = moving_filter("xyah")
    motion.warp(rotation(25, 1.1, (30, -10)))
    boxes = motion.boxes + np.array([4.0, -3, 6, 2])
    references = [Reference("xyah", box) for box in boxes]
    for reference, state, covariance in zip(references, motion.state, motion.covariance, strict=True):
        reference.kalman.x[:, 0], reference.kalman.P = state, covariance.copy()
    assert np.abs(motion.covariance[:, 0, 1]).min() > 0  # coupled indeed
    distances = motion.gating_distance(np.arange(3), boxes)
    for row, reference in enumerate(references):
        np.testing.assert_allclose(distances[row], [reference.gating_distance(box) for box in boxes], rtol=1e-9)
    for _ in range(20):
        motion.update(np.arange(3), boxes)
        motion.predict()
        for reference, box in zip(references, boxes, strict=True):
            reference.update(box)
            reference.predict()
    np.testing.assert_allclose(motion.state, [r.kalman.x[:, 0] for r in references], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(motion.covariance, [r.kalman.P for r in references], rtol=1e-9, atol=1e-9)
