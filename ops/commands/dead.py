"""`crowdwatch dead`: records that could not be processed, and another try for them."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ops.options import data_dir_option

if TYPE_CHECKING:
    from messaging.dead_reader import DeadLetter
    from settings import Settings
    from web.services.dead_letters import DeadFilter, DeadLetterBox, ListedLetter, RetryOutcome

_PAGE = 100
_PER_S = 20.0

Command = TypeVar("Command", bound=Callable[..., Any])


def _which(command: Command) -> Command:
    """Add the options that choose letters."""
    for option in (
        click.option("--error", "error", help="Only letters whose error contains this text."),
        click.option("--topic", help="Only records of this topic, such as frames."),
        click.option("--camera", "camera_id", help="Only this camera's."),
    ):
        command = option(command)
    return command


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def command() -> None:
    """List, show and retry dead letters: records that could not be processed.

    They are in the topic frames.dead of KAFKA_BOOTSTRAP_SERVERS, and what was retried is noted in MONGODB_URI; without
    these, in the system that `crowdwatch up` runs in the data directory.
    """


@command.command("list")
@_which
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many at most.")
@json_option
@data_dir_option
def list_letters(
    camera_id: str | None, topic: str | None, error: str | None, limit: int, as_json: bool, data_dir: Path
) -> None:
    """List dead letters, newest first.

    \b
    Examples:
      crowdwatch dead list --camera gate-1
      crowdwatch dead list --topic frames --error truncated --limit 100
    """
    with _open(data_dir) as (box, settings):
        letters, count = _newest(box, _filter(camera_id, topic, error), limit)
    if as_json:
        click.echo(json.dumps([one.to_dict() for one in letters], ensure_ascii=False, indent=2))
        return
    if not letters:
        click.echo(f"No dead letter matches; {settings.topic_dead} holds {count}.")
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    folded = (Column(name, overflow="fold") for name in ("camera", "record", "error", "retried as"))
    table = Table(Column("id", no_wrap=True), Column("at", no_wrap=True), *folded, box=None, pad_edge=False)
    for one in letters:
        shown = one.to_dict()
        at = one.letter.at.strftime("%Y-%m-%d %H:%M:%S")
        retry = "" if shown["retry"] is None else shown["retry"]["to"] or "now"
        cells = (shown["id"], at, *(shown[name] for name in ("camera_id", "source", "error")), retry)
        table.add_row(*("" if cell is None else escape(str(cell)) for cell in cells))
    console = Console(soft_wrap=True)
    console.print(table)
    console.print(f"{len(letters)} shown; {settings.topic_dead} holds {count}", style="dim")


@command.command("show")
@click.argument("letter")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the record's value, such as a picture, here.",
)
@json_option
@data_dir_option
def show(letter: str, output: Path | None, as_json: bool, data_dir: Path) -> None:
    """Show one dead letter.

    That is its error, the record's key and headers, and its value where that is text.

    LETTER is its id, such as 0/17; 17 is the same.

    \b
    Examples:
      crowdwatch dead show 0/17
      crowdwatch dead show 0/17 --output broken.jpg
    """
    with _open(data_dir) as (box, settings):
        found = _find(box, settings, letter)
    if output is not None:
        output.write_bytes(found.letter.value or b"")
    shown = found.to_whole_dict()
    if as_json:
        click.echo(json.dumps(shown, ensure_ascii=False, indent=2))
        return
    for name in ("id", "at", "source", "camera_id", "error", "attempts", "size_bytes", "content", "key"):
        click.echo(f"{name:<14}{'' if shown[name] is None else shown[name]}")
    for header in shown["headers"]:
        click.echo(f"{'header':<14}{header['name']}: {header['value']}")
    if shown["retry"] is not None:
        click.echo(
            f"{'retried':<14}{shown['retry']['at']} by {shown['retry']['by']}, now {shown['retry']['to'] or '…'}"
        )
    if shown["why_not"] is not None:
        click.echo(f"{'not retried':<14}{shown['why_not']}")
    if shown["text"] is not None:
        click.echo(f"\n{shown['text']}")
    elif output is None and found.letter.value:
        click.echo("\nThe value is no text; --output FILE writes it.")


@command.command("retry")
@click.argument("letters", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every letter that matches, the oldest first.")
@_which
@click.option("--again", is_flag=True, help="Retry also letters that were retried before.")
@click.option(
    "--rate", type=click.FloatRange(0.1, 1000), default=_PER_S, show_default=True, help="Letters a second, with --all."
)
@click.option("--yes", is_flag=True, help="With --all: do not ask.")
@json_option
@data_dir_option
def retry(
    letters: tuple[str, ...],
    everything: bool,
    camera_id: str | None,
    topic: str | None,
    error: str | None,
    again: bool,
    rate: float,
    yes: bool,
    as_json: bool,
    data_dir: Path,
) -> None:
    """Send dead letters to their topics again, each once.

    A record gets a new offset, and so a result of its own. Its time of capture stays; a maximum age is left out. A
    letter that was retried before is left out unless you say --again. Exits 1 if a letter cannot be retried.

    \b
    Examples:
      crowdwatch dead retry 0/17 0/18
      crowdwatch dead retry --all --camera gate-1 --error "took too long"
    """
    if bool(letters) == everything:
        raise click.UsageError("give either LETTERS, or --all")
    if letters and (camera_id or topic or error):
        raise click.UsageError("--camera, --topic and --error choose among --all; without it, name the LETTERS alone")
    wanted = _filter(camera_id, topic, error)
    with _open(data_dir, retrying=True) as (box, settings):
        if everything:
            outcomes = _retry_all(box, wanted, again=again, per_s=rate, yes=yes, quiet=as_json)
        else:
            found = [_find(box, settings, letter).letter for letter in letters]
            outcomes = [box.retry(one, _user(), again=again) for one in found]
        counts = {kind: sum(one.outcome == kind for one in outcomes) for kind in ("retried", "already", "refused")}
        _note(settings, counts)
    if as_json:
        click.echo(json.dumps({**counts, "items": [one.to_dict() for one in outcomes]}, ensure_ascii=False, indent=2))
    else:
        _print_outcomes(outcomes, counts)
    if counts["refused"]:
        raise SystemExit(1)


@contextmanager
def _open(data_dir: Path, *, retrying: bool = False) -> "Iterator[tuple[DeadLetterBox, Settings]]":
    from messaging.producer import Producer
    from ops.datadir import DataDir, stored_here
    from storage.client import connect
    from storage.dead_retries import DeadRetries
    from web.services.dead_letters import DeadLetterBox
    from web.services.readers import ReaderPool

    with stored_here(DataDir(data_dir)) as settings, connect(settings) as client:
        with closing(ReaderPool(settings)) as readers, closing(Producer(settings)) as producer:
            retries = DeadRetries(client, settings)
            if retrying:
                retries.ensure_indexes()
                producer.start()
            yield DeadLetterBox(settings, readers, producer, retries), settings


def _filter(camera_id: str | None, topic: str | None, error: str | None) -> "DeadFilter":
    from web.services.dead_letters import DeadFilter

    return DeadFilter(camera_id, topic, error)


def _newest(box: "DeadLetterBox", wanted: "DeadFilter", limit: int) -> "tuple[list[ListedLetter], int]":
    letters: list[ListedLetter] = []
    after = None
    while True:
        page = box.page(wanted, min(_PAGE, limit - len(letters)), after)
        letters += page.items
        after = page.after
        if after is None or len(letters) == limit:
            return letters, page.count


def _find(box: "DeadLetterBox", settings: "Settings", letter: str) -> "ListedLetter":
    from contracts.errors import ContractError, CrowdwatchError
    from messaging.dead_reader import parse_place

    try:
        place = parse_place(letter, settings.topic_dead)
    except ContractError as error:
        raise click.UsageError(str(error)) from error
    found = box.get(place.partition, place.offset)
    if found is None:
        raise CrowdwatchError(f"there is no dead letter {place}, or no more")
    return found


def _retry_all(
    box: "DeadLetterBox", wanted: "DeadFilter", *, again: bool, per_s: float, yes: bool, quiet: bool
) -> "list[RetryOutcome]":
    import threading

    from rich.console import Console
    from rich.progress import track

    since, until = box.bounds()
    count = sum(until.values()) - sum(since.values())
    if not yes:
        click.confirm(f"Retry what matches of {count} dead letters?", abort=True, err=quiet)
    steps: Iterable[tuple[DeadLetter, RetryOutcome | None]] = box.retry_all(
        wanted, since, until, _user(), again=again, stop=threading.Event(), per_s=per_s
    )
    shown = track(steps, "retrying", count, console=Console(stderr=True), transient=True)
    return [outcome for _, outcome in shown if outcome is not None]


def _print_outcomes(outcomes: "list[RetryOutcome]", counts: dict[str, int]) -> None:
    for one in outcomes:
        shown = one.to_dict()
        text = {"retried": f"now {one.to}", "already": f"retried before, as {one.to}", "refused": str(one.reason)}
        click.echo(f"{shown['id']}  {one.outcome}: {text[one.outcome]}")
    click.echo(
        f"{counts['retried']} retried, {counts['already']} retried before, {counts['refused']} cannot be retried"
    )


def _note(settings: "Settings", counts: dict[str, int]) -> None:
    from datetime import datetime, timezone

    from storage.audit import AuditEntry, AuditLog
    from storage.client import connect

    if counts["retried"]:
        entry = AuditEntry(
            datetime.now(timezone.utc), _user(), "crowdwatch dead retry", "command line", "", dict(counts)
        )
        with connect(settings) as client:
            AuditLog(client, settings).add(entry)


def _user() -> str:
    import getpass

    return getpass.getuser()
