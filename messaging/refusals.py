"""What does not pass a role's border: counted by reason, logged once in a while, put aside, and passed."""

import logging
from enum import Enum

from prometheus_client import REGISTRY as PROCESS_REGISTRY
from prometheus_client import CollectorRegistry, Counter

from contracts.errors import ContractError, NotStorableError, PictureError, UnreadableError
from messaging.dead import DeadLetters
from messaging.records import LogRecord
from settings.logs import RareLog

log = logging.getLogger(__name__)

_REASON_CHARS = 500


class Reason(str, Enum):
    """Why a record did not pass: the values of the label `reason`."""

    CONTRACT = "contract"
    """It does not have the shape that its contract asks for."""

    PICTURE = "picture"
    """Its picture or video cannot be decoded."""

    UNREADABLE = "unreadable"
    """The log's record is damaged."""

    DATABASE = "database"
    """The database does not take it."""

    UNEXPECTED = "unexpected"
    """It broke the code that handles it, in a way that nobody foresaw."""

    @classmethod
    def of(cls, error: Exception) -> "Reason":
        """Return the reason that an error stands for."""
        for kind, reason in _KINDS:
            if isinstance(error, kind):
                return reason
        return cls.UNEXPECTED


_KINDS = (
    (ContractError, Reason.CONTRACT),
    (PictureError, Reason.PICTURE),
    (UnreadableError, Reason.UNREADABLE),
    (NotStorableError, Reason.DATABASE),
)


def refusal_counter(role: str, documentation: str, registry: CollectorRegistry = PROCESS_REGISTRY) -> Counter:
    """Return the counter `crowdwatch_<role>_refused_total`, with a series for each reason from the start."""
    counter = Counter(f"crowdwatch_{role}_refused", documentation, ["reason"], registry=registry)
    for reason in Reason:
        counter.labels(reason.value)
    return counter


class Refusals:
    """The records that one role refuses. With `dead`, each is copied to the dead letters.

    `what` completes "frames/0/17 is no …".
    """

    def __init__(self, counter: Counter, what: str, dead: DeadLetters | None = None) -> None:
        self._counter = counter
        self._what = what
        self._dead = dead
        self._log = RareLog(log)

    def refuse(self, *refused: tuple[LogRecord, Exception]) -> None:
        """Count, log and put aside records, each with what was raised for it. Raises nothing itself."""
        letters = []
        for record, error in refused:
            reason = Reason.of(error)
            text = str(error) if reason is not Reason.UNEXPECTED else f"{type(error).__name__}: {error}"
            self._counter.labels(reason.value).inc()
            self._log.warning(
                reason.value, "%s is no %s: %s", record.source, self._what, text[:_REASON_CHARS], record=record.source
            )
            letters.append((record, text[:_REASON_CHARS]))
        if self._dead is not None and letters:
            self._dead.bury_all(letters)
