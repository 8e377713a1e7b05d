"""What the roles of a running system count, read from their own pages."""

import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

_TIMEOUT_S = 5.0

_without_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Series:
    """One line of a role's metrics, without its value."""

    role: str
    name: str
    labels: frozenset[tuple[str, str]]


def read_metrics(urls: Mapping[str, str]) -> dict[Series, float]:
    """Return what each role counts, by the addresses of their metrics; a role that does not answer is left out."""
    return {series: value for role, url in urls.items() for series, value in _read(role, url)}


def _read(role: str, url: str) -> Iterator[tuple[Series, float]]:
    try:
        with _without_proxy.open(url, timeout=_TIMEOUT_S) as answer:
            text = answer.read().decode()
    except OSError:
        return
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield Series(role, sample.name, frozenset(sample.labels.items())), sample.value
