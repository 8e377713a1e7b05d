"""`crowdwatch doctor`: what this machine lacks, and what is wrong with what runs on it."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from ops.options import data_dir_option

_MARKS = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "problem": "[bold red]problem[/]"}


@click.command()
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(data_dir: Path, as_json: bool) -> None:
    """Check this machine and, if there is one, the system that runs in a data directory.

    The exit code is 0 when all is well or there are warnings only, and 1 when there are problems.
    """
    from ops.doctor import examine
    from settings import Settings

    findings = list(examine(Settings.from_environment(), data_dir))
    problems = sum(finding.level == "problem" for finding in findings)
    if as_json:
        click.echo(json.dumps({"ok": not problems, "checks": [asdict(finding) for finding in findings]}, indent=2))
    else:
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Column, Table

        table = Table("check", "", Column("", overflow="fold"), box=None)
        for finding in findings:
            table.add_row(finding.check, _MARKS[finding.level], escape(finding.message))
        Console(soft_wrap=True).print(table)
    sys.exit(1 if problems else 0)
