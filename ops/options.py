"""Options that several commands have."""

from pathlib import Path

import click

data_dir_option = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".crowdwatch"),
    show_default=True,
    help="Where the servers' data, the logs and the state are kept.",
)
