"""One picture of a camera, to see whether its address is right; a process of its own, which may crash."""

import json
import os
import subprocess
import sys
from contextlib import closing, suppress

from contracts.errors import CrowdwatchError, PictureError, UnavailableError
from settings import Settings

COMMAND = (sys.executable, "-m", "workers.capture_picture")
TIMEOUT_S = 12.0
_REASON_CHARS = 300


def take_picture(settings: Settings, url: str) -> bytes:
    """Return the first picture that the camera at `url` gives, encoded.

    Raises:
        UnavailableError: it gives none; the message says why, without the address's secrets.
    """
    try:
        done = subprocess.run(
            COMMAND,
            input=json.dumps({"url": url}).encode(),
            capture_output=True,
            env=os.environ | settings.to_environment(),
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"no picture came within {TIMEOUT_S:g} s") from error
    if done.returncode == 0 and done.stdout:
        return done.stdout
    reason = ""
    with suppress(ValueError, IndexError, KeyError, TypeError):
        reason = json.loads(done.stderr.decode("utf-8", "replace").splitlines()[-1])["error"]
    raise UnavailableError(reason[:_REASON_CHARS] or "the camera's stream broke the process that read it")


def main() -> None:
    """Read the address from the standard input, write the picture to the standard output."""
    from workers.capture_addresses import camera_source
    from workers.capture_process import die_with_parent

    die_with_parent()
    settings = Settings.from_environment()
    try:
        source = camera_source(settings, json.load(sys.stdin)["url"])
        with closing(source.grabs(lambda what: None)) as grabs:  # type: ignore[type-var]
            for grab in grabs:
                picture = grab.encode().data
                if len(picture) > settings.max_picture_bytes:
                    raise PictureError(f"a picture of {len(picture)} bytes is larger than is accepted")
                sys.stdout.buffer.write(picture)
                return
        raise UnavailableError(f"{source.name} gives no picture")
    except CrowdwatchError as error:
        sys.exit(json.dumps({"error": str(error)}))


if __name__ == "__main__":
    main()
