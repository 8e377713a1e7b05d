"""What the pipeline is measured against, each as others would write it.

python -m bench.pipeline_peers bare CFG RUNTIME FOLDER SECONDS          decode and detect in a loop, nothing else
python -m bench.pipeline_peers loop CFG SERVERS TOPIC FRAMES            read, detect with OpenCV 4, send, one by one
python -m bench.pipeline_peers celery_feed FOLDER FRAMES                the picture travels in the Celery message
"""

import base64
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from celery import Celery
from kafka import KafkaConsumer, KafkaProducer

RESULTS_TOPIC = "peer-results"


def bare(cfg: str, runtime: str, folder: str, seconds: str) -> None:
    """Print how many pictures this process decodes and detects in a second, alone; `null` only counts."""
    from detection import decode_picture, load_detector

    pictures = [file.read_bytes() for file in sorted(Path(folder).iterdir())]
    detector = load_detector(cfg, runtime=runtime, threads=1, cache_dir=Path("~/.cache/crowdwatch").expanduser())
    side = max(detector.input_size)

    def run(number: int) -> None:
        picture = decode_picture(pictures[number % len(pictures)], max_pixels=10**8, at_least=side)
        detector.detect([picture])

    for number in range(5):
        run(number)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    started, count = time.perf_counter(), 0
    while time.perf_counter() < started + float(seconds):
        run(count)
        count += 1
    sys.stdout.write(json.dumps({"frames_a_second": count / (time.perf_counter() - started)}) + "\n")


def loop(cfg: str, servers: str, topic_in: str, frames: str) -> None:
    """The system that this one replaces: a loop that reads a frame, detects with OpenCV 4 and sends the result."""
    net = cv2.dnn.readNetFromDarknet(cfg, str(Path(cfg).with_suffix(".weights")))
    names, side = net.getUnconnectedOutLayersNames(), _side(cfg)
    producer = KafkaProducer(bootstrap_servers=servers.split(","))
    consumer = KafkaConsumer(
        topic_in, bootstrap_servers=servers.split(","), auto_offset_reset="earliest", consumer_timeout_ms=10_000
    )
    started, count = 0.0, 0
    for record in consumer:
        started = started or time.perf_counter()
        frame = cv2.imdecode(np.frombuffer(record.value, np.uint8), cv2.IMREAD_COLOR)
        height, width = frame.shape[:2]
        net.setInput(cv2.dnn.blobFromImage(frame, 1 / 255, (side, side), swapRB=True))
        boxes, scores = [], []
        for row in np.concatenate(net.forward(names)):
            if row[4] * row[5] > 0.5:
                x, y, w, h = row[:4] * (width, height, width, height)
                boxes.append([int(x - w / 2), int(y - h / 2), int(w), int(h)])
                scores.append(float(row[4] * row[5]))
        kept = cv2.dnn.NMSBoxes(boxes, scores, 0.5, 0.4)
        faces = [{"bounding_box": boxes[i], "confidence": scores[i]} for i in kept]
        result = {"frame_id": count, "total_faces": len(faces), "faces": faces}
        producer.send(RESULTS_TOPIC, json.dumps(result).encode()).get(30)
        count += 1
        if count == int(frames):
            break
    sys.stdout.write(json.dumps({"frames_a_second": count / (time.perf_counter() - started)}) + "\n")


def celery_app() -> Celery:
    """Celery with the picture in the message. Redis, Kafka, model and runtime come from the environment."""
    app = Celery("peer", broker=os.environ["PEER_REDIS"])
    app.conf.update(worker_prefetch_multiplier=4, task_ignore_result=True, worker_hijack_root_logger=False)
    state: dict[str, Any] = {}

    @app.task(name="detect")
    def detect(number: int, picture: str) -> None:
        from detection import decode_picture, load_detector

        if not state:
            state["detector"] = load_detector(
                os.environ["PEER_MODEL"],
                runtime=os.environ["PEER_RUNTIME"],
                threads=1,
                cache_dir=Path("~/.cache/crowdwatch").expanduser(),
            )
            state["producer"] = KafkaProducer(bootstrap_servers=os.environ["PEER_KAFKA"].split(","), acks="all")
        side = max(state["detector"].input_size)
        found = state["detector"].detect([decode_picture(base64.b64decode(picture), max_pixels=10**8, at_least=side)])
        result = {"frame_id": number, "total_faces": len(found[0].confidence), "faces": found[0].boxes_xyxy.tolist()}
        state["producer"].send(RESULTS_TOPIC, json.dumps(result).encode()).get(30)

    return app


def celery_feed(folder: str, frames: str) -> None:
    """Enqueue pictures as fast as it goes; prints when the first was sent."""
    app = celery_app()
    pictures = [base64.b64encode(file.read_bytes()).decode() for file in sorted(Path(folder).iterdir())]
    sys.stdout.write(json.dumps({"started": time.time()}) + "\n")
    sys.stdout.flush()
    for number in range(int(frames)):
        app.send_task("detect", args=(number, pictures[number % len(pictures)]), ignore_result=True)


def _side(cfg: str) -> int:
    line = next(line for line in Path(cfg).read_text().splitlines() if line.startswith("width="))
    return int(line.partition("=")[2])


if os.environ.get("PEER_REDIS"):
    app = celery_app()

if __name__ == "__main__":
    {"bare": bare, "loop": loop, "celery_feed": celery_feed}[sys.argv[1]](*sys.argv[2:])
