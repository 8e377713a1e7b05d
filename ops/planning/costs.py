"""What a frame costs: the one place that holds the figures, and says where each is from.

Processor times of the plumbing were taken on two cores of a shared Xeon that was busy with other work, so that a plan
is on the safe side; `with_backlog` has them for a machine that does nothing else and is never short of frames, from
`bench/results/prediction.json`. What the detector takes is from the Xeon too: `crowdwatch plan --measure` replaces it
by what it takes where that runs.
"""

from dataclasses import dataclass, replace

MIB = 1024 * 1024
GIB = 1024 * MIB
DAY_S = 24 * 3600


@dataclass(frozen=True)
class Costs:
    """Processor milliseconds of a frame, by process, and bytes.

    Attributes:
        kafka_ms: the brokers, a picture written and read once, and its result.
        redis_ms: the task queue.
        mongo_ms: the write of a result.
        bridge_ms: planning and settling.
        worker_ms: a worker's part but for decoding and detection: queue, read, publish.
        sink_ms: reading a result and writing it.
        wait_ms: not processor time: how long a worker process waits for the log, to read and for acknowledgements.
        sender_ms: what puts a frame into the log, where that shares the cores.
        analytics_ms: tracks and uses, of a picture with more faces than the ten of `bench/results/analytics.json`.
        decode_ms_a_megapixel: a JPEG, at the scale that the network needs (sample clip, one thread).
        network_ms: `yolov3-face-lite` at 512, one thread, the runtime that `auto` chose (OpenVINO, int8): 9.4 ms at 416
            there, and 5.7 to 4.2 ms between the two inputs on a Zen 5 (`models/accuracy/evaluation.json`).
        stream_ms_a_megapixel: a frame of an H.264 stream, decoded (sample clip, one thread).
        encode_ms_a_megapixel: a frame of a stream brought to BGR and encoded as JPEG.
        stream_fps: frames a second that a camera sends; capture decodes all, whatever it keeps. Assumed.
        gpu_ms: a frame's time on a GPU, in batches. Assumed, not measured.
        picture_bytes_a_pixel: a JPEG. Between 0.10 (sample clip, quality 85) and 0.19 (benchmark's, quality 90).
        result_bytes, result_bytes_a_face: a result in `Faces`.
        task_bytes: a task in Redis: its message (1,127 bytes) and what a list keeps for it.
        document_bytes, document_bytes_a_face: a document as BSON.
        document_compression: what of that is on the disk (20,000 documents of eight faces, snappy).
        index_bytes: what the four indexes hold of it.
        occupancy_bytes_a_camera_day: the time series of seconds.
    """

    kafka_ms: float = 1.0
    redis_ms: float = 0.05
    mongo_ms: float = 0.3
    bridge_ms: float = 0.6
    worker_ms: float = 1.7
    sink_ms: float = 0.5
    wait_ms: float = 0.75
    sender_ms: float = 0.2
    analytics_ms: float = 2.0
    decode_ms_a_megapixel: float = 4.2
    network_ms: float = 12.8
    stream_ms_a_megapixel: float = 5.4
    encode_ms_a_megapixel: float = 6.2
    stream_fps: float = 25.0
    gpu_ms: float = 1.0
    picture_bytes_a_pixel: float = 0.15
    result_bytes: int = 403
    result_bytes_a_face: int = 91
    task_bytes: int = 1300
    document_bytes: int = 394
    document_bytes_a_face: int = 97
    document_compression: float = 0.28
    index_bytes: int = 82
    occupancy_bytes_a_camera_day: int = 450_000

    @property
    def plumbing_ms(self) -> float:
        """Processor time of a frame from the log to the document, without decoding and detection."""
        return self.kafka_ms + self.redis_ms + self.mongo_ms + self.bridge_ms + self.worker_ms + self.sink_ms

    def detect_ms(self, width: int, height: int) -> float:
        """Decoding and detection of a picture of that size, on one core."""
        return self.network_ms + self.decode_ms_a_megapixel * width * height / 1e6


@dataclass(frozen=True)
class Prices:
    """What a month costs, in any currency. Assumed, of the order of what is rented in 2026: put in your own."""

    core: float = 15.0
    gpu: float = 600.0
    disk_gib: float = 0.08


def with_backlog(costs: Costs) -> Costs:
    """Return the costs where frames wait: tasks are full, so a frame bears less of what each task costs."""
    return replace(costs, kafka_ms=0.55, redis_ms=0.02, mongo_ms=0.17, bridge_ms=0.17, worker_ms=1.05, sink_ms=0.2)
