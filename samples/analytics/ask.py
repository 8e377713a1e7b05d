"""Ask a running system about the crowd of a use that `samples.analytics.send` sent.

    python -m samples.analytics.ask queue

The web's address is CROWDWATCH_URL (http://127.0.0.1:8000 without it); where sign-in is on, CROWDWATCH_KEY is a key.
"""

import json
import os
import urllib.error
import urllib.request

import click

from samples.analytics.crowds import CROWDS


@click.command()
@click.argument("use", type=click.Choice(list(CROWDS)))
def main(use: str) -> None:
    """Print the answer."""
    base, key = os.environ.get("CROWDWATCH_URL", "http://127.0.0.1:8000"), os.environ.get("CROWDWATCH_KEY")
    url = base + CROWDS[use].path
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  # the caller's address
    try:
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310  # the caller's address
            click.echo(json.dumps(json.load(response), indent=1))
    except urllib.error.HTTPError as error:
        with error:
            why = json.load(error)["error"]["message"]
        hint = "; give a key in CROWDWATCH_KEY, the page Settings makes one" if error.code == 401 else ""
        raise click.ClickException(f"{why}{hint}") from error
    except urllib.error.URLError as error:
        raise click.ClickException(f"nothing answers at {base}: {error.reason}") from error


if __name__ == "__main__":
    main()
