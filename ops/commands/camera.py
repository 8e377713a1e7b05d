"""`crowdwatch camera`: capture one camera, video or folder of pictures into Kafka."""

import sys
from pathlib import Path

import click

from ops.options import data_dir_option


@click.command()
@click.option(
    "--id", "camera_id", required=True, help="The camera's id: the key of its frames, and its name everywhere."
)
@click.option(
    "--source",
    required=True,
    help="A video file, a folder of pictures, an rtsp, rtsps, http or https URL, or a webcam's index.",
)
@click.option("--fps", type=click.FloatRange(min=0, min_open=True), help="Frames a second at most. Default: all.")
@click.option("--loop", is_flag=True, help="Start a file or folder anew at its end.")
@click.option(
    "--max-age", "max_age_ms", type=click.IntRange(min=1), help="Milliseconds after which a waiting frame is skipped."
)
@data_dir_option
def command(camera_id: str, source: str, fps: float | None, loop: bool, max_age_ms: int | None, data_dir: Path) -> None:
    """Capture one camera, video or folder of pictures into Kafka.

    Files are played at their own pace, folders at 5 pictures a second or --fps. A camera that does not answer is tried
    again for as long as it takes. Ctrl-C ends it.

    The frames go to KAFKA_BOOTSTRAP_SERVERS; without it, to the system that `crowdwatch up` runs in the data directory.
    """
    from ops.datadir import DataDir, with_running_servers
    from settings import Settings
    from workers.capture import Capture, CaptureOptions
    from workers.capture_sources import FOLDER_FPS, open_source
    from workers.runner import run_role

    settings = with_running_servers(Settings.from_environment(), DataDir(data_dir))
    options = CaptureOptions(fps=fps, loop=loop, max_age_ms=max_age_ms)
    capture = Capture(settings, camera_id, open_source(source, folder_fps=fps or FOLDER_FPS), options)
    sys.exit(run_role("camera", capture, settings))
