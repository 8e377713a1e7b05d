"""Follow the results in the log, with kafka-python and nothing of Crowdwatch.

    python -m samples.clients.follow --count 100

Kafka's address is KAFKA_BOOTSTRAP_SERVERS (localhost:9092 without it).
"""

import json
import os

import click
from kafka import KafkaConsumer


@click.command()
@click.option("--topic", default="Faces", show_default=True, help="The topic of results.")
@click.option("--group", default="my-counter", show_default=True, help="Consumer group: each record once a group.")
@click.option("--count", type=click.IntRange(min=1), help="End after so many results. Default: never.")
def main(topic: str, group: str, count: int | None) -> None:
    """Print camera, time, status and number of faces of each frame."""
    servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092").split(",")
    consumer = KafkaConsumer(
        topic, bootstrap_servers=servers, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False
    )
    seen: set[str] = set()
    try:
        for record in consumer:
            if record.value is None:  # it settles offsets at which the log holds no frame
                continue
            result = json.loads(record.value)
            frame = "/".join(str(result["source"][part]) for part in ("topic", "partition", "offset"))
            if frame not in seen:  # a frame may be detected twice; who stores under this id needs no memory of it
                seen.add(frame)
                click.echo(f"{result['camera_id']} {result['captured_at']} {result['status']} {result['total_faces']}")
            consumer.commit()
            if len(seen) == count:
                break
    finally:
        consumer.close(autocommit=False)


if __name__ == "__main__":
    main()
