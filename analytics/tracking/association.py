"""Which find continues which track, by likelihood ratio (Blackman 2004), with a look at the next frame where few come.

The cost of a pair is minus the logarithm of how much likelier the find is as the track's next position than as a new or
false face. At one frame a second people walk further than they stand apart, and one frame alone is ambiguous; the next
one tells whether the velocity that a pair implies leads to a face there.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import attrgetter

import msgspec
import numpy as np
from scipy.optimize import linear_sum_assignment

from analytics.tracking.motion import Expected, Find, Motion, Track
from analytics.tracking.parameters import TrackerParameters

_SURELY_WITHIN = 2.5**2 / 2
"""Who is expected further from every edge than 2.5 standard deviations is surely in the picture."""

_HOPE = 3.0
"""How much, in nats, a look at the next frame can make good: pairs that cost more are left out."""

_CLEAR = 3.0
"""By how much, in nats, a pair has to be better than all others to need no look at the next frame."""

_WORSE = 2.0
"""By how much, in nats, a pair may cost more than both its track's best and its find's best, and still be looked at."""

Continuation = tuple[float, int, int]
"""A find that continues a track: the cost, the number of the find, and that of the way that fits it best."""


class Frame:
    """The finds of a frame from left to right, each with the density of new faces at its place."""

    def __init__(self, finds: Sequence[Find], at_s: float, interval_s: float, motion: Motion) -> None:
        self.finds = sorted(finds, key=attrgetter("x"))
        self.at_s = at_s
        self.interval_s = interval_s
        self.xs = [find.x for find in self.finds]
        self.entries = [motion.entries(find, interval_s) for find in self.finds]
        self.rows = [
            (find.x, find.y, find.log_width, find.confidence, motion.birth(entries))
            for find, entries in zip(self.finds, self.entries, strict=True)
        ]
        self.least_birth = min([row[4] for row in self.rows], default=0.0)


class Pair(msgspec.Struct, frozen=True, gc=False):
    """A find as the next position of a track, by one of the ways that it was expected (by their order)."""

    cost: float
    track: int
    find: int
    way: int


class Associator:
    """Costs and assignment for one camera; holds no state but its parameters."""

    def __init__(self, image_size: tuple[int, int], motion: Motion, parameters: TrackerParameters) -> None:
        self._width, self._height = image_size
        self._motion = motion
        self._parameters = parameters
        found = parameters.detection_probability
        self._missed = math.log((1 - found) * (2 * math.pi / found))
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
        if after is not None and look:
            clear, unclear = _part(pairs)
            pairs = clear + self._outlook(tracks, frame, after, _promising(unclear))
        least = self._parameters.second_pass_confidence
        sure = [pair for pair in pairs if frame.finds[pair.find].confidence >= least]
        matches = assign(sure)
        if len(sure) < len(pairs):
            taken = {pair.track for pair in matches}
            matches += assign([p for p in pairs if p.track not in taken and frame.finds[p.find].confidence < least])
        return matches

    def _pairs(self, row: int, track: Track, frame: Frame, most: float) -> list[Pair]:
        """Return the finds of a frame that continue a track at a cost below `most`, each by its best way."""
        return [Pair(cost, row, column, way) for cost, column, way in self._continuations(track, frame, most)]

    def _continuations(self, track: Track, frame: Frame, most: float) -> list[Continuation]:
        """Return the finds of a frame that continue a track at a cost below `most`.

        All costs have the track's own in common: how surprising it would be not to find it, and its misses so far.
        """
        rows = frame.rows
        if not rows:
            return []
        size, score = track.log_width, track.confidence
        width = math.exp(size)
        missed = self._parameters.miss_cost * track.misses
        expected, least = self._motion.expect(track, width, frame.at_s), most - self._missed - missed
        room, first, last = least - frame.least_birth, math.inf, -math.inf
        for base, x, _, weight, _ in expected:
            if base < room:
                reach = math.sqrt((room - base) / weight)
                if x - reach < first:
                    first = x - reach
                if x + reach > last:
                    last = x + reach
        size_weight, score_weight = self._size_weight, self._score_weight
        found: list[Continuation] = []
        for column in range(bisect_left(frame.xs, first), bisect_right(frame.xs, last)):
            find_x, find_y, find_size, find_score, birth = rows[column]
            nearest, best, number = room, -1, 0
            for base, x, y, weight, _ in expected:
                x_off, y_off = find_x - x, find_y - y
                cost = base + weight * (x_off * x_off + y_off * y_off)
                if cost < nearest:
                    nearest, best = cost, number
                number += 1
            if best >= 0:
                size_off, score_off = find_size - size, find_score - score
                cost = nearest + birth + size_weight * size_off * size_off + score_weight * score_off * score_off
                if cost < least:
                    found.append((cost, column, best))
        if not found:
            return found
        own = self._unseen(expected, track.hits > 1) + missed
        return [(cost + own, column, number) for cost, column, number in found if cost + own < most]

    def _unseen(self, expected: Sequence[Expected], one_place: bool) -> float:
        """Return the logarithm of 2 pi times the odds that a face is not found.

        Who is expected outside the picture is hardly missed there. With `one_place` all ways lead to the same place,
        the last one with the greatest variance; mostly that is far from any edge.
        """
        width, height = self._width, self._height
        if one_place:
            _, x, y, weight, _ = expected[-1]
            depth = min(x, width - x, y, height - y)
            if depth > 0 and depth * depth * weight > _SURELY_WITHIN:
                return self._missed
        chances = within = 0.0
        for _, x, y, weight, chance in expected:
            scale = math.sqrt(weight)
            x_part = math.erf(x * scale) + math.erf((width - x) * scale)
            within += chance * x_part * (math.erf(y * scale) + math.erf((height - y) * scale))
            chances += chance
        found = self._parameters.detection_probability
        return math.log((1 - found * within / (4 * chances)) * (2 * math.pi / found))

    def _outlook(self, tracks: Sequence[Track], frame: Frame, after: Frame, pairs: list[Pair]) -> list[Pair]:
        """Return the pairs with what the frame after adds to their costs.

        Either the pair holds and the track goes on from the find; or it does not, and the track and a new face go on,
        each to another find of the frame after. Every way takes the best find there, as if nobody else wanted it.
        """
        motion = self._motion
        alone = {row: self._best(tracks[row].missed(), after) for row in {pair.track for pair in pairs}}
        fresh = {
            column: self._best(motion.begin(frame.finds[column], frame.entries[column], frame.at_s), after)
            for column in {pair.find for pair in pairs}
        }
        looked = []
        for pair in pairs:
            (alone_cost, alone_find), (fresh_cost, fresh_find) = alone[pair.track], fresh[pair.find]
            apart = min(alone_cost, fresh_cost) if alone_find == fresh_find else alone_cost + fresh_cost
            going_on = motion.correct(tracks[pair.track], pair.way, frame.finds[pair.find], frame.at_s)
            cost = pair.cost + self._best(going_on, after, apart - pair.cost)[0] - apart
            if cost < 0:
                looked.append(Pair(cost, pair.track, pair.find, pair.way))
        return looked

    def _best(self, track: Track, frame: Frame, most: float = 0.0) -> tuple[float, int]:
        """Return the cost of a track's best find in a frame and which it is; 0 and -1 where none costs below `most`."""
        found = self._continuations(track, frame, min(most, 0.0))
        if not found:
            return 0.0, -1
        cost, find, _ = min(found)
        return cost, find


