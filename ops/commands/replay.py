"""`crowdwatch replay`: the analytics of stored results, over again."""

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from ops.options import data_dir_option


def _time(_context: click.Context, _option: click.Parameter, value: str) -> datetime:
    """Read an RFC 3339 time."""
    from contracts.errors import ContractError
    from contracts.times import from_rfc3339

    try:
        return from_rfc3339(value)
    except ContractError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.option("--camera", "camera_id", required=True, help="The camera's id.")
@click.option("--from", "start", callback=_time, required=True, help="From this time on, such as 2026-11-23T21:30:00Z.")
@click.option("--to", "end", callback=_time, required=True, help="Before this time.")
@click.option(
    "--zones",
    "zones_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Keys of a camera document in JSON (zones, lines, …) that take the place of the stored ones.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything found as JSON, instead of a table.")
@data_dir_option
def command(
    camera_id: str, start: datetime, end: datetime, zones_file: Path | None, as_json: bool, data_dir: Path
) -> None:
    """Analyse a camera's stored results again, as after a change of its zones, faster than they came.

    What is found is printed and nothing is stored: live analytics go on as they are.

    The results come from MONGODB_URI; without it, from the system that `crowdwatch up` runs in the data directory.
    """
    import json

    from rich.console import Console
    from rich.progress import track
    from rich.table import Table

    from contracts.errors import CrowdwatchError
    from contracts.times import to_rfc3339
    from ops.datadir import DataDir, stored_here
    from storage.cameras import Cameras
    from storage.client import connect
    from storage.history import History
    from workers.analytics.replay import replay

    if start >= end:
        raise click.BadParameter(f"{to_rfc3339(end)} is not after --from", param_hint="--to")
    with stored_here(DataDir(data_dir)) as settings, connect(settings) as client:
        camera = _camera(Cameras(client, settings).get(camera_id), camera_id, zones_file)
        history = History(client, settings, camera_id, start, end)
        count = history.count()
        if not count:
            raise CrowdwatchError(f"no result of {camera_id} is stored from {to_rfc3339(start)} to {to_rfc3339(end)}")
        console = Console(stderr=True)
        shown = track(history.results(), f"replaying {camera_id}", count, console=console, transient=True)
        replayed = replay(shown, camera, settings)
    if as_json:
        click.echo(json.dumps(replayed.to_dict(), ensure_ascii=False))
        return
    table = Table("what", "where", "value", title=f"{camera_id}: {replayed.results} results")
    for row in replayed.summary():
        table.add_row(*row)
    Console().print(table)


def _camera(stored: Any, camera_id: str, zones_file: Path | None) -> Any:
    """Return the camera's settings, with those of the file in their place.

    Raises:
        ContractError: the file holds no such settings.
    """
    import json

    from contracts.cameras import Camera
    from contracts.errors import ContractError

    camera = stored or Camera(camera_id)
    if zones_file is None:
        return camera
    try:
        changed = json.loads(zones_file.read_text("utf-8"))
    except ValueError as error:
        raise ContractError(f"{zones_file} should hold a JSON object: {error}") from error
    if not isinstance(changed, dict):
        raise ContractError(f"{zones_file} should hold a JSON object")
    return Camera.from_dict({**camera.to_dict(), **changed, "camera_id": camera_id})
