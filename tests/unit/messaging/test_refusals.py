import pytest
from prometheus_client import CollectorRegistry

from contracts.errors import ContractError, PictureError, UnreadableError
from contracts.offsets import SourceOffset
from messaging.records import LogRecord
from messaging.refusals import Reason, Refusals, refusal_counter

RECORD = LogRecord(SourceOffset("Faces", 0, 7), 1_795_469_400_123, None, b"rubbish")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ContractError("no JSON"), Reason.CONTRACT),
        (PictureError("truncated"), Reason.PICTURE),
        (UnreadableError("damaged"), Reason.UNREADABLE),
        (RecursionError(), Reason.UNEXPECTED),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"), Reason.UNEXPECTED),
    ],
)
def test_each_error_stands_for_one_reason(error, reason):
    assert Reason.of(error) is reason


def test_refused_records_are_counted_by_reason_and_logged(caplog):
    registry = CollectorRegistry()
    refusals = Refusals(refusal_counter("sink", "Refused", registry), "result")

    def counted(reason):
        return registry.get_sample_value("crowdwatch_sink_refused_total", {"reason": reason})

    assert [counted(reason.value) for reason in Reason] == len(Reason) * [0], "a series is there before the first one"
    refusals.refuse((RECORD, ContractError("no JSON")), (RECORD, RecursionError("too deep")))
    refusals.refuse((RECORD, ContractError("no JSON")))
    assert (counted("contract"), counted("unexpected")) == (2, 1)
    assert [record.getMessage() for record in caplog.records] == [
        "Faces/0/7 is no result: no JSON",
        "Faces/0/7 is no result: RecursionError: too deep",
    ]
