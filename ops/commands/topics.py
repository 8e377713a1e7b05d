"""`crowdwatch topics`: the topics as they are and as the settings want them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.options import data_dir_option

if TYPE_CHECKING:
    from messaging.topics import TopicState
    from settings import Settings


@click.group()
def command() -> None:
    """List the topics, and set what differs from the settings.

    The topics are those of KAFKA_BOOTSTRAP_SERVERS; without it, those of `crowdwatch up` in the data directory.
    """


@command.command("list")
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_topics(data_dir: Path, as_json: bool) -> None:
    """Show each topic: its partitions, its configuration, and what the settings want instead."""
    from messaging.topics import examine_topics

    states = examine_topics(_settings(data_dir))
    if as_json:
        click.echo(json.dumps([_to_dict(state) for state in states], indent=2))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    table = Table("topic", "partitions", Column("differs", overflow="fold"), box=None)
    for state in states:
        table.add_row(escape(state.wanted.name), str(state.partitions), escape("; ".join(_changes(state))))
    Console(soft_wrap=True).print(table)


@command.command("apply")
@data_dir_option
@click.option("--dry-run", is_flag=True, help="Say what would be changed, and change nothing.")
def apply_topics(data_dir: Path, dry_run: bool) -> None:
    """Make missing topics, set what differs from the settings, and add partitions.

    Partitions can only be added: frames, uploads and Faces get the largest number that one of them has, or the number
    in CROWDWATCH_PARTITIONS if that is larger. Where partitions are added, a camera's frames may move to another one.
    """
    from messaging.topics import apply_topics, examine_topics

    settings = _settings(data_dir)
    states = examine_topics(settings) if dry_run else apply_topics(settings)
    changed = [state for state in states if _changes(state)]
    for state in changed:
        click.echo(f"{'would change' if dry_run else 'changed'} {state.wanted.name}: {'; '.join(_changes(state))}")
    if not changed:
        click.echo("every topic is as the settings want it")


def _settings(data_dir: Path) -> "Settings":
    from ops.datadir import DataDir, with_running_servers
    from settings import Settings

    return with_running_servers(Settings.from_environment(), DataDir(data_dir))


def _changes(state: "TopicState") -> list[str]:
    if not state.exists:
        return [f"made with {state.wanted.partitions} partitions"]
    return [f"{key} {found} -> {wanted}" for key, (found, wanted) in state.differences.items()]


def _to_dict(state: "TopicState") -> dict[str, object]:
    return {
        "topic": state.wanted.name,
        "exists": state.exists,
        "partitions": state.partitions,
        "config": dict(state.config),
        "differences": {key: {"found": found, "wanted": wanted} for key, (found, wanted) in state.differences.items()},
    }
