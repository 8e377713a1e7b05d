"""What a storm has left: the log compared with the database, and how long things took."""

import bisect
import collections
import dataclasses
import itertools
import json
import time
from collections.abc import Callable, Sequence

import psutil
import pymongo
from kafka import KafkaConsumer, TopicPartition

from settings import Settings

QUIET_WITHIN_S = 600
_AFTERMATH_S = 5.0
_A_BACKLOG = 1000
_CAPACITY_OVER_S = 30.0


@dataclasses.dataclass
class Damage:
    """What was found afterwards. All but the last four must be zero."""

    acknowledged_without_document: int = 0
    documents_without_frame: int = 0
    frames_with_two_documents: int = 0
    good_frames_failed: int = 0
    poison_not_failed: int = 0
    failed_without_reason: int = 0
    watermarks_short: int = 0
    processes_left: int = 0
    in_log: int = 0
    poison: int = 0
    detected_twice: int = 0
    faults: dict[str, int] = dataclasses.field(default_factory=dict)

    @property
    def total(self) -> int:
        """How often the promise was broken."""
        return (
            self.acknowledged_without_document
            + self.documents_without_frame
            + self.frames_with_two_documents
            + self.good_frames_failed
            + self.poison_not_failed
            + self.failed_without_reason
            + self.watermarks_short
            + self.processes_left
        )


@dataclasses.dataclass(frozen=True)
class Times:
    """How long things took.

    Attributes:
        detected_twice_percent: of the frames.
        stalls_s: for how long the watermark stood still after each single fault, by kind. A fault that another one
            followed before the watermark moved is not among them.
        stalls_of_several_s: for how long it stood still after those.
        backlog: frames that had no document when the last fault had happened and the last frame was sent.
        capacity: frames a second at which three quarters of that backlog were stored; of a small one, what was settled
            in the best half minute.
        stored_after_s: from that moment until all was stored and settled.
        stored_after_beyond_backlog_s: the same, less the time that the backlog takes at that capacity.
    """

    detected_twice_percent: float
    stalls_s: dict[str, list[float]]
    stalls_of_several_s: list[float]
    longest_stall_s: float
    backlog: int
    capacity: float
    stored_after_s: float
    stored_after_beyond_backlog_s: float

    @classmethod
    def of(
        cls,
        moves: Sequence[tuple[float, int]],
        faults: Sequence[tuple[float, str]],
        stored: Sequence[tuple[float, int]],
        damage: Damage,
    ) -> "Times":
        """Take the times from the watermark's moves, each with the sum it moved to, and from what happened when.

        `stored` tells how many documents there were at some moments, from the end of faults and frames on.
        """
        at = [moment for moment, _ in moves]
        single, several = collections.defaultdict[str, list[float]](list), []
        following = [*(moment for moment, _ in faults[1:]), float("inf")]
        for (moment, kind), next_fault in zip(faults, following, strict=True):
            stall, until = _stall(at, moment, min(moment + _AFTERMATH_S, next_fault))
            if until > next_fault:
                several.append(stall)
            else:
                single[kind].append(stall)
        backlog, stored_after_s = damage.in_log - stored[0][1], stored[-1][0] - stored[0][0]
        capacity = _rate(stored) if backlog >= _A_BACKLOG else _best_rate(moves)
        return cls(
            detected_twice_percent=round(100 * damage.detected_twice / max(1, damage.in_log), 2),
            stalls_s={kind: sorted(stalls) for kind, stalls in sorted(single.items())},
            stalls_of_several_s=sorted(several),
            longest_stall_s=round(max(later - earlier for earlier, later in itertools.pairwise(at)), 1),
            backlog=backlog,
            capacity=round(capacity, 1),
            stored_after_s=round(stored_after_s, 1),
            stored_after_beyond_backlog_s=round(stored_after_s - backlog / capacity, 1),
        )


def _stall(moves: Sequence[float], since: float, aftermath: float) -> tuple[float, float]:
    """Return the longest time without a move that begins within the aftermath of a fault, and when it ended."""
    first = bisect.bisect_right(moves, since)
    begun, longest, ended = since, 0.0, since
    for move in moves[first:]:
        if move - begun > longest:
            longest, ended = move - begun, move
        begun = move
        if begun > aftermath:
            break
    return round(longest, 1), ended


def _rate(stored: Sequence[tuple[float, int]]) -> float:
    """Return documents a second until three quarters were there; the last frames may wait for what was lost."""
    (begun, first), (_, last) = stored[0], stored[-1]
    ended, most = next(one for one in stored if one[1] >= first + 0.75 * (last - first))
    return (most - first) / (ended - begun)


