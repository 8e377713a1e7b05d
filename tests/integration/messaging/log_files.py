"""Damages the log of a real broker on its disk, as a failing disk or a producer with a fault of its own would."""

import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from crc32c import crc32c

_HEADER = struct.Struct(">qiibIhiqqqhii")
_CRC_FROM = 21

Change = Callable[[bytearray], None]
"""Changes the bytes of one batch, from its base offset on."""


def damage(folder: Path, topic: str, partition: int, changes: dict[int, Change]) -> None:
    """Change the batches of a partition that begin at the given offsets; waits until the broker has written them."""
    [log] = folder.glob(f"**/{topic}-{partition}/00000000000000000000.log")
    deadline = time.monotonic() + 30
    while not changes.keys() <= {offset for offset, *_ in _batches(log.read_bytes())}:
        assert time.monotonic() < deadline, f"{log} does not hold {sorted(changes)}"
        time.sleep(0.1)
    for offset, begin, end in list(_batches(log.read_bytes())):
        if offset in changes:
            with log.open("r+b") as file:
                file.seek(begin)
                batch = bytearray(file.read(end - begin))
                changes[offset](batch)
                file.seek(begin)
                file.write(batch)


def _batches(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield base offset, begin and end of each batch."""
    at = 0
    while at + _HEADER.size <= len(data):
        offset, length = struct.unpack_from(">qi", data, at)
        if length <= 0:  # the rest of the file is preallocated
            return
        yield offset, at, at + 12 + length
        at += 12 + length


def sign(batch: bytearray) -> None:
    """Make the checksum that of the batch as it is: the damage came before it was computed."""
    struct.pack_into(">I", batch, 17, crc32c(bytes(batch[_CRC_FROM:])))


def flip(batch: bytearray) -> None:
    """Change a byte of the last record: the checksum is wrong."""
    batch[-3] ^= 0xFF


def codec(number: int) -> Change:
    """Say that the records are compressed in the way of that number."""

    def change(batch: bytearray) -> None:
        batch[22] = batch[22] & ~7 | number
        sign(batch)

    return change


def rubbish_records(batch: bytearray) -> None:
    """Write nonsense where the records are, under a right checksum."""
    batch[_HEADER.size :] = b"\xff" * (len(batch) - _HEADER.size)
    sign(batch)


def count(number: int) -> Change:
    """Say that the batch has so many records."""

    def change(batch: bytearray) -> None:
        struct.pack_into(">i", batch, 57, number)
        sign(batch)

    return change


def base_offset(number: int) -> Change:
    """Move the batch to another offset; its checksum does not cover that."""

    def change(batch: bytearray) -> None:
        struct.pack_into(">q", batch, 0, number)

    return change


def length(number: int) -> Change:
    """Say that the batch is so long."""

    def change(batch: bytearray) -> None:
        struct.pack_into(">i", batch, 8, number)

    return change


def magic(number: int) -> Change:
    """Say that the batch is of another format."""

    def change(batch: bytearray) -> None:
        batch[16] = number

    return change


def last_offset_delta(number: int) -> Change:
    """Say that the batch reaches so far; the checksum is wrong."""

    def change(batch: bytearray) -> None:
        struct.pack_into(">i", batch, 23, number)

    return change
