"""Sends frames into the log at a rate, as cameras do: `python -m bench.feed FOLDER --frames N …`, a process of its own.

FOLDER holds the pictures, sent in turn. Prints a line of JSON once all are acknowledged: when the first was sent, when
the last was acknowledged, both in seconds since the epoch, and the processor time that it took. With `--note` it prints
a line for one frame in so many, as soon as that is acknowledged: its place and the time.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from kafka import KafkaProducer


def main() -> None:
    """Send, wait for the acknowledgements, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--servers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--rate", type=float, default=0, help="frames a second; 0 for as fast as it goes")
    parser.add_argument("--note", type=int, default=0)
    options = parser.parse_args()
    pictures = [file.read_bytes() for file in sorted(options.folder.iterdir())]
    producer = KafkaProducer(
        bootstrap_servers=options.servers.split(","),
        acks="all",
        linger_ms=0 if options.rate else 10,
        batch_size=1024 * 1024,
        max_request_size=8 * 1024 * 1024,
    )

    def note(metadata: Any) -> None:
        place = f"{metadata.topic}/{metadata.partition}/{metadata.offset}"
        sys.stdout.write(json.dumps({"place": place, "at": time.time()}) + "\n")
        sys.stdout.flush()

    producer.partitions_for(options.topic)
    started = time.time()
    for number in range(options.frames):
        if options.rate:
            time.sleep(max(0.0, started + number / options.rate - time.time()))
        key = b"camera-%d" % (number % options.cameras)
        sent = producer.send(options.topic, pictures[number % len(pictures)], key=key)
        if options.note and number % options.note == 0:
            sent.add_callback(note)
    producer.flush()
    sys.stdout.write(json.dumps({"started": started, "ended": time.time(), "processor_s": time.process_time()}) + "\n")
    producer.close()


if __name__ == "__main__":
    main()