def _best_rate(moves: Sequence[tuple[float, int]]) -> float:
    """Return frames a second that were settled in the best half minute."""
    (begun, before), (ended, after) = moves[0], moves[-1]
    best, first = (after - before) / (ended - begun), 0  # all that there is, where that is less than half a minute
    for moment, total in moves:
        while moves[first][0] < moment - _CAPACITY_OVER_S:
            first += 1
        if first:
            best = max(best, (total - moves[first - 1][1]) / (moment - moves[first - 1][0]))
    return best


def look(
    settings: Settings, acknowledged: set[str], poisoned: set[str], say: Callable[[str], None]
) -> tuple[Damage, list[tuple[float, int]]]:
    """Wait for quiet and compare the log with the database.

    Returns:
        what is wrong, and how many documents there were at some moments, from now until all was stored and settled.
    """
    damage = Damage(poison=len(poisoned))
    with pymongo.MongoClient(settings.mongodb_uri) as client:
        collection = client[settings.mongodb_database].DetectedFaces
        ends = _ends(settings, settings.topic_frames)
        damage.in_log = sum(ends.values())
        stored: list[tuple[float, int]] = []
        told = -1
        while not stored or stored[-1][0] < stored[0][0] + QUIET_WITHIN_S:
            # counted: what MongoDB estimates is wrong once it was killed
            count, settled = collection.count_documents({}), _watermarks(settings) == ends
            stored.append((time.monotonic(), count))
            if settled and count >= damage.in_log:
                break
            if count // 500 != told:
                told = count // 500
                say(f"{count} of {damage.in_log} are stored")
            time.sleep(0.5)
        fields = {"status": 1, "frame_id": 1, "error": 1}
        documents = {document["_id"]: document for document in collection.find({}, fields)}
    in_log = {f"{place.topic}/{place.partition}/{offset}" for place, end in ends.items() for offset in range(end)}
    status = {key: document["status"] for key, document in documents.items()}
    damage.acknowledged_without_document = len((acknowledged | in_log) - set(status))
    damage.documents_without_frame = len(set(status) - in_log)
    damage.frames_with_two_documents = len(documents) - len({one["frame_id"] for one in documents.values()})
    damage.good_frames_failed = sum(value != "ok" for key, value in status.items() if key not in poisoned)
    damage.poison_not_failed = sum(status.get(key) != "failed" for key in poisoned)
    damage.failed_without_reason = sum(one["status"] == "failed" and not one["error"] for one in documents.values())
    watermarks = _watermarks(settings)
    damage.watermarks_short = sum(watermarks[place] != end for place, end in ends.items())
    damage.detected_twice = _detected_twice(settings)
    return damage, stored


def processes_left(pids: Sequence[int], servers: str) -> int:
    """Count what still runs of `pids`, and whatever else was told to use Kafka at `servers`."""
    left = {pid for pid in pids if _is_running(pid)}
    for process in psutil.process_iter():
        try:
            if process.environ().get("KAFKA_BOOTSTRAP_SERVERS") == servers and _is_running(process.pid):
                left.add(process.pid)
        except psutil.Error:
            continue
    return len(left)


def _is_running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _consumer(settings: Settings, group: str | None = None) -> KafkaConsumer:
    return KafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers.split(","), group_id=group, enable_auto_commit=False
    )


def _ends(settings: Settings, topic: str) -> dict[TopicPartition, int]:
    consumer = _consumer(settings)
    try:
        ends: dict[TopicPartition, int] = consumer.end_offsets(
            [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
        )
        return ends
    finally:
        consumer.close()


def _watermarks(settings: Settings) -> dict[TopicPartition, int]:
    """Return what the bridge has committed for each partition of the frames."""
    consumer = _consumer(settings, f"{settings.group_prefix}-bridge")
    try:
        numbers = consumer.partitions_for_topic(settings.topic_frames)
        places = [TopicPartition(settings.topic_frames, number) for number in numbers]
        return {place: consumer.committed(place) or 0 for place in places}
    finally:
        consumer.close()


def _detected_twice(settings: Settings) -> int:
    """Count the results in `Faces` that are not the first of their frame."""
    seen, repeats = set(), 0
    ends = _ends(settings, settings.topic_faces)
    consumer = _consumer(settings)
    try:
        consumer.assign(list(ends))
        consumer.seek_to_beginning()
        while any(consumer.position(place) < end for place, end in ends.items()):
            for batch in consumer.poll(500).values():
                for record in batch:
                    if record.value is not None:
                        source = json.dumps(json.loads(record.value)["source"])
                        repeats += source in seen
                        seen.add(source)
    finally:
        consumer.close()
    return repeats
