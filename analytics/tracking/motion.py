"""The motion model: a Kalman filter of constant velocity, in plain numbers, one track at a time.

Positions are in pixels, variances in the track's own face widths: the same number holds near the camera and far away.
People mostly keep their pace, and now and then stop, start or turn. So a track is expected in several ways at once,
each with its probability, and goes on by the one that its next find fits best (a filter of several models that keeps
the likeliest; Bar-Shalom, Li and Kirubarajan 2001, section 11.6). A new face has one way for each edge by which it can
have come in.
"""

import math
from collections.abc import Sequence

import msgspec
import msgspec.structs

from analytics.tracking.parameters import TrackerParameters

_SMOOTHING = 0.3
_MOST_ELAPSED_S = 60.0

_AT_EDGE = 1.0
"""Within so many widths of an edge anybody may have come in."""


class Find(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A face of a frame: centre and width in pixels, height by width, confidence, and its number in the frame."""

    x: float
    y: float
    width: float
    log_width: float
    ratio: float
    confidence: float
    detection: int


Expected = tuple[float, float, float, float, float]
"""Where a track's find is expected by one way of moving: the cost at that very place, x and y in pixels, the cost for
each square pixel away from it, and how probable that way is."""


Entry = tuple[float, float, float]
"""An edge by which a face can have come in: density, and speeds along x and y in pixels."""


class Way(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How a track may be moving: its cost (minus the logarithm of its probability), place, velocity and variances.

    Place and velocity are in pixels and seconds. `place_var`, `both_var` and `velocity_var` are the variances of the
    place, of place with velocity, and of the velocity, in face widths, the same along x and y.
    """

    cost: float
    x: float
    y: float
    x_speed: float
    y_speed: float
    place_var: float
    both_var: float
    velocity_var: float


class Track(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is known of a face that is followed; `track_id` is 0 as long as it is tentative."""

    ways: tuple[Way, ...]
    log_width: float
    ratio: float
    confidence: float
    at_s: float
    """When it was found last."""

    hits: int
    misses: int
    """Frames without a find since the last one."""

    track_id: int

    def missed(self) -> "Track":
        """Return the track after a frame in which it was not found."""
        return Track(
            self.ways, self.log_width, self.ratio, self.confidence, self.at_s, self.hits, self.misses + 1, self.track_id
        )

    def named(self, track_id: int) -> "Track":
        """Return the track with an id: it is confirmed."""
        return msgspec.structs.replace(self, track_id=track_id)


class Motion:
    """How tracks begin, are expected and go on; holds no state but its parameters."""

    def __init__(self, image_size: tuple[int, int], parameters: TrackerParameters) -> None:
        self._width, self._height = image_size
        self._parameters = parameters
        chance = parameters.sudden_chance
        self._noises = (
            (parameters.steady_acceleration, -math.log(1 - chance), 1 - chance),
            (parameters.sudden_acceleration, -math.log(chance), chance),
        )
        self.measured = parameters.measurement**2
        self._inner_birth = math.log(parameters.inner_birth_density)

    def expect(self, track: Track, width: float, at_s: float) -> list[Expected]:
        """Return where the find of a track, `width` pixels wide, is expected: one place for each way it may move."""
        elapsed = min(at_s - track.at_s, _MOST_ELAPSED_S)
        third = elapsed * elapsed / 3 * self._settled(elapsed)
        half = 0.5 / (width * width)
        expected = []
        for way in track.ways:
            x, y, cost = way.x + elapsed * way.x_speed, way.y + elapsed * way.y_speed, way.cost
            place = way.place_var + elapsed * (2 * way.both_var + elapsed * way.velocity_var) + self.measured
            for acceleration, unlikely, chance in self._noises if track.hits > 1 else self._noises[:1]:
                total = place + third * acceleration
                expected.append((cost + unlikely + math.log(total), x, y, half / total, math.exp(-cost) * chance))
        return expected

    def _settled(self, elapsed_s: float) -> float:
        """Return the time for which random acceleration adds up."""
        return elapsed_s / (1 + elapsed_s / self._parameters.settling_s)

    def correct(self, track: Track, number: int, find: Find, at_s: float) -> Track:
        """Return a track that went on to its find, by one of the ways that it was expected (by their order)."""
        elapsed = min(at_s - track.at_s, _MOST_ELAPSED_S)
        noises = self._noises if track.hits > 1 else self._noises[:1]
        way, (acceleration, *_) = track.ways[number // len(noises)], noises[number % len(noises)]
        noise = acceleration * self._settled(elapsed)
        both = way.both_var + elapsed * way.velocity_var
        place = way.place_var + elapsed * (way.both_var + both) + elapsed * elapsed / 3 * noise
        both += elapsed / 2 * noise
        total = place + self.measured
        gain, turn = place / total, both / total
        x, y = way.x + elapsed * way.x_speed, way.y + elapsed * way.y_speed
        x_off, y_off = find.x - x, find.y - y
        moved = Way(
            0.0,
            x + gain * x_off,
            y + gain * y_off,
            way.x_speed + turn * x_off,
            way.y_speed + turn * y_off,
            (1 - gain) * place,
            (1 - gain) * both,
            way.velocity_var + noise - turn * both,
        )
        return Track(
            (moved,),
            track.log_width + _SMOOTHING * (find.log_width - track.log_width),
            track.ratio + _SMOOTHING * (find.ratio - track.ratio),
            track.confidence + _SMOOTHING * (find.confidence - track.confidence),
            at_s,
            track.hits + 1,
            0,
            track.track_id,
        )

    def birth(self, entries: Sequence[Entry]) -> float:
        """Return the logarithm of the density of new faces at a place, a frame and square width, by its entries."""
        if not entries:
            return self._inner_birth
        return math.log(self._parameters.inner_birth_density + sum([density for density, *_ in entries]))

    def entries(self, find: Find, interval_s: float) -> list[Entry]:
        """Return the edges by which somebody can have come in since the frame before.

        Who came in since then is no further from the edge than people walk in that time.
        """
        within = max(self._parameters.entry_fast * interval_s, _AT_EDGE) * find.width
        if within < find.x < self._width - within and within < find.y < self._height - within:
            return []
        interval_s = max(interval_s, 1e-3)
        parameters, width = self._parameters, find.width
        slow, fast = parameters.entry_slow * interval_s, parameters.entry_fast * interval_s
        depths = (find.x / width, (self._width - find.x) / width, find.y / width, (self._height - find.y) / width)
        entries = []
        for edge, depth in enumerate(depths):
            if depth >= fast and depth >= _AT_EDGE:
                continue
            part = 1.0 if depth <= max(slow, _AT_EDGE) else (fast - depth) / (fast - slow)
            speed = (parameters.entry_speed + parameters.entry_haste * depth / interval_s) * width
            if edge & 1:
                speed = -speed
            if edge < 2:
                entries.append((parameters.birth_density * part, speed, 0.0))
            else:
                entries.append((parameters.birth_density * part, 0.0, speed))
        return entries

    def begin(self, find: Find, entries: Sequence[Entry], at_s: float) -> Track:
        """Return a new track: it came in over one of the edges near it, or appeared where it is."""
        parameters, place = self._parameters, self.measured
        inner, unknown, known = parameters.inner_birth_density, parameters.speed**2, parameters.entry_spread**2
        total = inner + sum([density for density, *_ in entries])
        ways = [Way(math.log(total / inner), find.x, find.y, 0.0, 0.0, place, 0.0, unknown)]
        for density, x_speed, y_speed in entries:
            ways.append(Way(math.log(total / density), find.x, find.y, x_speed, y_speed, place, 0.0, known))
        return Track(tuple(ways), find.log_width, find.ratio, find.confidence, at_s, 1, 0, 0)
