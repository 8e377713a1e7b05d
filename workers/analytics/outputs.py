"""What the analytics of one camera have to tell, between two checkpoints."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from contracts.clocks import CameraClock
from contracts.errors import ContractError
from contracts.events import Alert, Event, compact_json
from contracts.occupancy import Heat, Occupancy, VenuePart
from contracts.times import from_rfc3339, to_rfc3339

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass
class Outputs:
    """All of it can be delivered again: ids are deterministic, counts absolute.

    Attributes:
        events: in the order in which they were found.
        alerts: as raised, and once more as cleared.
        seconds: occupancy for each second.
        rollups: minutes, hours and days with the name of their span, as they now stand.
        heats: as they now stand.
        venues: what this camera has counted into each venue, as it now stands.
        clocks: how far the camera's clock is from the log's, as measured last.
    """

    events: list[Event] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    seconds: list[Occupancy] = field(default_factory=list)
    rollups: list[tuple[str, Occupancy]] = field(default_factory=list)
    heats: list[Heat] = field(default_factory=list)
    venues: list[VenuePart] = field(default_factory=list)
    clocks: list[CameraClock] = field(default_factory=list)

    @property
    def urgent(self) -> bool:
        """Whether somebody waits for it."""
        return bool(self.events or self.alerts)

    def __len__(self) -> int:
        return sum(map(len, vars(self).values()))

    def encode(self) -> bytes:
        """Return the outputs as JSON."""
        return compact_json(
            {
                "events": [msgspec.Raw(event.encode()) for event in self.events],
                "alerts": [msgspec.Raw(alert.encode()) for alert in self.alerts],
                "seconds": [vars(one) for one in self.seconds],
                "rollups": [[span, vars(one)] for span, one in self.rollups],
                "heats": [heat.to_dict() for heat in self.heats],
                "venues": [vars(part) for part in self.venues],
                "clocks": [[one.camera_id, one.skew_s, to_rfc3339(one.measured_at)] for one in self.clocks],
            }
        )

    @classmethod
    def decode(cls, value: bytes) -> "Outputs":
        """Read what `encode` returned."""
        fields: dict[str, list[Any]] = json.loads(value)
        return cls(
            events=_readable(Event.decode, fields["events"]),
            alerts=_readable(Alert.decode, fields["alerts"]),
            seconds=[Occupancy.from_dict(one) for one in fields["seconds"]],
            rollups=[(span, Occupancy.from_dict(one)) for span, one in fields["rollups"]],
            heats=[Heat.from_dict(one) for one in fields["heats"]],
            venues=[VenuePart(**one) for one in fields["venues"]],
            clocks=[CameraClock(name, skew_s, from_rfc3339(at)) for name, skew_s, at in fields.get("clocks", [])],
        )


def _readable(decode: Callable[[bytes], T], stored: list[Any]) -> list[T]:
    """Decode what a checkpoint holds; leave out what an older version wrote and this one refuses."""
    readable = []
    for one in stored:
        try:
            readable.append(decode(json.dumps(one).encode()))
        except ContractError as error:
            log.warning("left out of a checkpoint: %s", error)
    return readable
