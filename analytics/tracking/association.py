"""Which find continues which track, by likelihood ratio (Blackman 2004), with a look at the next frame where few come.

The cost of a pair is minus the logarithm of how much likelier the find is as the track's next position than as a new or
false face. At one frame a second people walk further than they stand apart, and one frame alone is ambiguous; the next
one tells whether the velocity that a pair implies leads to a face there.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import ndtr

from analytics.tracking.motion import MISSES, SCORE, SIZE, VX, VY, Floats, Prediction, begin, predict, spread
from analytics.tracking.parameters import TrackerParameters

Indices = NDArray[np.intp]


class Associator:
    """Costs and assignment for one camera; holds no state but its parameters."""

    def __init__(self, image_size: tuple[int, int], parameters: TrackerParameters) -> None:
        self._image_size = image_size
        self._parameters = parameters

    def match(
        self,
        tracks: Floats,
        expected: Prediction,
        finds: Floats,
        at_s: float,
        interval_s: float,
        after: tuple[Floats, float] | None,
    ) -> tuple[Indices, Indices]:
        """Return rows and columns of the matches: the sure finds first, then the doubtful ones among tracks left over.

        `after` is the next frame, its finds and its time, where it is known.
        """
        if not len(tracks) or not len(finds):
            none = np.empty(0, np.intp)
            return none, none
        cost = self._cost(tracks, expected, finds, interval_s)
        if after is not None and len(after[0]):
            possible = cost < np.inf
            cost += self._outlook(tracks, expected, finds, at_s, interval_s, *after)
            cost[~possible] = np.inf
        np.minimum(cost, 0, out=cost)
        doubtful = finds[:, 4] < self._parameters.second_pass_confidence
        if not doubtful.any():
            return _assign(cost)
        sure, rest = np.flatnonzero(~doubtful), np.flatnonzero(doubtful)
        rows, columns = _assign(cost[:, sure])
        left = np.setdiff1d(np.arange(len(cost)), rows)
        more_rows, more_columns = _assign(cost[np.ix_(left, rest)])
        return np.concatenate([rows, left[more_rows]]), np.concatenate([sure[columns], rest[more_columns]])

    def _cost(self, tracks: Floats, expected: Prediction, finds: Floats, interval_s: float) -> Floats:
        """Return the costs, (tracks, finds), infinite beyond the gate."""
        parameters = self._parameters
        variance = expected.position + parameters.measurement**2
        off = (finds[:, :2] - expected.centers[:, None]) * np.exp(-tracks[:, SIZE])[:, None, None]
        distance = np.einsum("mnk,mnk->mn", off, off) / variance[:, None]
        own = self._unseen(expected.centers, np.sqrt(variance) * np.exp(tracks[:, SIZE]))
        own += np.log(variance) + parameters.miss_cost * tracks[:, MISSES]
        cost: Floats = 0.5 * distance + self._looks(tracks, finds) + own[:, None] + self._births(finds, interval_s)
        cost[distance > parameters.gate**2] = np.inf
        return cost

    def _unseen(self, centers: Floats, deviations: Floats) -> Floats:
        """Return the logarithm of 2 pi times the odds that faces expected at (..., 2) `centers` are not found.

        `deviations` (...) are in pixels. Who is expected outside the picture is hardly missed there.
        """
        found = self._parameters.detection_probability
        scaled = 1 / deviations[..., None]
        within = ndtr((np.array(self._image_size) - centers) * scaled) - ndtr(-centers * scaled)
        odds: Floats = np.log((1 - found * within[..., 0] * within[..., 1]) * (2 * math.pi / found))
        return odds

    def _looks(self, tracks: Floats, finds: Floats) -> Floats:
        """Return the part of the costs that size and score have."""
        size = (finds[:, 2] - tracks[:, SIZE, None]) * (1 / self._parameters.size)
        score = (finds[:, 4] - tracks[:, SCORE, None]) * (1 / self._parameters.score)
        looks: Floats = 0.5 * (size * size + score * score)
        return looks

    def _births(self, finds: Floats, interval_s: float) -> Floats:
        """Return the logarithm of the density of new faces at each find: near the edge, and further inside."""
        parameters = self._parameters
        width, height = self._image_size
        x, y = finds[:, 0], finds[:, 1]
        edge = np.minimum(np.minimum(x, width - x), np.minimum(y, height - y)) * np.exp(-finds[:, 2])
        near = edge < parameters.entry_reach(interval_s)
        return np.where(near, math.log(parameters.birth_density), math.log(parameters.inner_birth_density))

    def _outlook(
        self,
        tracks: Floats,
        expected: Prediction,
        finds: Floats,
        at_s: float,
        interval_s: float,
        after: Floats,
        after_s: float,
    ) -> Floats:
        """Return what the frame after adds to each cost, (tracks, finds).

        Either the pair holds and the track goes on from the find; or it does not, and the track and a new face go on,
        each to another find of the frame after. Every way takes the best find there, as if nobody else wanted it.
        """
        parameters = self._parameters
        births, looks = self._births(after, interval_s), self._looks(tracks, after)
        gain, velocity_gain = expected.gains(parameters.measurement)
        off = finds[:, :2] - expected.centers[:, None]
        elapsed = np.float64(after_s - at_s)
        centers = expected.centers[:, None] + gain[:, None, None] * off
        centers += elapsed * (tracks[:, None, VX : VY + 1] + velocity_gain[:, None, None] * off)
        variance = (
            spread(
                (1 - gain) * expected.position,
                (1 - gain) * expected.with_velocity,
                expected.velocity - velocity_gain * expected.with_velocity,
                elapsed,
                parameters,
            )[0]
            + parameters.measurement**2
        )
        way = (after[:, :2] - centers[:, :, None]) * np.exp(-tracks[:, SIZE])[:, None, None, None]
        distance = np.einsum("mnkc,mnkc->mnk", way, way) / variance[:, None, None]
        own = self._unseen(centers, (np.sqrt(variance) * np.exp(tracks[:, SIZE]))[:, None]) + np.log(variance)[:, None]
        paired = 0.5 * distance + (looks + births)[:, None, :] + own[:, :, None]
        paired[distance > parameters.gate**2] = 0
        alone = self._cost(tracks, predict(tracks, after_s, parameters), after, interval_s) + parameters.miss_cost
        new = begin(finds, at_s, self._image_size, interval_s, parameters)
        fresh = self._cost(new, predict(new, after_s, parameters), after, interval_s)
        alone_best, fresh_best = np.minimum(alone.min(axis=1), 0), np.minimum(fresh.min(axis=1), 0)
        same = alone.argmin(axis=1)[:, None] == fresh.argmin(axis=1)
        apart = alone_best[:, None] + fresh_best
        apart = np.where(same, np.minimum(alone_best[:, None], fresh_best), apart)
        outlook: Floats = np.minimum(paired.min(axis=2), 0) - apart
        return outlook


def _assign(cost: Floats) -> tuple[Indices, Indices]:
    """Return the assignment of least cost, without pairs that cost nothing: those are no matches."""
    rows, columns = linear_sum_assignment(cost)
    real = cost[rows, columns] < 0
    return rows[real], columns[real]
