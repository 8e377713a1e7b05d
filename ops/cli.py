"""The `crowdwatch` command. A subcommand's module is imported only when it is called, so that none pays for another."""

import importlib
import sys

import click

from contracts.errors import CrowdwatchError

COMMANDS = {
    "up": "Start real servers and every role on this machine",
    "down": "Stop what `up --detach` started",
    "status": "Show roles and servers, and where they are reached",
    "login": "Print a link that signs in, once",
    "doctor": "Check this machine and, if there is one, the running system",
    "topics": "List the topics, and set what differs from the settings",
    "demo": "Process the sample clip and print a table of what was stored",
    "detect": "Find faces in pictures",
    "camera": "Capture one camera, video or folder of pictures into Kafka",
    "media-stream": "Stream one camera's encoded video and sound into Kafka",
    "replay": "Analyse stored results again, with other zones and lines",
    "models": "List, verify, fetch, import and compare models",
    "plan": "Tell what a number of cameras needs",
    "dead": "List, show and retry records that could not be processed",
    "forget": "Delete what is stored of a camera or a period",
}


class _Commands(click.Group):
    """A group whose commands live in `ops.commands.<name>`, a `-` in it written `_`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"ops.commands.{cmd_name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="crowdwatch")
def _crowdwatch() -> None:
    """Crowd monitoring by face detection, on Kafka, Celery, YOLOv3 and MongoDB.

    `crowdwatch up` starts everything; `crowdwatch COMMAND --help` tells about one command.
    """


def main() -> None:
    """Run the command line; an error that Crowdwatch raises on purpose is one line and the exit code 1."""
    try:
        _crowdwatch(prog_name="crowdwatch")
    except CrowdwatchError as error:
        click.echo(f"crowdwatch: {error}", err=True)
        sys.exit(1)
