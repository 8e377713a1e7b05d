"""The study behind docs/scaling.md: plans put to the test, and what breaks first."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from rich.progress import Progress, TaskID

from ops.planning.arrivals import Surge
from ops.planning.chart import Line, draw_lines
from ops.planning.costs import Costs
from ops.planning.plan import Load, make_plan
from ops.planning.simulation import Outage, Outcome, Scenario, scenario_of, simulate
from settings import Settings

CAMERAS = (10, 100, 1000, 10_000)
FPS, WIDTH, HEIGHT = 2.0, 1280, 720
_AWAY = Outage(10, 20)

FAULTS: dict[str, Callable[[Scenario], Scenario]] = {
    "nothing": lambda system: system,
    "half the workers killed": lambda system: replace(system, workers_lost=_AWAY, lost_share=0.5),
    "all workers killed": lambda system: replace(system, workers_lost=_AWAY),
    "brokers away": lambda system: replace(system, broker_away=_AWAY),
    "Redis emptied": lambda system: replace(system, redis_wiped=_AWAY.start, workers_lost=Outage(9, 11)),
    "twice the frames": lambda system: replace(system, surges=(Surge(_AWAY.start, _AWAY.stop, 2.0),)),
}
"""What goes wrong, from the 10th to the 20th second. Redis is emptied while no worker takes tasks out of it."""

WEAKER: dict[str, Callable[[Scenario], Scenario]] = {
    "one bridge": lambda system: replace(system, bridges=1),
    "one sink": lambda system: replace(system, sinks=1),
    "4 partitions": lambda system: replace(
        system, partitions=4, bridges=min(4, system.bridges), sinks=min(4, system.sinks)
    ),
    "half the workers": lambda system: replace(system, workers=(system.workers + 1) // 2),
}
"""What is taken from a plan, to see whether it was needed."""


@dataclass(frozen=True)
class Row:
    """A run."""

    cameras: int
    what: str
    outcome: Outcome

    @property
    def lag_s(self) -> list[float]:
        """The lag over time, in seconds of all cameras' frames."""
        return [frames / (self.cameras * FPS) for frames in self.outcome.lag_frames]


def planned(cameras: int, seconds: float) -> Scenario:
    """Return the system that `crowdwatch plan` asks for, for cameras of the study's kind."""
    costs, settings = Costs(), Settings()
    detect_ms = costs.detect_ms(WIDTH, HEIGHT)
    plan = make_plan(Load(cameras, FPS, WIDTH, HEIGHT), detect_ms, costs, settings)
    return scenario_of(plan, detect_ms, (costs.worker_ms, costs.bridge_ms, costs.sink_ms), seconds)


def run(
    cameras: int, changes: Mapping[str, Callable[[Scenario], Scenario]], seconds: float, progress: Progress
) -> Iterator[Row]:
    """Run the planned system with each of the changes, and show how far each run is."""
    system = planned(cameras, seconds)
    for what, change in changes.items():
        bar = progress.add_task(f"{cameras:,} cameras, {what}", total=seconds)
        found = simulate(change(system), partial(_show, progress, bar, seconds))
        progress.remove_task(bar)
        yield Row(cameras, what, found)


def _show(progress: Progress, bar: TaskID, seconds: float, at: float) -> None:
    progress.update(bar, completed=min(at, seconds))


def picture(title: str, rows: list[Row]) -> str:
    """Draw the lag of runs over time."""
    lines = [Line(row.what, row.outcome.at_s, row.lag_s) for row in rows]
    return draw_lines(title, "seconds", "lag, in seconds of frames", lines)


def table(rows: list[Row]) -> str:
    """Return runs as a table in Markdown."""
    lines = [
        "| cameras | what is wrong | stored | repeated | age, median | age, 99 % | most lag | caught up after |",
        "|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        found = row.outcome
        after = "never" if found.caught_up_s is None else f"{_caught_up_after(row):.1f} s"
        lines.append(
            f"| {row.cameras:,} | {row.what} | {found.stored:,} of {found.sent:,} | {found.repeated:,} "
            f"| {found.age_median_s:.2f} s | {found.age_p99_s:.2f} s | {max(row.lag_s):.1f} s | {after} |"
        )
    return "\n".join(lines) + "\n"


def _caught_up_after(row: Row) -> float:
    """Seconds from the fault's end until no more than a second of frames is behind; 0 where that never was so."""
    behind = [at for at, lag_s in zip(row.outcome.at_s, row.lag_s, strict=True) if lag_s > 1.0]
    return max(0.0, behind[-1] - _AWAY.stop) if behind else 0.0
