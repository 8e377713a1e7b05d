"""Which find continues which track, by likelihood ratio (Blackman 2004), with a look at the next frame where few come.

The cost of a pair is minus the logarithm of how much likelier the find is as the track's next position than as a new or
false face. At one frame a second people walk further than they stand apart, and one frame alone is ambiguous; the next
one tells whether the velocity that a pair implies leads to a face there.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from analytics.tracking.motion import Find, Motion, Track, Way
from analytics.tracking.parameters import TrackerParameters

_LOG_2_PI = math.log(2 * math.pi)
_ROOT_HALF = math.sqrt(0.5)
_SURELY_WITHIN = 3.0
"""Who is expected further from every edge than so many standard deviations is surely in the picture."""

_HOPE = 4.0
"""How much, in nats, a look at the next frame can make good: pairs that cost more are left out."""


class Frame:
    """The finds of a frame from left to right, each with the density of new faces at its place."""

    def __init__(self, finds: Sequence[Find], at_s: float, interval_s: float, motion: Motion) -> None:
        self.finds = sorted(finds)
        self.at_s = at_s
        self.interval_s = interval_s
        self.xs = [find.x for find in self.finds]
        self.births = [motion.birth(find, interval_s) for find in self.finds]


class Pair(NamedTuple):
    """A find as the next position of a track, by one of the ways that it was expected."""

    cost: float
    track: int
    find: int
    way: Way


class Associator:
    """Costs and assignment for one camera; holds no state but its parameters."""

    def __init__(self, image_size: tuple[int, int], motion: Motion, parameters: TrackerParameters) -> None:
        self._width, self._height = image_size
        self._motion = motion
        self._parameters = parameters
        self._measured = parameters.measurement**2
        self._log_found = math.log(parameters.detection_probability)
        self._least_birth = math.log(parameters.inner_birth_density)
        self._size_weight = 0.5 / parameters.size**2
        self._score_weight = 0.5 / parameters.score**2

    def match(self, tracks: Sequence[Track], frame: Frame, after: Frame | None) -> list[Pair]:
        """Return the matches: the sure finds first, then the doubtful ones among tracks left over.

        `after` is the next frame, where it is known.
        """
        look = after is not None and bool(after.finds)
        pairs: list[Pair] = []
        for row, track in enumerate(tracks):
            pairs += self._pairs(row, track, frame, _HOPE if look else 0.0)
        if after is not None and look and pairs:
            pairs = self._outlook(tracks, frame, after, pairs)
        least = self._parameters.second_pass_confidence
        sure = [pair for pair in pairs if frame.finds[pair.find].confidence >= least]
        matches = assign(sure)
        if len(sure) < len(pairs):
            taken = {pair.track for pair in matches}
            matches += assign([p for p in pairs if p.track not in taken and frame.finds[p.find].confidence < least])
        return matches

    def _pairs(self, row: int, track: Track, frame: Frame, most: float) -> list[Pair]:
        """Return the finds of a frame that continue a track at a cost below `most`, each by its best way."""
        finds, births = frame.finds, frame.births
        if not finds:
            return []
        best: dict[int, Pair] = {}
        expected = self._motion.expect(track, frame.at_s)
        width = math.exp(track.log_width)
        own = self._unseen(expected, width) + self._parameters.miss_cost * track.misses + _LOG_2_PI - self._log_found
        for way in expected:
            x, y = way.x, way.y
            x_total, y_total = way.x_place + self._measured, way.y_place + self._measured
            base = way.cost + own + 0.5 * math.log(x_total * y_total)
            room = 2 * (most - base - self._least_birth)
            if room <= 0:
                continue
            x_weight, y_weight = 1 / (x_total * width * width), 1 / (y_total * width * width)
            reach = math.sqrt(room / x_weight)
            column = bisect_left(frame.xs, x - reach)
            last = x + reach
            while column < len(finds):
                find = finds[column]
                if find.x > last:
                    break
                x_off, y_off = find.x - x, find.y - y
                distance = x_weight * x_off * x_off + y_weight * y_off * y_off
                if distance < room:
                    size, score = find.log_width - track.log_width, find.confidence - track.confidence
                    cost = base + births[column] + 0.5 * distance
                    cost += self._size_weight * size * size + self._score_weight * score * score
                    if cost < most and (column not in best or cost < best[column].cost):
                        best[column] = Pair(cost, row, column, way)
                column += 1
        return list(best.values())

    def _unseen(self, expected: Sequence[Way], width: float) -> float:
        """Return the logarithm of the odds that a face is not found: hardly missed who is expected outside."""
        within = total = 0.0
        for way in expected:
            x_spread = math.sqrt(way.x_place + self._measured) * width
            y_spread = math.sqrt(way.y_place + self._measured) * width
            chance = math.exp(-way.cost) if len(expected) > 1 else 1.0
            total += chance
            x_near, y_near = min(way.x, self._width - way.x), min(way.y, self._height - way.y)
            if x_near < _SURELY_WITHIN * x_spread:
                chance *= _between(way.x, self._width, x_spread)
            if y_near < _SURELY_WITHIN * y_spread:
                chance *= _between(way.y, self._height, y_spread)
            within += chance
        return math.log(1 - self._parameters.detection_probability * within / total)

    def _outlook(self, tracks: Sequence[Track], frame: Frame, after: Frame, pairs: list[Pair]) -> list[Pair]:
        """Return the pairs with what the frame after adds to their costs.

        Either the pair holds and the track goes on from the find; or it does not, and the track and a new face go on,
        each to another find of the frame after. Every way takes the best find there, as if nobody else wanted it.
        """
        alone = {
            row: self._best(tracks[row]._replace(misses=tracks[row].misses + 1), after)
            for row in {p.track for p in pairs}
        }
        fresh = {
            column: self._best(self._motion.begin(frame.finds[column], frame.at_s, frame.interval_s), after)
            for column in {p.find for p in pairs}
        }
        looked = []
        for cost, row, column, way in pairs:
            (alone_cost, alone_find), (fresh_cost, fresh_find) = alone[row], fresh[column]
            apart = min(alone_cost, fresh_cost) if alone_find == fresh_find else alone_cost + fresh_cost
            paired = self._motion.correct(tracks[row], way, frame.finds[column], frame.at_s)
            looked.append(Pair(cost + self._best(paired, after)[0] - apart, row, column, way))
        return looked

    def _best(self, track: Track, frame: Frame) -> tuple[float, int]:
        """Return the cost of a track's best find in a frame and which it is; 0 and -1 where it has none."""
        found = min(self._pairs(0, track, frame, 0.0), default=None)
        return (0.0, -1) if found is None else (found.cost, found.find)


