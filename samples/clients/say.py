"""Say something in the chat, with kafka-python and nothing of Crowdwatch.

    python -m samples.clients.say --sender desk TEXT…

It is what POST /send writes: the page and GET /receive show it. Kafka's address is KAFKA_BOOTSTRAP_SERVERS
(localhost:9092 without it).
"""

import json
import os
from datetime import datetime, timezone

import click
from kafka import KafkaProducer


@click.command()
@click.option("--sender", default="me", show_default=True, help="Who says it.")
@click.option("--topic", default="chat", show_default=True, help="The topic of messages.")
@click.argument("texts", nargs=-1, required=True)
def main(sender: str, topic: str, texts: tuple[str, ...]) -> None:
    """Send each of TEXTS as a message of its own, and print where it is in the log."""
    servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092").split(",")
    producer = KafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True)
    try:
        for text in texts:
            message = {"content": text, "sender": sender, "sent_at": datetime.now(timezone.utc).isoformat()}
            place = producer.send(topic, json.dumps(message).encode(), key=sender.encode()).get(timeout=30)
            click.echo(f"{place.topic}/{place.partition}/{place.offset}")
    finally:
        producer.close()


if __name__ == "__main__":
    main()
