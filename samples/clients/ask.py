"""Send one picture over HTTP and wait for its faces, with the standard library alone.

    python -m samples.clients.ask PICTURE

The web's address is CROWDWATCH_URL (http://127.0.0.1:8000 without it); where sign-in is on, CROWDWATCH_KEY is a key of
the role operator.
"""

import json
import os
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

import click


@click.command()
@click.option("--camera", default="desk", show_default=True, help="Id under which the picture is stored.")
@click.option("--wait", default=10.0, show_default=True, help="Seconds to wait for the result.")
@click.argument("picture", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(camera: str, wait: float, picture: Path) -> None:
    """Print the result of PICTURE, or, when it does not come in time, the address where it will be."""
    base, key = os.environ.get("CROWDWATCH_URL", "http://127.0.0.1:8000"), os.environ.get("CROWDWATCH_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    url = f"{base}/api/frames?{urlencode({'camera_id': camera, 'wait': wait})}"
    request = urllib.request.Request(url, picture.read_bytes(), headers, method="POST")  # noqa: S310  # the caller's
    with urllib.request.urlopen(request, timeout=wait + 20) as response:  # noqa: S310  # the caller's address
        answer = json.load(response)
    click.echo(json.dumps(answer, indent=1) if response.status == 200 else f"{base}{answer['url']}")


if __name__ == "__main__":
    main()
