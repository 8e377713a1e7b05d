"""`crowdwatch demo`: process the sample clip once and print what was stored."""

import sys
from pathlib import Path

import click


@click.command()
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where data and logs are kept. Default: a temporary folder, removed at the end.",
)
def command(data_dir: Path | None) -> None:
    """Start everything, send the sample clip once, make some trouble, and print what came of it.

    After the clip the worker is killed at work, pictures are damaged, a camera is unplugged and more; on servers whose
    address is in the environment all of that is left out. The exit code is 0 when every frame that was sent is stored
    and each trouble was seen in the metrics, and 1 with the reason when not.
    """
    import tempfile

    from ops.demo.run import run_demo

    if data_dir is not None:
        sys.exit(run_demo(data_dir))
    with tempfile.TemporaryDirectory(prefix="crowdwatch-demo-") as folder:
        sys.exit(run_demo(Path(folder)))
