"""What a number of cameras needs, from what a frame costs. Pure."""

import math
from dataclasses import dataclass

from ops.planning.costs import DAY_S, GIB, MIB, Costs, Prices
from settings import Settings
from workers.bridge.pace import TASK_S

BUSY = 0.7
"""How busy a part may be planned: above, queues grow out of proportion."""

NETWORK_BYTES_S = 0.6 * 1.25e9
"""What a broker may send or receive: 60 % of 10 Gbit/s."""

DISK_BYTES_S = 200e6
"""What a broker may write: half of what a plain SSD takes."""

PARTITION_BYTES_S = 10e6
_LEAST_HELD_S = 3600.0
_REDIS_BASE_BYTES = 8 * MIB
_MOST_PARTITIONS = 1000
_MONGO_CORES = 8
_DAYS_A_MONTH = 30.4


@dataclass(frozen=True)
class Load:
    """What comes in. Pictures are `width` by `height` pixels, with so many faces each on average."""

    cameras: int
    fps: float
    width: int
    height: int
    faces: float = 8.0

    def __post_init__(self) -> None:
        if self.cameras < 1 or self.fps <= 0 or min(self.width, self.height) < 1 or self.faces < 0:
            raise ValueError(f"expected cameras, frames a second and pixels above 0, got {self}")

    @property
    def frames_a_second(self) -> float:
        """Frames a second of all cameras."""
        return self.cameras * self.fps

    @property
    def megapixels(self) -> float:
        """Of a picture."""
        return self.width * self.height / 1e6


@dataclass(frozen=True)
class Part:
    """A part of the system: how many processes of it, and how many cores they keep busy."""

    name: str
    processes: int
    cores: float
    why: str


@dataclass(frozen=True)
class Plan:
    """What a load needs.

    Attributes:
        parts: roles and servers; cores are those that are busy, on average.
        capture: reading the cameras, where Crowdwatch does that itself.
        cores: to have, so that none is busier than `BUSY`.
        worker_processes, bridges, sinks: processes.
        gpus: that would take the network off the workers' cores; decoding stays there.
        cores_with_gpus: to have then.
        partitions: of frames, uploads and Faces.
        brokers, copies: of Kafka, and of each record.
        picture_bytes: of a frame.
        broker_in_bytes_s, broker_out_bytes_s: of all brokers, copies included.
        broker_disk_bytes: pictures and results as the settings keep them, copies included.
        log_held_s: how long a picture stays in the log: a longer outage of the workers loses frames.
        redis_bytes: at most.
        mongo_bytes_a_day, mongo_bytes: on the disk, indexes included; the latter for the retention.
        documents_a_day: one a frame.
        settings: those that the plan asks for, by variable.
        warnings: what will not do, and what to do.
    """

    load: Load
    parts: tuple[Part, ...]
    capture: Part
    cores: int
    worker_processes: int
    bridges: int
    sinks: int
    gpus: int
    cores_with_gpus: int
    partitions: int
    brokers: int
    copies: int
    picture_bytes: float
    broker_in_bytes_s: float
    broker_out_bytes_s: float
    broker_disk_bytes: float
    log_held_s: float
    redis_bytes: float
    mongo_bytes_a_day: float
    mongo_bytes: float
    documents_a_day: float
    settings: dict[str, str]
    warnings: tuple[str, ...]

    @property
    def bottleneck(self) -> Part:
        """The part that takes the most processor time."""
        return max(self.parts, key=lambda part: part.cores)

    def month_a_camera(self, prices: Prices) -> float:
        """What one camera costs a month, without capture."""
        disk_gib = (self.broker_disk_bytes + self.mongo_bytes) / GIB
        return (self.cores * prices.core + disk_gib * prices.disk_gib) / self.load.cameras


