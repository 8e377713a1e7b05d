"""Levels of a number with a limit, that do not flicker."""

LEVELS = ("normal", "busy", "full", "over")
_BEGINS = (0.0, 0.7, 0.9, 1.0)
_HYSTERESIS = 0.1


def level_of(number: float, limit: float, before: str) -> str:
    """Return the level of a number: busy from 70 % of its limit, full from 90 %, over above 100 %.

    A level is left downwards only when the number is more than 10 % of the limit below its beginning.
    """
    part = number / limit if limit > 0 else (2.0 if number else 0.0)
    rank = (part >= _BEGINS[1]) + (part >= _BEGINS[2]) + (part > _BEGINS[3])
    now = LEVELS.index(before)
    if rank >= now or part < _BEGINS[now] - _HYSTERESIS:
        return LEVELS[rank]
    return before
