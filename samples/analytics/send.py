"""Send the simulated crowds into a running system, as another detector would, ending now.

    python -m samples.analytics.send [USE …]

It finds Kafka and MongoDB by their addresses in the environment, else by `crowdwatch up` in `.crowdwatch`.
"""

import time
from concurrent.futures import Future
from pathlib import Path

import click

from contracts.offsets import SourceOffset
from messaging.producer import Producer, wait_for_all
from ops.datadir import DataDir, with_running_servers
from samples.analytics.crowds import CROWDS
from settings import Settings
from storage.cameras import Cameras
from storage.client import connect


@click.command()
@click.argument("uses", nargs=-1, type=click.Choice(list(CROWDS)))
def main(uses: tuple[str, ...]) -> None:
    """Send the crowds of these USES, all without one."""
    settings = with_running_servers(Settings.from_environment(), DataDir(Path(".crowdwatch")))
    producer, client = Producer(settings, linger_ms=10), connect(settings)
    producer.start()
    try:
        chosen = [CROWDS[use] for use in uses or CROWDS]
        for crowd in [one for use in chosen for one in (use, *use.others)]:
            Cameras(client, settings).put(crowd.camera)
            lasts_s = crowd.people().duration_s
            time.sleep(2)  # until the analytics have seen the camera
            key, sent = crowd.camera.camera_id.encode(), list[Future[SourceOffset]]()
            for record in crowd.results(time.time() - lasts_s):
                sent.append(producer.send(settings.topic_faces, record.encode(), key=key))
            wait_for_all(sent)
            click.echo(f"{crowd.camera.camera_id}: {len(sent)} results over {lasts_s:.0f} s")
    finally:
        producer.close()
        client.close()


if __name__ == "__main__":
    main()
