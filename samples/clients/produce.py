"""Send pictures as a camera's frames, with kafka-python and nothing of Crowdwatch.

    python -m samples.clients.produce --camera desk PICTURE…

Kafka's address is KAFKA_BOOTSTRAP_SERVERS (localhost:9092 without it).
"""

import os
from datetime import datetime, timezone
from pathlib import Path

import click
from kafka import KafkaProducer


@click.command()
@click.option("--camera", required=True, help="The camera's id: the records' key.")
@click.option("--topic", default="frames", show_default=True, help="The topic of frames.")
@click.argument("pictures", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(camera: str, topic: str, pictures: tuple[Path, ...]) -> None:
    """Send PICTURES (JPEG, PNG, WebP, BMP), one record each, and print where each of them is in the log."""
    servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092").split(",")
    producer = KafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True)
    try:
        for picture in pictures:
            headers = [("captured_at", datetime.now(timezone.utc).isoformat().encode()), ("source", b"file")]
            sent = producer.send(topic, picture.read_bytes(), key=camera.encode(), headers=headers)
            place = sent.get(timeout=30)  # acknowledged: from here on the frame ends as one document
            click.echo(f"{picture.name}: {place.topic}/{place.partition}/{place.offset}")
    finally:
        producer.close()


if __name__ == "__main__":
    main()
