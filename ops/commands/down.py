"""`crowdwatch down`: stop what runs in a data directory."""

from pathlib import Path

import click

from ops.options import data_dir_option


@click.command()
@data_dir_option
def command(data_dir: Path) -> None:
    """Stop the system that runs in a data directory: the roles first, then the servers. The data stays."""
    from ops.detach import down

    click.echo("stopped" if down(data_dir) else f"nothing runs in {data_dir}")