def assign(pairs: list[Pair]) -> list[Pair]:
    """Return the assignment of least cost, without pairs that cost nothing: those are no matches."""
    pairs = [pair for pair in pairs if pair.cost < 0]
    tracks: dict[int, int] = {}
    finds: dict[int, int] = {}
    for pair in pairs:
        tracks[pair.track] = tracks.get(pair.track, 0) + 1
        finds[pair.find] = finds.get(pair.find, 0) + 1
    matches = [pair for pair in pairs if tracks[pair.track] == 1 and finds[pair.find] == 1]
    contested = [pair for pair in pairs if tracks[pair.track] > 1 or finds[pair.find] > 1]
    if not contested:
        return matches
    rows = {row: index for index, row in enumerate(sorted({pair.track for pair in contested}))}
    columns = {column: index for index, column in enumerate(sorted({pair.find for pair in contested}))}
    cost = np.zeros((len(rows), len(columns)))
    at = {(rows[pair.track], columns[pair.find]): pair for pair in contested}
    for place, pair in at.items():
        cost[place] = pair.cost
    chosen = zip(*(indices.tolist() for indices in linear_sum_assignment(cost)), strict=True)
    return matches + [at[place] for place in chosen if place in at]


def _between(place: float, end: float, spread: float) -> float:
    """Return how likely a normal number lies between 0 and `end`."""
    scale = _ROOT_HALF / spread
    return 0.5 * (math.erf((end - place) * scale) + math.erf(place * scale))
