"""A short run of odd records, headers, keys, pictures and documents. The long ones are `python -m bench.fuzz`."""

import json
from pathlib import Path

import pytest

from bench.fuzz.run import Fuzz, run
from bench.fuzz.system import started

FUZZ = Fuzz(seed=1, count=1000, requests=300, pictures=12)


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(420)
@pytest.mark.filterwarnings(
    r"ignore:unclosed <socket\.socket:ResourceWarning"
)  # kafka-python's, as in tests/conftest.py
def test_nothing_odd_stops_a_role_or_hides_a_good_frame(tmp_path: Path):
    told: list[str] = []
    with started(tmp_path) as system:
        result = run(FUZZ, system, told.append, lambda done: None)
    found = result.verdict
    assert found.problems == [], f"{FUZZ}\n" + "\n".join([*told, json.dumps(result.to_dict(), indent=1)])
    assert (found.stored_by_http, found.stored_by_kafka) == (FUZZ.pictures, FUZZ.pictures)
    assert len(result.records_by_topic) == 8
    assert sum(result.answers.values()) == FUZZ.requests
