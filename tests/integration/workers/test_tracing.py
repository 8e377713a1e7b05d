"""Traces from camera to document: what a collector is sent, and by whom."""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from messaging.admin import ensure_topics
from tests.integration.workers.conftest import wait_for_count

EXPORTED_WITHIN_S = 60
THEIRS = "4bf92f3577b34da6a3ce929d0e0e4736"
THEIR_SPAN = "00f067aa0ba902b7"
WAY = {"frame", "wait in the log", "detect", "wait for the sink", "write to MongoDB"}


class Collector(ThreadingHTTPServer):
    """Takes spans by OTLP over HTTP, in Protobuf, and keeps them by trace and name, each with its service."""

    daemon_threads = True

    def __init__(self) -> None:
        self.traces: dict[str, dict[str, tuple[str, Any]]] = defaultdict(dict)
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/v1/traces"
        assert isinstance(self.server, Collector)
        for resource in request.resource_spans:
            about = {one.key: one.value.string_value for one in resource.resource.attributes}
            for span in (span for scope in resource.scope_spans for span in scope.spans):
                self.server.traces[span.trace_id.hex()][span.name] = (about["service.name"], span)
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@contextmanager
def collecting() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.slow
def test_a_frame_is_traced_from_its_capture_to_its_document(fleet, documents, foreign, settings):
    picture = cv2.imencode(".jpg", np.zeros((240, 320, 3), np.uint8))[1].tobytes()
    with collecting() as collector:
        told = {"otlp_endpoint": f"http://127.0.0.1:{collector.server_port}", "trace_share": 1.0}
        fleet.settings = fleet.settings.model_copy(update=told)
        ensure_topics(settings)
        fleet.start("bridge", "worker", "sink")
        fleet.wait_for("owning partitions", "bridge")
        foreign.send(settings.topic_frames, picture, key=b"gate").get(60)
        continued = [("traceparent", f"00-{THEIRS}-{THEIR_SPAN}-01".encode())]
        foreign.send(settings.topic_frames, b"no picture", key=b"gate", headers=continued).get(60)
        left_out = [("traceparent", f"00-{'1' * 32}-{THEIR_SPAN}-00".encode())]
        foreign.send(settings.topic_frames, picture, key=b"gate", headers=left_out).get(60)
        wait_for_count(documents, 3)
        deadline = time.monotonic() + EXPORTED_WITHIN_S
        while not (len(collector.traces) == 2 and all(set(spans) == WAY for spans in collector.traces.values())):
            assert time.monotonic() < deadline, {trace: set(spans) for trace, spans in collector.traces.items()}
            time.sleep(0.2)
    for trace, spans in collector.traces.items():
        service, whole = spans["frame"]
        assert service == "sink"
        assert whole.parent_span_id.hex() == (THEIR_SPAN if trace == THEIRS else "")
        assert (whole.status.code == 2) is (trace == THEIRS), "the picture that is none failed"
        for name in WAY - {"frame"}:
            service, span = spans[name]
            assert service == ("worker" if name in ("wait in the log", "detect") else "sink")
            assert span.parent_span_id == whole.span_id
            assert whole.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        about = {one.key: one.value.string_value for one in whole.attributes}
        assert documents.find_one({"_id": about["crowdwatch.frame"]})["status"] == about["crowdwatch.status"]


def test_what_a_worker_logs_names_its_task(fleet, documents, foreign, settings):
    fleet.settings = fleet.settings.model_copy(update={"log_level": "DEBUG"})
    ensure_topics(settings)
    fleet.start("bridge", "worker", "sink")
    fleet.wait_for("owning partitions", "bridge")
    place = foreign.send(settings.topic_frames, b"no picture", key=b"gate").get(60)
    wait_for_count(documents, 1)
    fleet.wait_for('"frame":', "worker")
    lines = [json.loads(line) for line in fleet.log("worker").splitlines() if line.startswith("{")]
    about = [line for line in lines if line.get("frame")]  # more than one where the frame was detected again
    assert {line["frame"] for line in about} == {f"{place.topic}/{place.partition}/{place.offset}"}
    assert about[0]["task"].endswith("attempt 1")
    assert all(" attempt " in line["task"] for line in about)
