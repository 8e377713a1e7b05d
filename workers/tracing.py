"""Traces, for those who ask: what a frame waited for between its camera and its document, as OpenTelemetry spans.

A trace needs nothing to travel with a task. Its ids are made from the frame itself, so that a worker and a sink, which
know nothing of each other, agree on them and on which frames are traced. A frame whose producer has a trace of its own
(header `traceparent`, as W3C has it) continues that.
"""

import hashlib
import re
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from contracts.errors import ConfigurationError
from contracts.faces import FacesRecord
from contracts.tasks import DetectRange
from settings import Settings
from workers.outcomes import Outcome

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_EXPORT_TIMEOUT_S = 5
_QUEUE = 8192


@dataclass(frozen=True)
class FrameTrace:
    """The ids of a frame's trace: of the trace, of the span that is the whole frame, of its producer's span (or 0)."""

    trace_id: int
    span_id: int
    parent_id: int


def trace_of(record: FacesRecord, traceparent: bytes | None, share: float) -> FrameTrace | None:
    """Return the trace of a frame; None when it is not among those to be traced.

    Args:
        record: the frame's result.
        traceparent: the header that its producer gave it. One that cannot be read counts as absent.
        share: of the frames whose producer leaves it to us, from 0 to 1.
    """
    digest = hashlib.sha256(f"{record.source} {record.captured_at.isoformat()}".encode()).digest()
    trace_id, span_id = int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:24], "big")
    told = _TRACEPARENT.fullmatch(traceparent or b"")
    if told and int(told[1], 16) and int(told[2], 16):
        return FrameTrace(int(told[1], 16), span_id, int(told[2], 16)) if int(told[3], 16) & 1 else None
    return FrameTrace(trace_id, span_id, 0) if int.from_bytes(digest[24:], "big") < share * 2**64 else None


class FrameTracer:
    """Makes spans and hands them to an exporter, whose thread sends them; what does not fit its queue is dropped.

    Args:
        role: the name of the service.
        share: of the frames, from 0 to 1.
        processor: takes spans that have ended.
    """

    def __init__(self, role: str, share: float, processor: "SpanProcessor") -> None:
        from opentelemetry.sdk.resources import Resource

        self._share = share
        self._processor = processor
        self._resource = Resource.create(
            {"service.namespace": "crowdwatch", "service.name": role, "service.instance.id": socket.gethostname()}
        )

    def detected(self, task: DetectRange, outcomes: Iterable[Outcome], ended: datetime, task_s: float) -> None:
        """Tell of each frame of a task how long it waited in the log, and of the task that detected it."""
        began = ended - timedelta(seconds=task_s)
        for outcome in outcomes:
            if outcome.result is not None and (trace := trace_of(outcome.result, outcome.traceparent, self._share)):
                self._end(trace, "wait in the log", outcome.result.captured_at, began, {})
                about: dict[str, str | int | float] = {"task": str(task), "frames": len(task.offsets)}
                if outcome.result.inference_ms is not None:
                    about["inference_ms"] = outcome.result.inference_ms
                self._end(trace, "detect", began, ended, about)

    def stored(self, results: Sequence[tuple[FacesRecord, bytes | None]], ended: datetime, write_s: float) -> None:
        """Tell of each result how long it took into MongoDB, and of the frame as a whole; with the `traceparent`s."""
        for result, traceparent in results:
            if trace := trace_of(result, traceparent, self._share):
                began = ended - timedelta(seconds=write_s)
                self._end(trace, "wait for the sink", result.detected_at, began, {})
                self._end(trace, "write to MongoDB", began, ended, {"results": len(results)})
                about = {"frame": str(result.source), "camera": result.camera_id, "status": result.status.value}
                self._end(trace, "frame", result.captured_at, ended, about, result.error, whole=True)

    def close(self) -> None:
        """Send what waits, and stop."""
        self._processor.shutdown()

    def _end(
        self,
        trace: FrameTrace,
        name: str,
        began: datetime,
        ended: datetime,
        about: Mapping[str, str | int | float],
        error: str | None = None,
        whole: bool = False,
    ) -> None:
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
        from opentelemetry.trace import Status as SpanStatus
        from opentelemetry.trace.status import StatusCode

        began = min(began, ended)  # clocks differ
        span_id = trace.span_id if whole else _span_id(trace.span_id, name, began)
        parent_id = trace.parent_id if whole else trace.span_id
        sampled = TraceFlags(TraceFlags.SAMPLED)
        parent = SpanContext(trace.trace_id, parent_id, is_remote=True, trace_flags=sampled) if parent_id else None
        self._processor.on_end(
            ReadableSpan(
                name,
                context=SpanContext(trace.trace_id, span_id, is_remote=False, trace_flags=sampled),
                parent=parent,
                resource=self._resource,
                attributes={f"crowdwatch.{key}": value for key, value in about.items()},
                kind=SpanKind.CONSUMER,
                status=SpanStatus(StatusCode.ERROR, error) if error else SpanStatus(),
                start_time=_nanoseconds(began),
                end_time=_nanoseconds(ended),
            )
        )


def make_tracer(settings: Settings, role: str) -> FrameTracer | None:
    """Return the tracer of a role, None where no traces are asked for. Make it after a fork: it has a thread.

    Raises:
        ConfigurationError: traces are asked for, and OpenTelemetry is not installed.
    """
    if settings.otlp_endpoint is None:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigurationError(
            "CROWDWATCH_OTLP_ENDPOINT needs OpenTelemetry: pip install 'crowdwatch[tracing]'"
        ) from error
    url = f"{settings.otlp_endpoint.rstrip('/')}/v1/traces"
    exporter = OTLPSpanExporter(endpoint=url, timeout=_EXPORT_TIMEOUT_S)
    return FrameTracer(role, settings.trace_share, BatchSpanProcessor(exporter, max_queue_size=_QUEUE))


def _span_id(frame_id: int, name: str, began: datetime) -> int:
    digest = hashlib.sha256(f"{frame_id} {name} {began.isoformat()}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def _nanoseconds(at: datetime) -> int:
    return round(at.timestamp() * 1e6) * 1000
