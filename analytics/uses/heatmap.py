"""The traffic heatmap: how long people were where, fading with time, or summed over a period."""

from collections.abc import Iterable

from analytics.geometry import Point
from analytics.state import Stateful


class Heatmap(Stateful):
    """Person seconds in each cell of a grid over the picture.

    With `half_life_s` what was counts half after that time; without, all counts alike. Fading costs nothing: younger
    seconds weigh more, and the whole is divided when it is read.
    """

    STATE = ("_cells", "_start_s", "_last_s")

    def __init__(self, columns: int = 64, rows: int = 36, half_life_s: float | None = None) -> None:
        self.columns, self.rows = columns, rows
        self._half_life_s = half_life_s
        self._cells = [0.0] * (columns * rows)
        self._start_s: float | None = None
        self._last_s = 0.0

    def add(self, places: Iterable[Point], at_s: float, seconds: float) -> None:
        """Count people at places (0..1) for some seconds each."""
        weight = self._weight(at_s) * seconds
        cells, columns, rows = self._cells, self.columns, self.rows
        for x, y in places:
            column, row = int(x * columns), int(y * rows)
            if not (0 <= column < columns and 0 <= row < rows):
                column, row = min(max(column, 0), columns - 1), min(max(row, 0), rows - 1)
            cells[row * columns + column] += weight
        self._last_s = max(self._last_s, at_s)

    def cells(self, at_s: float | None = None) -> list[list[float]]:
        """Return the rows of person seconds as they count at a time (that of the last addition by default)."""
        scale = 1 / self._weight(self._last_s if at_s is None else at_s)
        return [
            [cell * scale for cell in self._cells[row * self.columns : (row + 1) * self.columns]]
            for row in range(self.rows)
        ]

    def _weight(self, at_s: float) -> float:
        if self._half_life_s is None:
            return 1.0
        if self._start_s is None:
            self._start_s = at_s
        exponent: float = (at_s - self._start_s) / self._half_life_s
        if exponent > 300:  # begin anew at the present, before numbers overflow
            self._cells = [cell * 0.5**exponent for cell in self._cells]
            self._start_s, exponent = at_s, 0.0
        return float(2.0**exponent)
