"""Kalman filters for many boxes at once.

SORT and DeepSORT both use a constant-velocity model whose initial, process and measurement covariances are diagonal.
Such a filter falls apart into independent position-velocity pairs: three numbers a pair (p_xx, p_xv, p_vv) hold the
covariance, and predict, update and the Mahalanobis gate are element-wise, with no matrix product. `SeparableFilter`
does that. A camera motion with rotation couples x and y; from then on `kalman_full.FullFilter` takes over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.core.boxes import xyah_to_xyxy, xysr_to_xyxy, xyxy_to_xyah, xyxy_to_xysr
from tracker.core.detections import FloatArray

Rows = np.ndarray  # integer indices or a boolean mask


@dataclass(frozen=True)
class Variance:
    """A diagonal covariance: `absolute + relative * h^2`, h the height of the state's mean in pixels; both [4]."""

    absolute: FloatArray
    relative: FloatArray
    depends_on_height: bool

    def at(self, mean: FloatArray) -> FloatArray:
        """Variances [M, 4] for means [M, 4] (the last column is h), or [4] where nothing depends on h."""
        if not self.depends_on_height:
            return self.absolute
        return self.absolute + self.relative * np.square(mean[:, 3:])


def _absolute(*variances: float) -> Variance:
    return Variance(np.array(variances), np.zeros(4), depends_on_height=False)


def _deviations(relative: float, aspect: float) -> Variance:
    """DeepSORT's form: deviation `relative * h` for x, y and h, a fixed one for the aspect ratio."""
    scaled = relative**2
    return Variance(np.array([0, 0, aspect**2, 0]), np.array([scaled, scaled, 0, scaled]), depends_on_height=True)


@dataclass(frozen=True)
class MotionModel:
    """What distinguishes one paper's filter from another's: the measurement's form and its covariances."""

    name: str
    to_measurement: Callable[[FloatArray], FloatArray]
    to_boxes: Callable[[FloatArray], FloatArray]
    initial_position: Variance
    initial_velocity: Variance
    process_position: Variance
    process_velocity: Variance
    measurement: Variance
    area_column: int | None = None  # a column that must stay positive: its velocity is zeroed where it would not

    def is_box(self, mean: FloatArray) -> NDArray[np.bool_]:
        """[M] whether the means [M, 4] have a positive size; NaN has none."""
        return (mean[:, 2] > 0) & (mean[:, 3] > 0)


MOTION_MODELS = {
    # Wojke et al. 2017: centre, aspect ratio, height; deviations proportional to the height.
    "xyah": MotionModel(
        name="xyah",
        to_measurement=xyxy_to_xyah,
        to_boxes=xyah_to_xyxy,
        initial_position=_deviations(2 / 20, 1e-2),
        initial_velocity=_deviations(10 / 160, 1e-5),
        process_position=_deviations(1 / 20, 1e-2),
        process_velocity=_deviations(1 / 160, 1e-5),
        measurement=_deviations(1 / 20, 1e-1),
    ),
    # Bewley et al. 2016: centre, area, aspect ratio; the ratio is constant, so its velocity has no variance at all.
    "xysr": MotionModel(
        name="xysr",
        to_measurement=xyxy_to_xysr,
        to_boxes=xysr_to_xyxy,
        initial_position=_absolute(10, 10, 10, 10),
        initial_velocity=_absolute(1e4, 1e4, 1e4, 0),
        process_position=_absolute(1, 1, 1, 1),
        process_velocity=_absolute(1e-2, 1e-2, 1e-4, 0),
        measurement=_absolute(1, 1, 10, 10),
        area_column=2,
    ),
}


class SeparableFilter:
    """M filters of four independent position-velocity pairs.

    Attributes:
        state: [5, M, 4]: position, velocity, p_xx, p_xv, p_vv for each column of the measurement.
    """

    def __init__(self, model: MotionModel) -> None:
        self.model = model
        self.state: FloatArray = np.zeros((5, 0, 4))

    def __len__(self) -> int:
        return self.state.shape[1]

    @property
    def mean(self) -> FloatArray:
        """Positions [M, 4] in the model's measurement space."""
        return self.state[0]

    @property
    def boxes(self) -> FloatArray:
        """Corners [M, 4] in pixels; NaN where the state is no box."""
        return self.model.to_boxes(self.state[0])

    @property
    def valid(self) -> NDArray[np.bool_]:
        """[M] whether the state is a box at all: finite, with positive area or height."""
        return self.model.is_box(self.state[0])

    def append(self, boxes: FloatArray) -> None:
        """Start a filter at rest for each box [K, 4]."""
        model, position = self.model, self.model.to_measurement(boxes)
        born = np.zeros((5, len(boxes), 4))
        born[0] = position
        born[2] = model.initial_position.at(position)
        born[4] = model.initial_velocity.at(position)
        self.state = np.concatenate((self.state, born), axis=1)

    def keep(self, rows: Rows) -> None:
        """Drop every filter but `rows`."""
        self.state = self.state[:, rows]

    def predict(self) -> None:
        """One frame ahead: x += v, P = F P F' + Q; in new arrays, so that a copy of the filter keeps the old ones."""
        self.state = self.state.copy()
        position, velocity, p_xx, p_xv, p_vv = self.state
        column = self.model.area_column
        if column is not None:
            velocity[position[:, column] + velocity[:, column] <= 0, column] = 0
        noise = self.model.process_position.at(position)
        noise_velocity = self.model.process_velocity.at(position)
        position += velocity
        p_xx += 2 * p_xv
        p_xx += p_vv
        p_xx += noise
        p_xv += p_vv
        p_vv += noise_velocity

    def shift(self, offset: FloatArray) -> None:
        """Move every filter by (x, y) pixels [2]."""
        self.state[0, :, :2] += offset

    def update(self, rows: Rows, boxes: FloatArray) -> None:
        """Correct the filters `rows` [K] by the boxes [K, 4]."""
        position, velocity, p_xx, p_xv, p_vv = self.state[:, rows]
        innovation = self.model.to_measurement(boxes) - position
        inverse = 1.0 / (p_xx + self.model.measurement.at(position))
        gain, gain_velocity = p_xx * inverse, p_xv * inverse
        corrected = np.empty((5, *position.shape))
        corrected[0] = position + gain * innovation
        corrected[1] = velocity + gain_velocity * innovation
        corrected[2] = p_xx - gain * p_xx
        corrected[3] = p_xv - gain * p_xv
        corrected[4] = p_vv - gain_velocity * p_xv
        self.state[:, rows] = corrected

    def gating_distance(self, rows: Rows, boxes: FloatArray) -> FloatArray:
        """Squared Mahalanobis distances [R, N] of boxes [N, 4] to the filters `rows` [R], as one matrix product.

        sum_j (z_j - m_j)^2 / s_j = z^2 . 1/s - 2 z . m/s + m^2 . 1/s; both sides are centred first, so that the
        cancellation costs no more than a few ulp of the distance between the farthest boxes.
        """
        position, p_xx = self.state[0, rows], self.state[2, rows]
        measurement = self.model.to_measurement(boxes)
        centre = position.mean(axis=0) if len(position) else np.zeros(4)
        inverse = 1.0 / (p_xx + self.model.measurement.at(position))
        mean, measurement = position - centre, measurement - centre
        scaled = mean * inverse
        left = np.concatenate((inverse, -2.0 * scaled), axis=1)
        right = np.concatenate((np.square(measurement), measurement), axis=1)
        distance = left @ right.T
        distance += np.einsum("ij,ij->i", scaled, mean)[:, None]
        return distance
