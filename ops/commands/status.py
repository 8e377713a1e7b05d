"""`crowdwatch status`: roles and servers, and where they are reached."""

import json
import sys
from pathlib import Path

import click

from ops.options import data_dir_option


@click.command()
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON. Its addresses hold their passwords.")
def command(data_dir: Path, as_json: bool) -> None:
    """Show roles and servers and ask each whether it answers. The exit code is 0 when all do."""
    from contracts.errors import CrowdwatchError
    from ops.datadir import DataDir
    from ops.status import is_ready, live_state, public_state
    from settings import Settings

    noted = DataDir(data_dir).read_state()
    if noted is None:
        raise CrowdwatchError(f"nothing ever ran in {data_dir.absolute()}: start it with `crowdwatch up`")
    state = live_state(noted, Settings.from_environment())
    if as_json:
        click.echo(json.dumps(public_state(state), indent=2))
    else:
        from ops.flower.sign_in import kept_sign_in
        from ops.status_table import print_status

        print_status(state)
        name, _, password = (kept_sign_in(data_dir) or "").partition(":")
        if password:
            click.echo(f"Flower asks for the name {name} and the password {password}")
    sys.exit(0 if is_ready(state) else 1)
