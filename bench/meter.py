"""What the pipeline's scenarios are made of: a load, a fleet that it runs through, and what is measured on the way."""

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pymongo
import redis
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from bench.detector import write_cfg
from bench.fleet import SITE, Fleet
from bench.null_site import NULL_PATH
from bench.pipeline_peers import RESULTS_TOPIC
from samples import CLIP
from settings import Settings
from training.validation import resize_cfg

RESULTS = Path(__file__).parent / "results"
PROCESSES = os.cpu_count() or 1
DRAIN_WITHIN_S = 240
MIB = 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Load:
    """What is detected, and how: `site` is put on the roles' path."""

    pictures: Path
    model: str
    runtime: str
    site: Path | None = None
    processes: int = PROCESSES

    def settings(self) -> Settings:
        """The settings of its roles."""
        return Settings(model=self.model, runtime=self.runtime, worker_processes=self.processes, log_level="WARNING")


def null_load(folder: Path) -> Load:
    """Frames of 60 KB that nobody decodes."""
    pictures = folder / "noise"
    pictures.mkdir()
    rng = np.random.default_rng(0)
    for number in range(16):
        (pictures / f"{number:02}.bin").write_bytes(rng.bytes(60_000))
    return Load(pictures, "yolov3-face-lite", "auto", NULL_PATH)


def sample_jpegs(folder: Path) -> Path:
    """Return where frames of the sample clip lie as JPEG of 1280x720, written there at first."""
    pictures = folder / "jpegs"
    if not pictures.exists():
        pictures.mkdir()
        capture = cv2.VideoCapture(str(CLIP))
        for number in range(60):
            _, frame = capture.read()
            cv2.imwrite(str(pictures / f"{number:02}.jpg"), frame, [cv2.IMWRITE_JPEG_QUALITY, 90])
        capture.release()
    return pictures


def jpeg_load(folder: Path, size: int, runtime: str) -> Load:
    """Frames of the sample clip as JPEG of 1280x720, detected at an input of `size`."""
    models = folder / f"model-{size}"
    models.mkdir(exist_ok=True)
    cfg = write_cfg("yolov3-face-lite", models)
    cfg.write_text(resize_cfg(cfg.read_text(), size))
    return Load(sample_jpegs(folder), str(cfg), runtime)


@contextmanager
def running(load: Load, roles: tuple[str, ...] = ("bridge", "worker", "sink")) -> Iterator[Fleet]:
    """A fleet, ready and warm."""
    with tempfile.TemporaryDirectory(prefix="pipeline-") as folder:
        with Fleet(load.settings(), Path(folder), roles, site=load.site) as fleet:
            yield fleet


def feed(fleet: Fleet, load: Load, frames: int, cameras: int = 8, rate: float = 0, note: int = 0) -> "subprocess.Popen":
    """Start to send frames, in a process of its own."""
    settings = fleet.settings
    options = {
        "servers": settings.kafka_bootstrap_servers,
        "topic": settings.topic_frames,
        "frames": frames,
        "cameras": cameras,
        "rate": rate,
        "note": note,
    }
    arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "bench.feed", str(load.pictures), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def stored(fleet: Fleet) -> Callable[[], int]:
    """Return what tells how many documents there are."""
    client: pymongo.MongoClient = pymongo.MongoClient(fleet.settings.mongodb_uri)
    collection = client[fleet.settings.mongodb_database].DetectedFaces
    return collection.estimated_document_count


def wait_for(count: Callable[[], int], wanted: int, what: str) -> float:
    """Wait until `count` reaches `wanted`; return when that was, in seconds since the epoch."""
    began, first = time.monotonic(), count()
    while (found := count()) < wanted:
        elapsed_s = time.monotonic() - began
        if elapsed_s > DRAIN_WITHIN_S:
            raise SystemExit(f"{what}: {found} of {wanted} after {DRAIN_WITHIN_S} s")
        left_s = elapsed_s * (wanted - found) / max(1, found - first)
        # seldom while far from it: each look takes time from what is measured
        time.sleep(min(max(0.02, left_s / 3), 0.5))
    return time.time()


def processor_seconds(fleet: Fleet) -> dict[str, float]:
    """Return the processor time that each process and its children have taken so far."""
    return {name: sum(sum(process.cpu_times()[:2]) for process in fleet.tree(name)) for name in fleet.names}


def memory_mib(fleet: Fleet) -> dict[str, int]:
    """Return the memory that each process and its children hold for themselves (USS)."""
    return {
        name: round(sum(process.memory_full_info().uss for process in fleet.tree(name)) / MIB) for name in fleet.names
    }


