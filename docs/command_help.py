"""What the subcommands of `crowdwatch` say of themselves by `--help`."""

import importlib

import click

from ops.cli import COMMANDS


def subcommand(name: str) -> click.Command:
    """Return a subcommand of `crowdwatch`."""
    found: click.Command = importlib.import_module(f"ops.commands.{name.replace('-', '_')}").command
    return found


def command_help() -> str:
    """Return the help of every subcommand, in Markdown."""
    return "\n".join(f"## crowdwatch {name}\n\n{_help(subcommand(name), f'crowdwatch {name}')}" for name in COMMANDS)


def _help(command: click.Command, name: str) -> str:
    context = click.Context(command, info_name=name, terminal_width=100)
    text = f"```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for sub, inner in sorted(command.commands.items()):
            text += f"\n### {name} {sub}\n\n{_help(inner, f'{name} {sub}')}"
    return text
