"""The media role: chunks of encoded video from `media-stream`, rebuilt as frames into `frames`.

A chunk's offset is committed when each of its frames is acknowledged. A frame's header `chunk` names where it comes
from. The commit's metadata, `partition:offset` in `frames`, is a place before the first frame of the next chunk and not
far from it. A role that takes over in the middle of a chunk reads on from there, sends what is missing, and nothing
twice. No clock has a part in that.
"""

import logging
import threading
from collections import OrderedDict, deque
from concurrent.futures import Future
from contextlib import closing

from prometheus_client import Counter

from contracts.errors import ContractError, PictureError, UnavailableError
from contracts.frames import FrameHeaders
from contracts.media import CHUNK_HEADER, MediaChunk
from contracts.offsets import SourceOffset
from messaging.admin import ensure_topics
from messaging.consumer import GroupConsumer, Place
from messaging.dead import DeadLetters
from messaging.producer import Producer, wait_for_all
from messaging.reader import LogReader
from messaging.records import LogRecord
from messaging.refusals import Refusals, refusal_counter
from settings import Settings
from workers.media.chunk_process import ChunkProcess
from workers.media.unpacking import ChunkPicture
from workers.runner import run_steps

log = logging.getLogger(__name__)

_POLL_MS = 500
_MOST_UNACKNOWLEDGED = 32
_MOST_UNACKNOWLEDGED_BYTES = 32 * 1024 * 1024
_MOST_KEY_BYTES = 1000
_MOST_CAMERAS = 10_000
_LOOK_RECORDS = 200
_FAR = 1000
"""A place in `frames` that lies further back than this is committed anew before a chunk is begun."""

_LOOK_BACK = 5000
"""How many frames to look through where no place was committed: by a version that committed none for a chunk without
frames."""

_CHUNKS = Counter(
    "crowdwatch_media_chunks",
    "Chunks read from media-stream; outcome: rebuilt, damaged (to frames.dead, what could be decoded was sent)",
    ["outcome"],
)
_REFUSED = refusal_counter("media", "Chunks that are damaged or no chunk, and went to frames.dead")
_FRAMES = Counter("crowdwatch_media_frames", "Frames rebuilt from chunks and acknowledged")


