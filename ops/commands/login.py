"""`crowdwatch login`: a link that signs in once."""

from pathlib import Path

import click

from ops.options import data_dir_option


@click.command()
@data_dir_option
def command(data_dir: Path) -> None:
    """Print a link that signs an administrator in, once.

    Where nobody can sign in yet, it makes the administrator and prints the password. It needs no password itself:
    whoever reaches MongoDB may do anything. Users are those in MONGODB_URI; without it, those of the system that
    `crowdwatch up` runs in the data directory.
    """
    from contracts.errors import CrowdwatchError
    from ops.datadir import DataDir, stored_here
    from ops.roles import web_url
    from ops.way_in import way_in

    folder = DataDir(data_dir)
    noted = folder.read_state()
    with stored_here(folder) as settings:
        lines = way_in(settings, web_url(settings) if noted is None else noted.web_url)
    if not lines:
        raise CrowdwatchError("CROWDWATCH_AUTH is off: everybody on this machine is in already")
    for line in lines:
        click.echo(line)
