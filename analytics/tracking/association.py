"""Which find continues which track, by likelihood ratio (Blackman 2004), with a look at the next frame where few come.

The cost of a pair is minus the logarithm of how much likelier the find is as the track's next position than as a new or
false face. At one frame a second people walk further than they stand apart, and one frame alone is ambiguous; the next
one tells whether the velocity that a pair implies leads to a face there.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from operator import attrgetter

import msgspec
import numpy as np
from scipy.optimize import linear_sum_assignment

from analytics.tracking.motion import Ahead, Expected, Find, Motion, Track
from analytics.tracking.parameters import TrackerParameters

_SURELY_WITHIN = 2.5**2 / 2
"""Who is expected further from every edge than 2.5 standard deviations is surely in the picture."""

_HOPE = 1.0
"""How much, in nats, a look at the next frame can make good: pairs that cost more are left out."""

_CLEAR = 1.5
"""By how much, in nats, a pair has to be better than all others of its track and its find to need no look at the next
frame: that one would rarely tell otherwise, and looks are most of what a frame costs."""

_WORSE = 1.0
"""By how much, in nats, a pair may cost more than both its track's best and its find's best, and still be looked at."""

_FEW = 12
"""So many finds are gone through sooner than those within reach are told from the others."""

_NOTHING = (math.inf, math.inf)

Continuation = tuple[float, int, int]
"""A find that continues a track: the cost, the number of the find, and that of the way that fits it best (see
`Motion.correct`)."""


class Frame:
    """The finds of a frame from left to right, each with the density of new faces at its place."""

    def __init__(self, finds: Sequence[Find], at_s: float, interval_s: float, motion: Motion) -> None:
        self.finds = sorted(finds, key=attrgetter("x"))
        self.at_s = at_s
        self.interval_s = interval_s
        self.xs = [find.x for find in self.finds]
        self.entries = [motion.entries(find, interval_s) for find in self.finds]
        self.rows = [
            (find.x, find.y, 0.5 * (find.log_width + find.log_height), find.confidence, motion.birth(entries))
            for find, entries in zip(self.finds, self.entries, strict=True)
        ]
        self.least_birth = min([row[4] for row in self.rows], default=0.0)


class Pair(msgspec.Struct, frozen=True, gc=False):
    """A find as the next position of a track, by one of the ways that it was expected (by their order)."""

    cost: float
    track: int
    find: int
    way: int


class Future(msgspec.Struct, frozen=True, gc=False):
    """A track as it goes on after a frame, and the finds of the frame after that would continue it.

    The finds are None where nobody looked so far.
    """

    track: Track
    continuations: list[Continuation] | None = None


_Look = tuple[Future, float, int]
"""How a track goes on, the cost of its best find in the frame after, and which one that is: 0 and -1 where it is
likelier that none continues it."""


class _Looked(msgspec.Struct, frozen=True):
    """The futures looked at while a frame is decided: of tracks without a find, of finds as new tracks, of pairs."""

    alone: dict[int, _Look]
    fresh: dict[int, _Look]
    going_on: dict[tuple[int, int], Future]


class Decision(msgspec.Struct, frozen=True):
    """What became of tracks and finds in a frame: the matches, and all tracks as they go on, by what they come from."""

    matches: dict[int, tuple[int, Future]]
    """Of each track that was found, by its row: the number of its find, and how it goes on."""

    missed: dict[int, Future]
    """Of the others those that were looked at."""

    fresh: dict[int, Future]
    """Of the finds those that were looked at as new tracks."""


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

    def match(self, futures: Sequence[Future], frame: Frame, after: Frame | None) -> Decision:
        """Return the matches: the sure finds first, then the doubtful ones among tracks left over.

        `after` is the next frame, where it is known.
        """
        look = after is not None and bool(after.finds)
        hope = _HOPE if look else 0.0
        pairs: list[Pair] = []
        for row, future in enumerate(futures):
            found = future.continuations
            if found is None:
                found = self._continuations(future.track, frame, hope)
            for cost, column, way in found:
                pairs.append(Pair(cost, row, column, way))
        looked = _Looked({}, {}, {})
        if after is not None and look:
            clear, unclear = _part(pairs)
            pairs = clear + self._outlook(futures, frame, after, _promising(unclear), looked)
        least = self._parameters.second_pass_confidence
        sure = [pair for pair in pairs if frame.finds[pair.find].confidence >= least]
        matches = assign(sure)
        if len(sure) < len(pairs):
            taken = {pair.track for pair in matches}
            matches += assign([p for p in pairs if p.track not in taken and frame.finds[p.find].confidence < least])
        going_on = {}
        for pair in matches:
            future = looked.going_on.get((pair.track, pair.find)) or Future(
                self._motion.correct(futures[pair.track].track, pair.way, frame.finds[pair.find], frame.at_s)
            )
            going_on[pair.track] = pair.find, future
        alone = {row: look[0] for row, look in looked.alone.items()}
        return Decision(going_on, alone, {find: look[0] for find, look in looked.fresh.items()})

    def _continuations(self, track: Track, frame: Frame, most: float) -> list[Continuation]:
        """Return the finds of a frame that continue a track at a cost below `most`.

        All costs have the track's own in common: how surprising it would be not to find it, and its misses so far.
        """
        if not frame.rows:
            return []
        missed = self._parameters.miss_cost * track.misses
        least = most - self._missed - missed
        if track.hits > 1:
            ahead = self._motion.ahead(track, frame.at_s)
            found = self._near_one(track, ahead, frame, least)
            if not found:
                return found
            own = self._unseen_ahead(ahead) + missed
        else:
            expected = self._motion.expect(track, frame.at_s)
            found = self._near_any(track, expected, frame, least)
            if not found:
                return found
            own = self._unseen(expected) + missed
        most -= own
        return [(cost + own, column, number) for cost, column, number in found if cost < most]

    def _near_one(self, track: Track, ahead: Ahead, frame: Frame, least: float) -> list[Continuation]:
        """Return the finds that cost less than `least`, without the track's own cost, where one place is expected."""
        x, y, steady, steady_weight, sudden, sudden_weight = ahead
        room, rows = least - frame.least_birth, frame.rows
        far = max((room - steady) / steady_weight, (room - sudden) / sudden_weight)
        if far <= 0:
            return []
        reach = math.sqrt(far)
        size, score = 0.5 * (track.log_width + track.log_height), track.confidence
        found: list[Continuation] = []
        for column in range(bisect_left(frame.xs, x - reach), bisect_right(frame.xs, x + reach)):
            find_x, find_y, find_size, find_score, birth = rows[column]
            x_off, y_off = find_x - x, find_y - y
            away = x_off * x_off + y_off * y_off
            if away < far:
                cost, other, way = steady + steady_weight * away, sudden + sudden_weight * away, 0
                if other < cost:
                    cost, way = other, 1
                size_off, score_off = find_size - size, find_score - score
                cost += birth + self._size_weight * size_off * size_off + self._score_weight * score_off * score_off
                if cost < least:
                    found.append((cost, column, way))
        return found

    def _near_any(self, track: Track, expected: Sequence[Expected], frame: Frame, least: float) -> list[Continuation]:
        """Return the finds that cost less than `least`, without the track's own cost, where several places are."""
        room, rows = least - frame.least_birth, frame.rows
        columns: Iterable[int] = range(len(rows))
        if len(rows) > _FEW:
            reaches = [(x, math.sqrt((room - base) / weight)) for base, x, _, weight, _ in expected if base < room]
            first = min([x - reach for x, reach in reaches], default=math.inf)
            last = max([x + reach for x, reach in reaches], default=-math.inf)
            columns = range(bisect_left(frame.xs, first), bisect_right(frame.xs, last))
        size, score = 0.5 * (track.log_width + track.log_height), track.confidence
        found: list[Continuation] = []
        for column in columns:
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
                cost = nearest + birth
                cost += self._size_weight * size_off * size_off + self._score_weight * score_off * score_off
                if cost < least:
                    found.append((cost, column, best))
        return found

    def _unseen_ahead(self, ahead: Ahead) -> float:
        """Return the logarithm of 2 pi times the odds that a face is not found, where one place is expected.

        Who is expected outside the picture is hardly missed there; mostly that is far from any edge.
        """
        x, y, _, steady_weight, _, sudden_weight = ahead
        depth = min(x, self._width - x, y, self._height - y)
        if depth > 0 and depth * depth * sudden_weight > _SURELY_WITHIN:
            return self._missed
        sudden = self._motion.sudden_chance
        within = (1 - sudden) * self._within(x, y, steady_weight) + sudden * self._within(x, y, sudden_weight)
        return self._unseen_within(within)

    def _unseen(self, expected: Sequence[Expected]) -> float:
        """Return the same for several places."""
        width, height, erf = self._width, self._height, math.erf
        chances = within = 0.0
        for _, x, y, weight, chance in expected:
            scale = math.sqrt(weight)
            across = erf(x * scale) + erf((width - x) * scale)
            within += chance * across * (erf(y * scale) + erf((height - y) * scale))
            chances += chance
        return self._unseen_within(within / (4 * chances))

    def _within(self, x: float, y: float, weight: float) -> float:
        """Return how probably somebody who is expected at a place is in the picture."""
        scale = math.sqrt(weight)
        across = math.erf(x * scale) + math.erf((self._width - x) * scale)
        return across * (math.erf(y * scale) + math.erf((self._height - y) * scale)) / 4

    def _unseen_within(self, within: float) -> float:
        found = self._parameters.detection_probability
        return math.log((1 - found * within) * (2 * math.pi / found))

    def _outlook(
        self, futures: Sequence[Future], frame: Frame, after: Frame, pairs: list[Pair], looked: _Looked
    ) -> list[Pair]:
        """Return the pairs with what the frame after adds to their costs; what was looked at is added to `looked`.

        Either the pair holds and the track goes on from the find; or it does not, and the track and a new face go on,
        each to another find of the frame after. Every way takes the best find there, as if nobody else wanted it.
        """
        motion = self._motion
        better = []
        for pair in pairs:
            track, find = futures[pair.track].track, frame.finds[pair.find]
            alone = looked.alone.get(pair.track)
            if alone is None:
                alone = looked.alone[pair.track] = self._look(track.missed(), after)
            fresh = looked.fresh.get(pair.find)
            if fresh is None:
                begun = motion.begin(find, frame.entries[pair.find], frame.at_s)
                fresh = looked.fresh[pair.find] = self._look(begun, after)
            (_, alone_cost, alone_find), (_, fresh_cost, fresh_find) = alone, fresh
            apart = min(alone_cost, fresh_cost) if alone_find == fresh_find else alone_cost + fresh_cost
            going_on, best, _ = self._look(motion.correct(track, pair.way, find, frame.at_s), after)
            looked.going_on[pair.track, pair.find] = going_on
            cost = pair.cost + best - apart
            if cost < 0:
                better.append(Pair(cost, pair.track, pair.find, pair.way))
        return better

    def _look(self, track: Track, after: Frame) -> _Look:
        continuations = self._continuations(track, after, _HOPE)
        cost, find = 0.0, -1
        for one in continuations:
            if one[0] < cost:
                cost, find, _ = one
        return Future(track, continuations), cost, find


def _part(pairs: list[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Return the pairs that need no look at the next frame, and those that do.

    A pair is clear when it costs less than no match, and everything else that its track or its find could do costs far
    more; those others are left out.
    """
    by_track, by_find = _two_least([(p.track, p.cost) for p in pairs]), _two_least([(p.find, p.cost) for p in pairs])
    clear = []
    for pair in pairs:
        (track_best, track_next), (find_best, find_next) = by_track[pair.track], by_find[pair.find]
        if pair.cost == track_best == find_best and pair.cost < min(_CLEAR, track_next, find_next) - _CLEAR:
            clear.append(pair)
    tracks, finds = {pair.track for pair in clear}, {pair.find for pair in clear}
    return clear, [pair for pair in pairs if pair.track not in tracks and pair.find not in finds]


def _two_least(costs: Iterable[tuple[int, float]]) -> dict[int, tuple[float, float]]:
    """Return the least and the next cost of each number; infinity where there is only one."""
    least: dict[int, tuple[float, float]] = {}
    for number, cost in costs:
        best, after = least.get(number, _NOTHING)
        if cost < best:
            least[number] = cost, best
        elif cost < after:
            least[number] = best, cost
    return least


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
