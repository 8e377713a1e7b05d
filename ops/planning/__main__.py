"""`python -m ops.planning [--seconds S] [--output DIR]`: run the study, draw its pictures, print its tables."""

from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from ops.planning.study import CAMERAS, FAULTS, WEAKER, picture, run, table

_MOST_WEAKER = 1000
"""With more cameras a run takes minutes, and shows the same."""


@click.command()
@click.option("--seconds", type=click.FloatRange(30), default=40.0, show_default=True, help="How long cameras send.")
@click.option(
    "--output", type=click.Path(file_okay=False, path_type=Path), default=Path("docs/images"), show_default=True
)
@click.option("--cameras", "counts", type=int, multiple=True, default=CAMERAS, show_default=True, help="How many.")
def main(seconds: float, output: Path, counts: tuple[int, ...]) -> None:
    """Put the plan for 10 to 10,000 cameras to the test, and draw lag over time."""
    output.mkdir(parents=True, exist_ok=True)
    for cameras in counts:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            faults = list(run(cameras, FAULTS, seconds, progress))
            weaker = [replace(faults[0], what="as planned")]
            if cameras <= _MOST_WEAKER:
                weaker += run(cameras, WEAKER, seconds, progress)
        for name, title, rows in (
            ("faults", f"{cameras:,} cameras as planned, and faults from 10 to 20 s", faults),
            ("weaker", f"{cameras:,} cameras on less than planned", weaker),
        ):
            if len(rows) == 1:
                continue
            (output / f"scaling-{name}-{cameras}.svg").write_text(picture(title, rows), "utf-8")
            click.echo(table(rows))


if __name__ == "__main__":
    main()
