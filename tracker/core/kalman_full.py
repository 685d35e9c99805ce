"""The same filters with full 8x8 covariances: the path that camera motion needs.

An affine warp with rotation or shear mixes x and y, after which the covariance is no longer separable. One `einsum` a
step over [M, 8, 8]; slower than `SeparableFilter`, equal to it as long as nothing was warped.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracker.core.detections import LIMIT, SMALLEST_SIDE, FloatArray
from tracker.core.kalman import MotionModel, Rows, SeparableFilter

TRANSITION = np.eye(8) + np.eye(8, k=4)


def _diagonal(position: FloatArray, velocity: FloatArray, count: int) -> FloatArray:
    """Covariances [count, 8, 8] from variances [count, 4] or [4]."""
    covariance = np.zeros((count, 8, 8))
    covariance[:, range(4), range(4)] = position
    covariance[:, range(4, 8), range(4, 8)] = velocity
    return covariance


class FullFilter:
    """M filters with state [M, 8] (position, velocity) and covariance [M, 8, 8]; same methods as `SeparableFilter`."""

    def __init__(self, model: MotionModel) -> None:
        self.model = model
        self.state: FloatArray = np.zeros((0, 8))
        self.covariance: FloatArray = np.zeros((0, 8, 8))

    @classmethod
    def from_separable(cls, separable: SeparableFilter) -> FullFilter:
        """Take over the filters of `separable`, which holds the same numbers."""
        position, velocity, p_xx, p_xv, p_vv = separable.state
        full = cls(separable.model)
        full.state = np.concatenate((position, velocity), axis=1)
        full.covariance = _diagonal(p_xx, p_vv, len(position))
        full.covariance[:, range(4), range(4, 8)] = p_xv
        full.covariance[:, range(4, 8), range(4)] = p_xv
        return full

    def __len__(self) -> int:
        return len(self.state)

    @property
    def mean(self) -> FloatArray:
        """Positions [M, 4] in the model's measurement space."""
        return self.state[:, :4]

    @property
    def boxes(self) -> FloatArray:
        """Corners [M, 4] in pixels; NaN where the state is no box."""
        return self.model.to_boxes(self.mean)

    @property
    def valid(self) -> NDArray[np.bool_]:
        """[M] whether the state is a box at all."""
        return self.model.is_box(self.mean)

    @property
    def is_regular(self) -> NDArray[np.bool_]:
        """[M] whether warps have left the state a size that a box can have, and the covariance can be inverted."""
        boxes = self.boxes
        side = np.abs(boxes[:, 2:] - boxes[:, :2])
        sized = (side >= SMALLEST_SIDE).all(axis=1) & (np.abs(boxes) < LIMIT).all(axis=1)
        covariance = self._innovation_covariance(slice(None))[:, :2, :2]  # only x and y depend on each other
        product = covariance[:, 0, 0] * covariance[:, 1, 1]
        return sized & (product - covariance[:, 0, 1] ** 2 > 1e-12 * product)

    def append(self, boxes: FloatArray) -> None:
        """Start a filter at rest for each box [K, 4]."""
        position = self.model.to_measurement(boxes)
        variance = self.model.initial_position.at(position), self.model.initial_velocity.at(position)
        self.state = np.concatenate((self.state, np.concatenate((position, np.zeros_like(position)), axis=1)))
        self.covariance = np.concatenate((self.covariance, _diagonal(*variance, len(position))))

    def keep(self, rows: Rows) -> None:
        """Drop every filter but `rows`."""
        self.state, self.covariance = self.state[rows], self.covariance[rows]

    def predict(self) -> None:
        """One frame ahead: x = F x, P = F P F' + Q; in new arrays, so that a copy of the filter keeps the old ones."""
        self.state = self.state.copy()
        column = self.model.area_column
        if column is not None:
            self.state[self.state[:, column] + self.state[:, column + 4] <= 0, column + 4] = 0
        noise = self.model.process_position.at(self.mean), self.model.process_velocity.at(self.mean)
        self.state = self.state @ TRANSITION.T
        self.covariance = TRANSITION @ self.covariance @ TRANSITION.T + _diagonal(*noise, len(self))

    def _innovation_covariance(self, rows: Rows | slice) -> FloatArray:
        covariance = self.covariance[rows][:, :4, :4].copy()
        covariance[:, range(4), range(4)] += self.model.measurement.at(self.mean[rows])
        return covariance

    def shift(self, offset: FloatArray) -> None:
        """Move every filter by (x, y) pixels [2]."""
        self.state[:, :2] += offset

    def update(self, rows: Rows, boxes: FloatArray) -> None:
        """Correct the filters `rows` [K] by the boxes [K, 4]: K = P H' S^-1, P -= K S K'."""
        innovation = self.model.to_measurement(boxes) - self.mean[rows]
        cross = self.covariance[rows][:, :, :4]
        gain = np.linalg.solve(self._innovation_covariance(rows), cross.transpose(0, 2, 1)).transpose(0, 2, 1)
        self.state[rows] += np.einsum("kij,kj->ki", gain, innovation)
        self.covariance[rows] -= gain @ cross.transpose(0, 2, 1)

    def gating_distance(self, rows: Rows, boxes: FloatArray) -> FloatArray:
        """Squared Mahalanobis distances [R, N] of boxes [N, 4] to the filters `rows` [R]."""
        difference = self.model.to_measurement(boxes)[None] - self.mean[rows][:, None]
        inverse = np.linalg.inv(self._innovation_covariance(rows))
        return np.einsum("rni,rij,rnj->rn", difference, inverse, difference)

    def warp(self, affine: FloatArray) -> None:
        """Move every state by the camera's affine motion [2, 3], pixels of the last frame to pixels of this one.

        Positions and velocities in x, y turn with the linear part; sizes scale by sqrt|det| (areas by |det|), aspect
        ratios stay: a box remains upright whatever the camera does.
        """
        linear, shift = affine[:, :2], affine[:, 2]
        scale = np.sqrt(abs(np.linalg.det(linear)))
        block = np.eye(4)
        block[:2, :2] = linear
        if self.model.area_column is None:
            block[3, 3] = scale
        else:
            block[self.model.area_column, self.model.area_column] = scale**2
        whole = np.kron(np.eye(2), block)
        self.state = self.state @ whole.T
        self.state[:, :2] += shift
        self.covariance = whole @ self.covariance @ whole.T
