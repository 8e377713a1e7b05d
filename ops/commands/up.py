"""`crowdwatch up`: real servers and every role on this machine, until Ctrl-C."""

import threading
from pathlib import Path

import click

from ops.options import data_dir_option


@click.command()
@data_dir_option
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port of the web, 0 for any free one. Default: 8000, or a free one when that is taken.",
)
@click.option("--no-sample", is_flag=True, help="Do not play the sample clip.")
@click.option("--detach", is_flag=True, help="Return when everything is ready, and leave it running.")
@click.option("--user", help="As root: give up root's rights first, and run everything as this user.")
@click.option("--no-link", is_flag=True, hidden=True, help="Leave the sign-in link to the one who started this.")
def command(data_dir: Path, port: int | None, no_sample: bool, detach: bool, user: str | None, no_link: bool) -> None:
    """Start Kafka, Redis, MongoDB and every role on this machine, and keep them running until Ctrl-C.

    Servers whose address is in the environment (KAFKA_BOOTSTRAP_SERVERS, REDIS_URL, MONGODB_URI) are used instead of
    started. Everything listens on loopback only. The same data directory finds its data again. When all is ready, a
    link is printed that signs in, once; the first time, the administrator's password too.
    """
    from ops.privileges import drop_to, is_root

    if user is not None:
        drop_to(user, data_dir)
    elif is_root():
        click.echo("warning: everything runs as root; --user NAME gives up root's rights first", err=True)
    if detach:
        from ops.detach import up_detached

        up_detached(data_dir, port, sample=not no_sample)
        return

    from ops.console import Reporter
    from ops.run import running_system
    from ops.system import choose_web_port
    from settings import Settings

    reporter = Reporter()

    def say_taken(wanted: int, used: int) -> None:
        reporter.say(f"port {wanted} is in use: the web takes {used}", "yellow")

    settings = choose_web_port(Settings.from_environment(), port, say_taken)
    with running_system(data_dir, settings, reporter, sample=not no_sample) as run:
        run.wait_ready()
        run.announce(with_way_in=not no_link)
        run.until(threading.Event())