class Media:
    """Owns partitions of `media-stream` through a consumer group, and takes one chunk after the other."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer = GroupConsumer(
            settings, f"{settings.group_prefix}-media", [settings.topic_media], on_assigned=self._on_assigned
        )
        self._producer = Producer(settings, linger_ms=5)
        self._refusals = Refusals(_REFUSED, "whole chunk", DeadLetters(self._producer, settings))
        self._reader = LogReader(settings)
        self._process = ChunkProcess(settings)
        self._partitions = 1
        self._record: LogRecord | None = None
        self._unsure: set[Place] = set()
        self._ends: dict[Place, int] = {}
        self._counted: OrderedDict[str, int] = OrderedDict()
        self._healthy = {"kafka": False}

    def start(self) -> None:
        """Make the topics where they are missing, and join the group.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        ensure_topics(self._settings)
        self._producer.start()
        self._reader.start(topics=[self._settings.topic_frames])
        self._partitions = len(self._reader.partitions([self._settings.topic_frames]))
        self._consumer.start()
        self._healthy["kafka"] = True

    def ready(self) -> dict[str, bool]:
        """Whether Kafka answered last."""
        return dict(self._healthy)

    def close(self) -> None:
        """Leave the group and disconnect."""
        self._process.close()
        self._consumer.close()
        self._reader.close()
        self._producer.close()

    def run(self, stop: threading.Event, count: int | None = None) -> None:
        """Step until `stop` is set, or `count` times. A server that does not answer is waited for."""
        run_steps(self._step, stop, count, healthy=self._healthy, server="kafka")

    def _step(self) -> None:
        """Take the next chunk, or again the one that Kafka's absence interrupted."""
        if self._record is None:
            self._record = next(iter(self._consumer.poll(_POLL_MS, max_records=1)), None)
        if self._record is None:
            return
        place = (self._record.source.topic, self._record.source.partition)
        try:
            self._rebuild(self._record, place)
        except UnavailableError:
            self._unsure.add(place)  # what was sent without an answer may be in the log
            raise
        self._unsure.discard(place)
        self._record = None

    def _rebuild(self, record: LogRecord, place: Place) -> None:
        """Send a chunk's frames, wait until they are acknowledged, and commit it; put it aside if it is damaged."""
        sent = self._sent_before(record, place) if place in self._unsure else {}
        if not sent and not self._mark(record, place):
            return
        outcome = "rebuilt"
        try:
            self._send_frames(_decode(record), place, sent)
        except UnavailableError:
            raise
        except Exception as error:  # whatever a chunk brings about: the next one has done nothing
            outcome = "damaged"
            self._refusals.refuse((record, error))
        _CHUNKS.labels(outcome).inc()
        self._commit(place, record.source.offset + 1)

    def _mark(self, record: LogRecord, place: Place) -> bool:
        """Commit a place before the chunk's first frame if none is known, or one that is far from it.

        Returns whether the chunk is still this process's: after a rebalance the next owner begins it.
        """
        number = self._number(place)
        end = self._reader.ends([(self._settings.topic_frames, number)])[self._settings.topic_frames, number]
        known = self._ends.get(place)
        if known is not None and known <= end <= known + _FAR:
            return True
        self._ends[place] = end
        return self._commit(place, record.source.offset)

    def _commit(self, place: Place, offset: int) -> bool:
        return self._consumer.commit({place: (offset, f"{self._number(place)}:{self._ends[place]}")})

    def _number(self, place: Place) -> int:
        """Return the partition of `frames` that takes the frames of a partition of `media-stream`."""
        return place[1] % self._partitions

    def _send_frames(self, chunk: MediaChunk, place: Place, sent: dict[int, int]) -> None:
        """Send what is not among the pictures that were `sent`, each with its frame's id.

        Raises:
            PictureError: a part of the chunk cannot be decoded; the rest is sent.
            UnavailableError: Kafka did not take a frame.
        """
        wanted = None if chunk.frames is None else [frame.picture for frame in chunk.frames]
        places = {} if chunk.frames is None else {frame.picture: n for n, frame in enumerate(chunk.frames)}
        first_id = self._first_id(chunk) if chunk.frame_id is None else chunk.frame_id
        for picture_number, frame_id in sent.items():  # a predecessor counted on from what it alone had seen
            first_id = frame_id - places.get(picture_number, picture_number)
        waiting: deque[tuple[Future[SourceOffset], int]] = deque()
        seen, last_id = 0, first_id - 1
        try:
            with closing(self._process.pictures(chunk.video, wanted)) as found:  # type: ignore[type-var]
                for picture in found:
                    index, delay_ms = picture.number, picture.at_ms
                    if chunk.frames is not None:
                        index = places[picture.number]
                        delay_ms = chunk.frames[index].delay_ms
                    seen, last_id = seen + 1, first_id + index
                    if picture.number in sent:
                        continue
                    size = len(picture.encoded.data)
                    while waiting and (
                        len(waiting) >= _MOST_UNACKNOWLEDGED
                        or sum(of for _, of in waiting) + size > _MOST_UNACKNOWLEDGED_BYTES
                    ):
                        self._settle(waiting.popleft()[0], place)
                    waiting.append((self._send(chunk, picture, last_id, delay_ms), size))
        finally:
            while waiting:
                self._settle(waiting.popleft()[0], place)
            self._count_on(chunk.camera_id, last_id)
        if wanted is not None and seen < len(wanted):
            raise PictureError(f"the chunk holds {seen} of the {len(wanted)} frames that it should")

    def _send(self, chunk: MediaChunk, picture: ChunkPicture, frame_id: int, delay_ms: int) -> "Future[SourceOffset]":
        headers = chunk.frame_headers(frame_id, delay_ms, picture.encoded.content_type).encode()
        headers.append((CHUNK_HEADER, f"{chunk.source}:{picture.number}".encode()))
        return self._producer.send(
            self._settings.topic_frames,
            picture.encoded.data,
            key=chunk.camera_id.encode(),
            partition=self._number((chunk.source.topic, chunk.source.partition)),
            headers=headers,
        )

    def _settle(self, sent: "Future[SourceOffset]", place: Place) -> None:
        wait_for_all([sent], timeout_s=130)  # longer than the producer tries
        self._ends[place] = sent.result().offset + 1
        _FRAMES.inc()

    def _sent_before(self, record: LogRecord, place: Place) -> dict[int, int]:
        """Return which of a chunk's pictures are in `frames` already, sent by a predecessor or before an outage.

        Each with its frame's id.
        """
        where = (self._settings.topic_frames, self._number(place))
        end = self._reader.ends([where])[where]
        _, metadata = self._consumer.committed(place) or (0, "")
        since = _place_in_frames(metadata, where[1])
        if since is None or since > end:
            since = max(0, end - _LOOK_BACK)
        found: dict[int, int] = {}
        prefix = f"{record.source}:".encode()
        positions = {where: since}
        while positions[where] < end:
            frames, after = self._reader.read_since(positions, _LOOK_RECORDS)
            if after == positions:
                raise UnavailableError(f"cannot read {where[0]}/{where[1]} from {positions[where]} to {end}")
            positions = after
            for frame in frames:
                origin = frame.header(CHUNK_HEADER) or b""
                if origin.startswith(prefix) and origin[len(prefix) :].isdigit():
                    frame_id = FrameHeaders.decode(frame.headers).frame_id
                    found[int(origin[len(prefix) :])] = frame.source.offset if frame_id is None else frame_id
        self._ends.pop(place, None)  # so that a place close to the chunk is committed before its first frame
        if found:
            self._ends[place] = end
        return found

    def _first_id(self, chunk: MediaChunk) -> int:
        """Return the id of a chunk's first frame whose producer does not count: it goes on from the camera's last."""
        captured_ms = int(chunk.captured_at.timestamp() * 1000)
        return max(captured_ms, self._counted.get(chunk.camera_id, -1) + 1)

    def _count_on(self, camera_id: str, last_id: int) -> None:
        self._counted[camera_id] = last_id
        self._counted.move_to_end(camera_id)
        if len(self._counted) > _MOST_CAMERAS:
            self._counted.popitem(last=False)

    def _on_assigned(self, places: set[Place]) -> None:
        """Who owned them before may have died in the middle of a chunk."""
        self._unsure |= places
        for place in places:
            self._ends.pop(place, None)


def _place_in_frames(metadata: str, partition: int) -> int | None:
    """Return the offset in a partition of `frames` that a commit's metadata names, None when it names none there."""
    number, colon, offset = metadata.rpartition(":")
    if not (offset.isascii() and offset.isdigit()) or (colon and number != str(partition)):
        return None
    return int(offset)


def _decode(record: LogRecord) -> MediaChunk:
    """Return the record's chunk; raises ContractError when it is none."""
    if record.key is not None and len(record.key) > _MOST_KEY_BYTES:
        raise ContractError(f"a key of {len(record.key)} bytes names no camera")
    return MediaChunk.from_record(
        record.source, key=record.key, value=record.value, headers=record.headers, timestamp_ms=record.timestamp_ms
    )
