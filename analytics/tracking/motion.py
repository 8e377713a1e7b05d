"""The motion model: a Kalman filter of constant velocity, in plain numbers, one track at a time.

Positions are in pixels, variances in the track's own face widths: the same number holds near the camera and far away.
People mostly keep their pace, and now and then stop, start or turn. So a track is expected in several ways at once,
each with its probability, and goes on by the one that its next find fits best (a filter of several models that keeps
the likeliest; Bar-Shalom, Li and Kirubarajan 2001, section 11.6). A new face has one way for each edge by which it can
have come in.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import msgspec
import msgspec.structs

from analytics.tracking.parameters import TrackerParameters

_SMOOTHING = 0.3
"""How much the newest find counts in a face's size and confidence, once there are three or more."""

_MOST_ELAPSED_S = 60.0

_GONE = 2.0
"""So many widths beyond the picture nobody who was not found there is waited for."""

_AT_EDGE = 1.0
"""Within so many widths of an edge anybody may have come in."""


class Find(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A face of a frame: centre, width and height in pixels, confidence, and its number in the frame."""

    x: float
    y: float
    width: float
    log_width: float
    log_height: float
    confidence: float
    detection: int


Expected = tuple[float, float, float, float, float]
"""Where a new track's find is expected by one way of moving: the cost at that very place, x and y in pixels, the cost
for each square pixel away from it, and how probable that way is."""

Ahead = tuple[float, float, float, float, float, float]
"""Where the find of a track with a known velocity is expected: x and y in pixels, then the cost at that very place and
the cost for each square pixel away from it, of who keeps the pace and of who stops, starts or turns."""


Entry = tuple[float, float, float]
"""An edge by which a face can have come in: density, and speeds along x and y in pixels."""


Way = tuple[float, float, float, float, float, float, float, float]
"""How a track may be moving: its cost (minus the logarithm of its probability), x, y, speeds along x and y in pixels
and seconds; and in face widths, the same along x and y, the variances of the place, of place with velocity, and of the
velocity."""


Step = tuple[float, float, float, float, float, float, float]
"""What the time since a track's last find makes of its variances, in face widths: that time in seconds; what is added
to the variance of the velocity of who keeps the pace, and of who does not; and for a new track the variance of its
place and the logarithm of that, first where its velocity is unknown, then where it came in over an edge."""


class Track(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is known of a face that is followed; `track_id` is 0 as long as it is tentative."""

    ways: tuple[Way, ...]
    log_width: float
    log_height: float
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
            self.ways,
            self.log_width,
            self.log_height,
            self.confidence,
            self.at_s,
            self.hits,
            self.misses + 1,
            self.track_id,
        )

    def named(self, track_id: int) -> "Track":
        """Return the track with an id: it is confirmed."""
        return msgspec.structs.replace(self, track_id=track_id)