def throughput(load: Load, frames: int, cameras: int = 8, rate: float = 0, warm_up: int = 400) -> dict[str, Any]:
    """Frames a second from the first send to the last document, and processor time a frame by process."""
    with running(load) as fleet:
        count = stored(fleet)
        feed(fleet, load, warm_up, cameras).communicate()
        wait_for(count, warm_up, "warming up")
        before = processor_seconds(fleet)
        sender = feed(fleet, load, frames, cameras, rate)
        ended = wait_for(count, warm_up + frames, "throughput")
        spent = {name: seconds - before[name] for name, seconds in processor_seconds(fleet).items()}
        told = json.loads(sender.communicate()[0])
        return {
            "frames": frames,
            "cameras": cameras,
            "frames_a_second": round(frames / (ended - told["started"]), 1),
            "sent_a_second": round(frames / (told["ended"] - told["started"]), 1),
            "processor_ms_a_frame": {name: round(1000 * seconds / frames, 3) for name, seconds in spent.items()},
            "sender_ms_a_frame": round(1000 * told["processor_s"] / frames, 3),
            "processor_ms_a_frame_in_all": round(1000 * sum(spent.values()) / frames, 3),
            "memory_mib": memory_mib(fleet),
        }


def bare_loop(load: Load, seconds: float = 12) -> float:
    """Frames a second of as many bare loops as there are cores."""
    command = [sys.executable, "-m", "bench.pipeline_peers", "bare", load.model, load.runtime, str(load.pictures)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    loops = [
        subprocess.Popen(
            [*command, str(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        for _ in range(PROCESSES)
    ]
    for one in loops:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    rates = []
    for one in loops:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    for one in loops:
        rates.append(json.loads(one.communicate()[0])["frames_a_second"])
    return round(sum(rates), 1)


def replaced_loop(load: Load, frames: int) -> float:
    """Frames a second of the loop that this system replaces, with all frames in the log before it starts."""
    with running(load, roles=()) as fleet:
        servers = fleet.settings.kafka_bootstrap_servers
        _make_topics(servers, fleet.settings.topic_frames, RESULTS_TOPIC)
        feed(fleet, load, frames).communicate()
        command = [sys.executable, "-m", "bench.pipeline_peers", "loop", load.model, servers]
        command += [fleet.settings.topic_frames, str(frames)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return round(json.loads(done.stdout)["frames_a_second"], 1)


def celery_with_pictures(load: Load, frames: int, warm_up: int = 50) -> dict[str, Any]:
    """Frames a second of Celery workers that get the picture in the message, sending included; Redis' memory."""
    with running(load, roles=()) as fleet:
        servers = fleet.settings.kafka_bootstrap_servers
        _make_topics(servers, RESULTS_TOPIC)
        environment = {
            **os.environ,
            "PEER_REDIS": fleet.settings.redis_url,
            "PEER_KAFKA": servers,
            "PEER_MODEL": load.model,
            "PEER_RUNTIME": load.runtime,
            "OMP_NUM_THREADS": "1",
        }
        site = {SITE: f"{load.site}:{Path(__file__).parent.parent}"} if load.site else {}
        options = ["worker", f"--concurrency={PROCESSES}", "--without-mingle", "--without-gossip", "-O", "fair"]
        worker = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "bench.pipeline_peers", *options, "--loglevel=ERROR"],
            env={**environment, **site},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        consumer = KafkaConsumer(bootstrap_servers=servers.split(","))
        place = TopicPartition(RESULTS_TOPIC, 0)

        def count() -> int:
            return int(consumer.end_offsets([place])[place])

        peak: list[int] = []
        over = threading.Event()

        def watch() -> None:
            with redis.Redis.from_url(fleet.settings.redis_url) as client:
                while not over.wait(0.2):
                    peak.append(client.info("memory")["used_memory"])

        watcher = threading.Thread(target=watch, daemon=True)
        try:
            command = [sys.executable, "-m", "bench.pipeline_peers", "celery_feed", str(load.pictures)]
            subprocess.run([*command, str(warm_up)], env=environment, check=True, stdout=subprocess.DEVNULL)
            wait_for(count, warm_up, "the Celery peer warming up")
            watcher.start()
            sender = subprocess.Popen([*command, str(frames)], env=environment, stdout=subprocess.PIPE, text=True)
            ended = wait_for(count, warm_up + frames, "the Celery peer")
            started = json.loads(sender.communicate()[0])["started"]
        finally:
            over.set()
            worker.terminate()
            worker.wait(30)
            consumer.close()
        rate = round(frames / (ended - started), 1)
        return {"frames_a_second": rate, "redis_mib": round(max(peak, default=0) / MIB, 1)}


def latency(load: Load, rate: float, seconds: float = 20) -> dict[str, Any]:
    """Milliseconds from Kafka's acknowledgement to the document, of two frames a second of those sent at `rate`."""
    with running(load) as fleet:
        feed(fleet, load, 400, rate=rate).communicate()
        wait_for(stored(fleet), 400, "warming up")
        client: pymongo.MongoClient = pymongo.MongoClient(fleet.settings.mongodb_uri)
        collection = client[fleet.settings.mongodb_database].DetectedFaces
        sender = feed(fleet, load, int(rate * seconds), rate=rate, note=max(1, round(rate / 4)))
        spans, lines = [], sender.stdout
        assert lines is not None
        for line in lines:
            told = json.loads(line)
            if "place" in told:
                while collection.find_one({"_id": told["place"]}, {"_id": 1}) is None:
                    if time.time() > told["at"] + 30:
                        raise SystemExit(f"no document {told['place']}")
                    time.sleep(0.002)
                spans.append(1000 * (time.time() - told["at"]))
        sender.wait()
        detection = [document["inference_ms"] for document in collection.find({}, {"inference_ms": 1}).limit(200)]
    return {
        "frames_a_second": rate,
        "samples": len(spans),
        "median_ms": round(statistics.median(spans), 1),
        "p99_ms": round(float(np.percentile(spans, 99)), 1),
        "detection_ms": round(statistics.median(detection), 1),
    }


def sink_alone(results: int) -> dict[str, Any]:
    """Results of eight faces each a second that the sink stores, all of them in the log before it starts."""
    record = _record()
    with tempfile.TemporaryDirectory(prefix="pipeline-") as folder:
        with Fleet(Settings(log_level="WARNING"), Path(folder), ("sink",)) as fleet:
            settings, count = fleet.settings, stored(fleet)
            producer = KafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers.split(","), linger_ms=20)
            process = fleet.process("sink")
            assert process is not None
            producer.send(settings.topic_faces, record(results, 0), partition=0)
            producer.flush()
            wait_for(count, 1, "the sink's first result")
            process.suspend()  # not killed: it keeps its partitions
            for number in range(results):
                producer.send(settings.topic_faces, record(number, number % 4), partition=number % settings.partitions)
            producer.flush()
            producer.close()
            before = processor_seconds(fleet)
            process.resume()
            started = time.time()
            ended = wait_for(count, results + 1, "the sink")
            spent = processor_seconds(fleet)
    return {
        "results_a_second": round(results / (ended - started)),
        "processor_ms_a_result": {
            name: round(1000 * (spent[name] - before[name]) / results, 4) for name in ("sink", "mongo", "kafka")
        },
    }


def redis_memory(load: Load, frames: int) -> dict[str, Any]:
    """What Redis holds while frames wait and no worker takes them."""
    with running(load, roles=("bridge", "sink")) as fleet:
        feed(fleet, load, frames, cameras=64).communicate()
        time.sleep(5)
        with redis.Redis.from_url(fleet.settings.redis_url) as client:
            memory: Any = client.info("memory")
            return {
                "frames": frames,
                "redis_mib": round(memory["used_memory"] / MIB, 2),
                "tasks": client.llen("detect"),
            }


def _record() -> Callable[[int, int], bytes]:
    box = {"x": 100, "y": 100, "width": 40, "height": 50}
    faces = [{"face_id": number, "bounding_box": box, "confidence": 0.9} for number in range(8)]
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    model = {"name": "null", "version": "0", "confidence_threshold": 0.5}
    common = {"total_faces": 8, "faces": faces, "camera_id": "gate", "captured_at": now, "detected_at": now}
    common |= {"image": {"width": 1280, "height": 720}, "model": model, "status": "ok", "error": None}
    common |= {"inference_ms": 1.0, "schema_version": 1}

    def make(number: int, partition: int) -> bytes:
        source = {"topic": "other", "partition": partition, "offset": number}
        return json.dumps({"frame_id": number, **common, "source": source}).encode()

    return make


def _make_topics(servers: str, *names: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=servers.split(","))
    admin.create_topics([NewTopic(name, 4 if name == "frames" else 1, 1) for name in names])
    admin.close()
