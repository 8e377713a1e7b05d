"""The motion model: a Kalman filter of constant velocity with random acceleration, for all tracks of a camera at once.

Positions are in pixels, variances in the track's own face widths: the same number holds near the camera and far away.
Both axes have the same variances (Bar-Shalom, Li and Kirubarajan 2001, section 6.2.2).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.tracking.parameters import TrackerParameters

Floats = NDArray[np.float64]

COLUMNS = 14
(
    X,  # centre, pixels
    Y,
    VX,  # pixels a second
    VY,
    PP,  # variances of position, of position with velocity, and of velocity: widths and seconds
    PV,
    VV,
    SIZE,  # logarithm of the width in pixels, smoothed
    RATIO,  # height by width, smoothed
    SCORE,  # confidence, smoothed
    AT,  # time of the last find, seconds
    HITS,
    MISSES,  # frames without a find since the last one
    ID,  # 0 while tentative
) = range(COLUMNS)

FIND_COLUMNS = 5
"""A find: x, y, logarithm of the width, height by width, confidence. The last three are in the order of a track's."""

_SMOOTHING = 0.3


@dataclass(frozen=True, eq=False)
class Prediction:
    """Where tracks are expected at a time: (n, 2) centres in pixels, and (n,) variances in widths."""

    centers: Floats
    position: Floats
    with_velocity: Floats
    velocity: Floats

    def of(self, rows: NDArray[np.intp]) -> "Prediction":
        """Return that of some of the tracks."""
        return Prediction(self.centers[rows], self.position[rows], self.with_velocity[rows], self.velocity[rows])

    def gains(self, measurement: float) -> tuple[Floats, Floats]:
        """Return the Kalman gains of position and velocity, for a find with this standard deviation."""
        total = self.position + measurement**2
        return self.position / total, self.with_velocity / total


def spread(
    pp: Floats, pv: Floats, vv: Floats, elapsed: Floats, parameters: TrackerParameters
) -> tuple[Floats, Floats, Floats]:
    """Return the three variances `elapsed` seconds later."""
    noise = parameters.acceleration * elapsed / (1 + elapsed / parameters.settling_s)
    with_velocity = pv + elapsed * (vv + noise / 2)
    position = pp + elapsed * (pv + with_velocity) - elapsed * elapsed * noise / 6
    return position, with_velocity, vv + noise


def predict(tracks: Floats, at_s: float, parameters: TrackerParameters) -> Prediction:
    """Predict all tracks, (n, COLUMNS), to a time."""
    elapsed = at_s - tracks[:, AT]
    centers = tracks[:, X : Y + 1] + tracks[:, VX : VY + 1] * elapsed[:, None]
    return Prediction(centers, *spread(tracks[:, PP], tracks[:, PV], tracks[:, VV], elapsed, parameters))


def correct(tracks: Floats, expected: Prediction, finds: Floats, at_s: float, measurement: float) -> None:
    """Correct tracks, (n, COLUMNS), in place by the find of each, (n, FIND_COLUMNS)."""
    gain, velocity_gain = expected.gains(measurement)
    off = finds[:, :2] - expected.centers
    tracks[:, X : Y + 1] = expected.centers + gain[:, None] * off
    tracks[:, VX : VY + 1] += velocity_gain[:, None] * off
    tracks[:, PP] = (1 - gain) * expected.position
    tracks[:, PV] = (1 - gain) * expected.with_velocity
    tracks[:, VV] = expected.velocity - velocity_gain * expected.with_velocity
    tracks[:, SIZE : SCORE + 1] += _SMOOTHING * (finds[:, 2:] - tracks[:, SIZE : SCORE + 1])
    tracks[:, AT] = at_s
    tracks[:, HITS] += 1
    tracks[:, MISSES] = 0


def begin(
    finds: Floats, at_s: float, image_size: tuple[int, int], interval_s: float, parameters: TrackerParameters
) -> Floats:
    """Return a new track for each find. Near an edge of the picture it is expected to walk away from that edge."""
    tracks = np.zeros((len(finds), COLUMNS))
    tracks[:, X : Y + 1] = finds[:, :2]
    size = np.exp(finds[:, 2])
    left_top = finds[:, :2] / size[:, None]
    edges = np.concatenate(
        [left_top, np.array(image_size) / size[:, None] - left_top], axis=1
    )  # left, top, right, bottom
    nearest = edges.argmin(axis=1)
    depth = edges[np.arange(len(finds)), nearest]
    inwards = parameters.entry_speed + 0.5 * depth / max(interval_s, 1e-3)  # at least that far since the frame before
    inwards[depth > parameters.entry_reach(interval_s)] = 0
    tracks[np.arange(len(finds)), VX + nearest % 2] = np.where(nearest < 2, inwards, -inwards) * size
    tracks[:, PP] = parameters.measurement**2
    tracks[:, VV] = parameters.speed**2
    tracks[:, SIZE : SCORE + 1] = finds[:, 2:]
    tracks[:, AT] = at_s
    tracks[:, HITS] = 1
    return tracks
