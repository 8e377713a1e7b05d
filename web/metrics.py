"""What the web role counts. The registry is passed in: two applications in one process do not share counts."""

import time

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from messaging.refusals import refusal_counter

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class WebMetrics:
    """The counters of one application."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.requests = Counter(
            "crowdwatch_web_requests_total",
            "Requests answered.",
            ["method", "route", "status"],
            registry=registry,
        )
        self.request_seconds = Histogram(
            "crowdwatch_web_request_seconds",
            "Time until an answer was ready to be sent.",
            ["route"],
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self.pictures = Counter("crowdwatch_web_pictures_total", "Pictures accepted into the log.", registry=registry)
        self.tasks_left_to_bridge = Counter(
            "crowdwatch_web_tasks_left_to_bridge_total",
            "Pictures whose task could not be enqueued: the bridge adopts them.",
            registry=registry,
        )
        self.messages_sent = Counter("crowdwatch_web_messages_sent_total", "Messages published.", registry=registry)
        self.messages_delivered = Counter(
            "crowdwatch_web_messages_delivered_total", "Messages given to clients of /receive.", registry=registry
        )
        self.results_followed = Counter(
            "crowdwatch_web_results_followed_total", "First results seen in the log.", registry=registry
        )
        self.results_streamed = Counter(
            "crowdwatch_web_results_streamed_total", "Results and alerts sent to live viewers.", registry=registry
        )
        self.results_dropped = Counter(
            "crowdwatch_web_results_dropped_total",
            "Pieces of the live stream left out for viewers that are too slow.",
            registry=registry,
        )
        self.refused = refusal_counter(
            "web", "Records that live pages left out; sink and notify copy them to frames.dead", registry
        )
        self.viewers = Gauge("crowdwatch_web_viewers", "Live viewers connected now.", registry=registry)


def install(app: Flask, metrics: WebMetrics) -> None:
    """Count every request of `app` by method, route and status."""

    def start() -> None:
        g.started_s = time.monotonic()

    def finish(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "unknown"
        method = request.method if request.method in _METHODS else "other"
        metrics.requests.labels(method, route, str(response.status_code)).inc()
        metrics.request_seconds.labels(route).observe(time.monotonic() - g.started_s)
        return response

    app.before_request(start)
    app.after_request(finish)
