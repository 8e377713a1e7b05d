"""`crowdwatch media-stream`: stream one camera's encoded video and sound into Kafka."""

import sys
from pathlib import Path

import click

from ops.options import data_dir_option


@click.command()
@click.option(
    "--id", "camera_id", required=True, help="The camera's id: the key of its chunks, and its name everywhere."
)
@click.option("--source", required=True, help="A video file, an rtsp, rtsps, http or https URL, or a webcam's index.")
@click.option("--fps", type=click.FloatRange(min=0, min_open=True), help="Frames a second to rebuild. Default: all.")
@click.option("--loop", is_flag=True, help="Start a file anew at its end.")
@click.option(
    "--max-age", "max_age_ms", type=click.IntRange(min=1), help="Milliseconds after which a waiting frame is skipped."
)
@click.option("--encode", is_flag=True, help="Encode the frames anew, also where packets could be kept as they are.")
@click.option("--no-audio", is_flag=True, help="Leave the sound out.")
@data_dir_option
def command(
    camera_id: str,
    source: str,
    fps: float | None,
    loop: bool,
    max_age_ms: int | None,
    encode: bool,
    no_audio: bool,
    data_dir: Path,
) -> None:
    """Stream one camera's encoded video and sound into Kafka, in chunks of a second or more.

    H.264, HEVC, AV1, VP8, VP9 and MPEG-4 go as they are, cut at keyframes; all else is encoded as H.264. The role
    `media` makes frames of the chunks. Files are played at their own pace. A camera that does not answer is tried again
    for as long as it takes. Ctrl-C ends it.

    The chunks go to KAFKA_BOOTSTRAP_SERVERS; without it, to the system that `crowdwatch up` runs in the data directory.
    """
    from ops.datadir import DataDir, with_running_servers
    from settings import Settings
    from workers.capture import CaptureOptions
    from workers.media.stream import MediaStream, open_container_source
    from workers.runner import run_role

    settings = with_running_servers(Settings.from_environment(), DataDir(data_dir))
    options = CaptureOptions(fps=fps, loop=loop, max_age_ms=max_age_ms)
    stream = MediaStream(settings, camera_id, open_container_source(source), options, encode=encode, sound=not no_audio)
    sys.exit(run_role("media-stream", stream, settings))
