import logging

import pytest

from settings.logs import RareLog


@pytest.fixture
def logger():
    return logging.getLogger("rare")


def test_a_flood_of_one_kind_is_logged_once_in_a_while(logger, caplog):
    now_s = [0.0]
    rare = RareLog(logger, every_s=10, clock=lambda: now_s[0])
    for number in range(1000):
        rare.warning("contract", "%s is no result", f"Faces/0/{number}")
    rare.warning("picture", "another kind", place="frames/0/1")
    now_s[0] = 10.0
    rare.warning("contract", "100 %% of %s", "Faces")
    now_s[0] = 20.0
    rare.warning("contract", "alone")
    assert [record.getMessage() for record in caplog.records] == [
        "Faces/0/0 is no result",
        "another kind",
        "100 % of Faces (and 999 more before it)",
        "alone",
    ]
    assert caplog.records[1].place == "frames/0/1"
