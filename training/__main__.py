"""Train a face detector, or go on with one.

    python -m training --data PICTURES… --cfg models/yolov3-face-lite.cfg --out RUN [--weights START.weights]

The same command again, after a kill at any moment, goes on from the last checkpoint.
"""

import argparse
import os
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from contracts.errors import CrowdwatchError
from training.batches import BatchPlan
from training.datasets import FORMATS, read_dataset
from training.picture_cache import open_cache
from training.train import Plan, default_workers, pick_device, train
from training.views import Mixture


class _Bar:
    """Shows a run: a bar on a terminal, lines elsewhere."""

    def __init__(self, console: Console, steps: int) -> None:
        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.fields[shown]}"))
        self.bar = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self.bar.add_task("steps", total=steps, shown="")
        self._lines = not console.is_terminal
        self._scores = ""

    def stepped(self, step: int, loss: float, pictures_per_s: float) -> None:
        shown = f"loss {loss:.3f}, {pictures_per_s:.0f} pictures/s{self._scores}"
        self.bar.update(self._task, completed=step, shown=shown)
        if self._lines:
            self.bar.console.print(f"step {step}: {shown}", highlight=False)

    def validated(self, step: int, scores: dict[str, float]) -> None:
        self._scores = f", AP {scores.get('all', 0):.3f}"
        listed = ", ".join(f"{size} {score:.3f}" for size, score in scores.items())
        self.bar.console.print(f"step {step}: average precision {listed}", highlight=False)


def main(arguments: list[str] | None = None) -> int:
    """Run a training; returns the exit code."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=True)
    least, most = options.sides
    mixture = Mixture(options.mosaic, options.whole, options.largest_face)
    try:
        plan = Plan(
            cfg=options.cfg,
            out=options.out,
            weights=options.weights,
            fold=options.fold,
            batches=BatchPlan(options.seed, options.batch, least, most, mixture, options.closing),
            steps=options.steps,
            learning_rate=options.learning_rate,
            weight_decay=0.02,
            device=options.device,
            threads=options.threads,
            workers=default_workers(pick_device(options.device)) if options.workers is None else options.workers,
            validate_every=options.validate_every,
            checkpoint_s=options.checkpoint_every,
        )
        with console.status("reading pictures") as status:
            pictures = open_cache(options.data, options.cache, lambda done: status.update(f"{done} pictures read"))
        validation = list(read_dataset(options.val))[: options.val_pictures] if options.val else []
        bar = _Bar(console, options.steps)
        with bar.bar:
            cfg = train(plan, pictures, validation, bar)
    except CrowdwatchError as error:
        console.print(f"error: {error}", style="red", highlight=False)
        return 1
    console.print(f"wrote {cfg} and {cfg.with_suffix('.weights').name}", highlight=False)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    forms = "; ".join(form.looks for form in FORMATS.values())
    parser.add_argument("--data", type=Path, nargs="+", required=True, help=f"training pictures: {forms}")
    parser.add_argument("--val", type=Path, help="validation pictures, in any of these forms")
    parser.add_argument("--val-pictures", type=int, default=200, help="how many of them (%(default)s)")
    parser.add_argument("--cfg", type=Path, required=True, help="the network")
    parser.add_argument("--weights", type=Path, help="Darknet weights to start from; random ones without")
    parser.add_argument("--fold", action="store_true", help="fold batch normalisation: quicker, for --weights only")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights, checkpoint and log")
    parser.add_argument("--steps", type=int, default=20_000, help="batches in all (%(default)s)")
    parser.add_argument("--batch", type=int, default=16, help="pictures a batch (%(default)s)")
    parser.add_argument("--sides", type=int, nargs=2, default=(320, 608), metavar=("LEAST", "MOST"), help="of crops")
    parser.add_argument("--mosaic", type=float, default=Mixture.mosaic, help="share of mosaics (%(default)s)")
    parser.add_argument("--whole", type=float, default=Mixture.whole, help="share of whole pictures (%(default)s)")
    parser.add_argument(
        "--largest-face",
        type=float,
        default=Mixture.largest_face,
        help="that crops aim at, as a share of their side (%(default)s); near 1 for inputs larger than the crops",
    )
    parser.add_argument(
        "--closing",
        type=float,
        default=0.25,
        help="share of the run, at its end, that sees pictures as cameras send them (%(default)s)",
    )
    parser.add_argument("--learning-rate", type=float, default=2e-3, help="the highest (%(default)s)")
    parser.add_argument("--validate-every", type=int, default=2000, help="steps (%(default)s)")
    parser.add_argument("--checkpoint-every", type=float, default=60, help="seconds (%(default)s)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of the CPU (%(default)s)")
    parser.add_argument(
        "--workers", type=int, help="processes that make batches; by default all cores for a GPU, else 0"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--cache", type=Path, default=Path("~/.cache/crowdwatch/training").expanduser(), help="of decoded pictures"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
