"""`python -m workers ROLE`: one role of the fleet, as a process."""

import importlib
import sys

import click

from contracts.errors import ConfigurationError
from settings import Settings
from workers.runner import run_role

ROLES = {
    "bridge": "workers.bridge.role:Bridge",
    "worker": "workers.worker:Worker",
    "sink": "workers.sink:Sink",
    "analytics": "workers.analytics.role:Analytics",
    "capture": "workers.capture_role:CaptureRole",
    "jobs": "workers.jobs:JobsRole",
    "notify": "workers.notify:Notify",
    "media": "workers.media.role:Media",
}


@click.command()
@click.argument("role", type=click.Choice(list(ROLES)))
def main(role: str) -> None:
    """Run one role until SIGTERM; its settings come from the environment."""
    module, name = ROLES[role].split(":")
    try:
        settings = Settings.from_environment()
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error
    sys.exit(run_role(role, getattr(importlib.import_module(module), name)(settings), settings))


if __name__ == "__main__":
    main()