def make_plan(load: Load, detect_ms: float, costs: Costs, settings: Settings) -> Plan:
    """Return what a load needs.

    Args:
        load: what comes in.
        detect_ms: decoding and detection of a frame, on one core.
        costs: of all else.
        settings: window, copies and retention.
    """
    rate = load.frames_a_second
    workers = _processes(rate, detect_ms + costs.worker_ms)
    bridges, sinks = _processes(rate, costs.bridge_ms), _processes(rate, costs.sink_ms)
    analytics = _processes(rate, costs.analytics_ms)

    picture = costs.picture_bytes_a_pixel * load.width * load.height
    result = costs.result_bytes + costs.result_bytes_a_face * load.faces
    in_bytes_s = rate * (picture + result)
    copies = settings.replication_factor
    received = in_bytes_s * copies
    sent = (
        rate * picture + 4 * rate * result + in_bytes_s * (copies - 1)
    )  # bridge, sink, analytics and web read results
    brokers = max(copies, math.ceil(received / DISK_BYTES_S), math.ceil(max(received, sent) / NETWORK_BYTES_S))

    task_frames = min(max(1, round(1000 * TASK_S / (detect_ms + costs.worker_ms))), settings.batch_size)
    partitions = _partitions(
        settings.partitions,
        2 * max(bridges, sinks, analytics),
        math.ceil(rate * picture / PARTITION_BYTES_S),
        math.ceil(2 * workers * task_frames / settings.window),
    )
    held_s, kept_mib = _held(rate * picture / partitions, settings)
    faces_disk = rate * result * settings.faces_retention_hours * 3600
    disk = copies * (rate * picture * held_s + faces_disk)

    document = (costs.document_bytes + costs.document_bytes_a_face * load.faces) * costs.document_compression
    documents = rate * DAY_S
    mongo_day = documents * (document + costs.index_bytes)
    occupancy = load.cameras * costs.occupancy_bytes_a_camera_day
    mongo_bytes = mongo_day * settings.retention_days + occupancy * settings.occupancy_seconds_days

    def part(name: str, processes: int, ms: float, why: str) -> Part:
        return Part(name, processes, rate * ms / 1000, f"{ms:.2f} ms of processor time a frame{why}")

    mongo_servers = max(1, math.ceil(rate * costs.mongo_ms / 1000 / BUSY / _MONGO_CORES))
    parts = (
        part("workers", workers, detect_ms + costs.worker_ms, f", {detect_ms:.2f} of them to decode and detect"),
        part("bridge", bridges, costs.bridge_ms, "; one process uses one core"),
        part("sink", sinks, costs.sink_ms, "; one process uses one core"),
        part("analytics", analytics, costs.analytics_ms, ", more where many people are in the picture"),
        part("Kafka", brokers, costs.kafka_ms, f"; {copies} of each record"),
        part("MongoDB", mongo_servers, costs.mongo_ms, "; more than one server: sharded by camera"),
        part("Redis", 1, costs.redis_ms, ""),
    )
    capture_ms = load.megapixels * (
        costs.stream_fps * costs.stream_ms_a_megapixel + load.fps * costs.encode_ms_a_megapixel
    )
    capture_cores = load.cameras * capture_ms / 1000
    busy = sum(one.cores for one in parts)
    gpus = math.ceil(rate * costs.gpu_ms / 1000 / BUSY)
    return Plan(
        load=load,
        parts=parts,
        capture=Part(
            "capture",
            math.ceil(capture_cores / BUSY),
            capture_cores,
            f"where it reads the cameras itself: H.264 at {costs.stream_fps:g} frames a second is decoded whole",
        ),
        cores=math.ceil(busy / BUSY),
        worker_processes=workers,
        bridges=bridges,
        sinks=sinks,
        gpus=gpus,
        cores_with_gpus=math.ceil((busy - rate * costs.network_ms / 1000) / BUSY),
        partitions=min(partitions, _MOST_PARTITIONS),
        brokers=brokers,
        copies=copies,
        picture_bytes=picture,
        broker_in_bytes_s=received,
        broker_out_bytes_s=sent,
        broker_disk_bytes=disk,
        log_held_s=held_s,
        redis_bytes=_REDIS_BASE_BYTES + partitions * settings.window * costs.task_bytes,
        mongo_bytes_a_day=mongo_day,
        mongo_bytes=mongo_bytes,
        documents_a_day=documents,
        settings={
            "CROWDWATCH_PARTITIONS": str(min(partitions, _MOST_PARTITIONS)),
            "CROWDWATCH_FRAMES_RETENTION_MIB": str(kept_mib),
        },
        warnings=tuple(_warnings(partitions, held_s, kept_mib, brokers, copies, mongo_servers)),
    )


def _processes(rate: float, ms: float) -> int:
    return max(1, math.ceil(rate * ms / 1000 / BUSY))


def _partitions(*needs: int) -> int:
    """The largest need, in fours."""
    return 4 * math.ceil(max(needs) / 4)


def _held(partition_bytes_s: float, settings: Settings) -> tuple[float, int]:
    """Return how long a picture stays in the log, and the MiB a partition that keep it for an hour or the retention."""
    hours_s = settings.frames_retention_hours * 3600
    wanted_s = min(hours_s, _LEAST_HELD_S)
    if settings.frames_retention_mib < 0:
        return hours_s, -1
    wanted_mib = math.ceil(partition_bytes_s * wanted_s / MIB)
    held_s = min(hours_s, settings.frames_retention_mib * MIB / partition_bytes_s)
    return held_s, max(settings.frames_retention_mib, wanted_mib)


def _warnings(
    partitions: int, held_s: float, kept_mib: int, brokers: int, copies: int, mongo_servers: int
) -> list[str]:
    warnings = []
    if held_s < _LEAST_HELD_S and kept_mib > 0:
        warnings.append(
            f"a picture stays in the log for {held_s / 60:.0f} min: workers that are away for longer lose frames. "
            f"CROWDWATCH_FRAMES_RETENTION_MIB={kept_mib} keeps an hour"
        )
    if partitions > _MOST_PARTITIONS:
        warnings.append(
            f"{partitions} partitions are wanted, more than the {_MOST_PARTITIONS} of one installation: split"
        )
    if brokers > 1 and copies == 1:
        warnings.append(
            "one copy of each record: a broker that is lost takes frames along. CROWDWATCH_REPLICATION_FACTOR=3"
        )
    if mongo_servers > 1:
        warnings.append(f"one MongoDB will not do: {mongo_servers} shards, or fewer frames a second")
    return warnings
