"""Follow the chat, with kafka-python and nothing of Crowdwatch.

    python -m samples.clients.listen --count 10

Kafka's address is KAFKA_BOOTSTRAP_SERVERS (localhost:9092 without it).
"""

import json
import os

import click
from kafka import KafkaConsumer


@click.command()
@click.option("--topic", default="chat", show_default=True, help="The topic of messages.")
@click.option("--group", help="Go on where this consumer group stopped. Default: all that is kept, from the start.")
@click.option("--count", type=click.IntRange(min=1), help="End after so many messages. Default: never.")
def main(topic: str, group: str | None, count: int | None) -> None:
    """Print who said what, and when."""
    servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092").split(",")
    consumer = KafkaConsumer(
        topic, bootstrap_servers=servers, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False
    )
    heard = 0
    try:
        for record in consumer:
            try:
                message = json.loads(record.value)
                click.echo(f"{message['sent_at']} {message['sender']}: {message['content']}")
                heard += 1
            except (ValueError, KeyError, TypeError):  # anybody may write to the topic
                click.echo(f"{record.topic}/{record.partition}/{record.offset} is no message", err=True)
            if group is not None:
                consumer.commit()  # after it was printed: what a crash interrupts is printed again
            if heard == count:
                break
    finally:
        consumer.close(autocommit=False)


if __name__ == "__main__":
    main()