def _part(pairs: list[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Return the pairs that need no look at the next frame, and those that do.

    A pair is clear when everything else that its track or its find could do costs far more; those others are left out.
    """
    by_track: dict[int, list[Pair]] = {}
    by_find: dict[int, list[Pair]] = {}
    for pair in pairs:
        by_track.setdefault(pair.track, []).append(pair)
        by_find.setdefault(pair.find, []).append(pair)
    clear = [
        pair
        for pair in pairs
        if pair.cost < -_CLEAR
        and all(pair.cost < other.cost - _CLEAR or other is pair for other in by_track[pair.track])
        and all(pair.cost < other.cost - _CLEAR or other is pair for other in by_find[pair.find])
    ]
    tracks, finds = {pair.track for pair in clear}, {pair.find for pair in clear}
    return clear, [pair for pair in pairs if pair.track not in tracks and pair.find not in finds]


def _promising(pairs: list[Pair]) -> list[Pair]:
    """Return the pairs that are worth a look at the next frame: not those that both their track and their find could do
    far better than."""
    by_track: dict[int, float] = {}
    by_find: dict[int, float] = {}
    for pair in pairs:
        by_track[pair.track] = min(pair.cost, by_track.get(pair.track, _HOPE))
        by_find[pair.find] = min(pair.cost, by_find.get(pair.find, _HOPE))
    return [one for one in pairs if one.cost < max(by_track[one.track], by_find[one.find]) + _WORSE]


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
