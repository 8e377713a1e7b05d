"""`crowdwatch forget`: delete what is stored of a camera or a period."""

from datetime import datetime
from pathlib import Path

import click

from ops.options import data_dir_option


def _time(text: str) -> datetime:
    from contracts.errors import ContractError
    from contracts.times import from_rfc3339

    try:
        return from_rfc3339(text)
    except ContractError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.option("--camera", "camera_id", help="The camera's id; all cameras by default.")
@click.option("--from", "start", type=_time, metavar="TIME", help="From this time on, such as 2026-11-23T21:30:00Z.")
@click.option("--to", "end", type=_time, metavar="TIME", help="Before this time.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@data_dir_option
def command(camera_id: str | None, start: datetime | None, end: datetime | None, yes: bool, data_dir: Path) -> None:
    """Delete from MongoDB what is stored of a camera, of a period, or of a camera in a period.

    That is results, events, alerts and what was sent of them, snapshots, occupancy, heatmaps, what the analytics know
    of the camera, and uploads with their files. The camera's settings stay, and so does the audit log, which notes
    this. MongoDB is that in MONGODB_URI; without it, the one of `crowdwatch up` in the data directory.
    """
    import getpass
    from datetime import timezone

    from contracts.times import to_rfc3339
    from ops.datadir import DataDir, stored_here
    from storage.audit import AuditEntry, AuditLog
    from storage.client import connect
    from storage.erasure import Erasure, Selection

    try:
        selection = Selection(camera_id, start, end)
    except ValueError as error:
        raise click.UsageError(f"{error}; see --camera, --from and --to") from error
    with stored_here(DataDir(data_dir)) as settings, connect(settings) as client:
        erasure = Erasure(client, settings)
        found = erasure.count(selection)
        _show("There is", found)
        if found:
            if not yes:
                click.confirm("Delete it for good?", abort=True)
            gone = erasure.delete(selection)
            _show("Deleted", gone)
            period = {"from": start, "to": end}
            detail = {name: to_rfc3339(at) for name, at in period.items() if at is not None}
            detail |= {"camera_id": camera_id or "all", "deleted": str(sum(gone.values()))}
            now = datetime.now(timezone.utc)
            AuditLog(client, settings).add(
                AuditEntry(now, getpass.getuser(), "crowdwatch forget", "command line", "", detail)
            )
    click.echo(
        f"The log itself is not touched: nothing is taken out of the middle of a Kafka topic. Pictures age out of it "
        f"after {settings.frames_retention_hours:g} h or {settings.frames_retention_mib} MiB a partition, results, "
        f"events and alerts after {settings.faces_retention_hours:g} h."
    )


def _show(what: str, counts: dict[str, int]) -> None:
    if not counts:
        click.echo(f"{what} nothing.")
    for name, count in counts.items():
        click.echo(f"{what} {count:>10,} in {name}")
