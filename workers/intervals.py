"""A set of offsets, kept as disjoint half-open intervals that each carry a mark."""

from bisect import bisect_left, bisect_right

from contracts.offsets import OffsetRange


class IntervalSet:
    """Offsets by interval. Adjacent intervals are merged; a merged interval carries the smallest mark of its parts."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        self._marks: list[int] = []

    def __len__(self) -> int:
        """How many offsets there are."""
        return sum(self._stops) - sum(self._starts)

    def add(self, start: int, stop: int, mark: int) -> None:
        """Add the offsets [start, stop)."""
        first = bisect_left(self._stops, start)  # the first interval that touches or follows `start`
        last = bisect_right(self._starts, stop)  # one past the last that touches or precedes `stop`
        if first < last:
            start = min(start, self._starts[first])
            stop = max(stop, self._stops[last - 1])
            mark = min(mark, *self._marks[first:last])
        self._starts[first:last] = [start]
        self._stops[first:last] = [stop]
        self._marks[first:last] = [mark]

    def missing(self, start: int, stop: int) -> list[OffsetRange]:
        """Return the parts of [start, stop) that are not in the set, by rising offset."""
        holes = []
        index = bisect_right(self._stops, start)
        while start < stop:
            known = self._starts[index] if index < len(self._starts) else stop
            if known > start:
                holes.append(OffsetRange(start, min(known, stop)))
            if index >= len(self._starts):
                break
            start = max(start, self._stops[index])
            index += 1
        return holes

    def pop_first_if_at(self, start: int) -> int | None:
        """Remove the first interval if it begins at or below `start`; return its stop."""
        if not self._starts or self._starts[0] > start:
            return None
        del self._starts[0], self._marks[0]
        return self._stops.pop(0)

    def last_stop(self) -> int | None:
        """One past the highest offset in the set, None when it is empty."""
        return self._stops[-1] if self._stops else None

    def smallest_mark(self) -> int | None:
        """The smallest mark in the set, None when it is empty."""
        return min(self._marks, default=None)