class Motion:
    """How tracks begin, are expected and go on; holds no state but its parameters."""

    def __init__(self, image_size: tuple[int, int], parameters: TrackerParameters) -> None:
        self._width, self._height = image_size
        self._parameters = parameters
        self.sudden_chance = parameters.sudden_chance
        self._steadily, self._suddenly = -math.log(1 - self.sudden_chance), -math.log(self.sudden_chance)
        self._step = lru_cache(maxsize=64)(self._make_step)
        self.measured = parameters.measurement**2
        self._inner_birth = math.log(parameters.inner_birth_density)

    def expect(self, track: Track, at_s: float) -> list[Expected]:
        """Return where the find of a new track is expected: one place for each way it may have come."""
        elapsed, _, _, unknown, unknown_cost, known, known_cost = self._step(at_s - track.at_s)
        half = 0.5 * math.exp(-2 * track.log_width)
        expected = []
        surprise, weight = unknown_cost, half / unknown
        for cost, x, y, x_speed, y_speed, _, _, _ in track.ways:
            expected.append((cost + surprise, x + elapsed * x_speed, y + elapsed * y_speed, weight, math.exp(-cost)))
            surprise, weight = known_cost, half / known
        return expected

    def ahead(self, track: Track, at_s: float) -> Ahead:
        """Return where the find of a track that was found twice or more is expected."""
        _, x, y, x_speed, y_speed, place_var, both_var, velocity_var = track.ways[0]
        elapsed, steady, sudden, _, _, _, _ = self._step(at_s - track.at_s)
        place = place_var + elapsed * (2 * both_var + elapsed * velocity_var) + self.measured
        third = elapsed * elapsed / 3
        slow, fast = place + third * steady, place + third * sudden
        half = 0.5 * math.exp(-2 * track.log_width)
        return (
            x + elapsed * x_speed,
            y + elapsed * y_speed,
            self._steadily + math.log(slow),
            half / slow,
            self._suddenly + math.log(fast),
            half / fast,
        )

    def _make_step(self, elapsed_s: float) -> Step:
        parameters, elapsed_s = self._parameters, min(elapsed_s, _MOST_ELAPSED_S)
        settled_s = elapsed_s / (1 + elapsed_s / parameters.settling_s)
        steady, sudden = parameters.steady_acceleration * settled_s, parameters.sudden_acceleration * settled_s
        squared = elapsed_s * elapsed_s
        place = self.measured + squared / 3 * steady
        unknown, known = (place + squared * speed**2 for speed in (parameters.speed, parameters.entry_spread))
        return elapsed_s, steady, sudden, unknown, math.log(unknown), known, math.log(known)

    def has_left(self, track: Track, at_s: float) -> bool:
        """Whether somebody who keeps the pace is far out of the picture by now."""
        _, x, y, x_speed, y_speed, _, _, _ = track.ways[0]
        elapsed, beyond = at_s - track.at_s, _GONE * math.exp(track.log_width)
        x, y = x + elapsed * x_speed, y + elapsed * y_speed
        return x < -beyond or y < -beyond or x > self._width + beyond or y > self._height + beyond

    def correct(self, track: Track, number: int, find: Find, at_s: float) -> Track:
        """Return a track that went on to its find.

        A new track does so by one of its ways, by their order; any other by 0, it kept its pace, or 1, it did not.
        """
        elapsed, noise, sudden, _, _, _, _ = self._step(at_s - track.at_s)
        way = track.ways[0]
        if track.hits == 1:
            way = track.ways[number]
        elif number:
            noise = sudden
        _, x, y, x_speed, y_speed, place_var, both_var, velocity_var = way
        both = both_var + elapsed * velocity_var
        place = place_var + elapsed * (both_var + both) + elapsed * elapsed / 3 * noise
        both += elapsed / 2 * noise
        total = place + self.measured
        gain, turn = place / total, both / total
        x, y = x + elapsed * x_speed, y + elapsed * y_speed
        x_off, y_off = find.x - x, find.y - y
        moved = (
            0.0,
            x + gain * x_off,
            y + gain * y_off,
            x_speed + turn * x_off,
            y_speed + turn * y_off,
            (1 - gain) * place,
            (1 - gain) * both,
            velocity_var + noise - turn * both,
        )
        new = max(_SMOOTHING, 1 / (track.hits + 1))
        return Track(
            (moved,),
            track.log_width + new * (find.log_width - track.log_width),
            track.log_height + new * (find.log_height - track.log_height),
            track.confidence + new * (find.confidence - track.confidence),
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
        parameters, width, x, y = self._parameters, find.width, find.x, find.y
        interval_s = max(interval_s, 1e-3)
        slow, fast = max(parameters.entry_slow * interval_s, _AT_EDGE), parameters.entry_fast * interval_s
        within = max(fast, _AT_EDGE) * width
        right, bottom = self._width - x, self._height - y
        if x > within and y > within and right > within and bottom > within:
            return []
        entries = []
        for away, x_way, y_way in ((x, 1.0, 0.0), (right, -1.0, 0.0), (y, 0.0, 1.0), (bottom, 0.0, -1.0)):
            if away < within:
                depth = away / width
                part = 1.0 if depth <= slow else (fast - depth) / (fast - slow)
                speed = (parameters.entry_speed + parameters.entry_haste * depth / interval_s) * width
                entries.append((parameters.birth_density * part, x_way * speed, y_way * speed))
        return entries

    def begin(self, find: Find, entries: Sequence[Entry], at_s: float) -> Track:
        """Return a new track: it came in over one of the edges near it, or appeared where it is."""
        parameters, place = self._parameters, self.measured
        inner, unknown, known = parameters.inner_birth_density, parameters.speed**2, parameters.entry_spread**2
        total = inner + sum([density for density, *_ in entries])
        ways: list[Way] = [(math.log(total / inner), find.x, find.y, 0.0, 0.0, place, 0.0, unknown)]
        for density, x_speed, y_speed in entries:
            ways.append((math.log(total / density), find.x, find.y, x_speed, y_speed, place, 0.0, known))
        return Track(tuple(ways), find.log_width, find.log_height, find.confidence, at_s, 1, 0, 0)
