"""The arguments of the one Celery task are checked before anything is done."""

import logging

import pytest

from contracts.tasks import TASK_DETECT_RANGE, DetectRange
from settings import Settings
from workers.worker import make_app

TASK = DetectRange("frames", 0, 3, 5)


class Process:
    """Notes the tasks that it is given."""

    def __init__(self):
        self.tasks = []

    def processor(self):
        return self

    def process(self, task):
        self.tasks.append(task)


@pytest.mark.parametrize(
    "wrong",
    [
        {"partition": "0"},
        {"partition": 2**63},
        {"start": None},
        {"start": 5},
        {"stop": float("nan")},
        {"stop": [1]},
        {"topic": ""},
        {"topic": {}},
        {"attempt": 0},
        {"attempt": 10**400},
    ],
)
def test_a_task_with_wrong_arguments_is_left_out(wrong, caplog):
    process = Process()
    task = make_app(Settings(), process).tasks[TASK_DETECT_RANGE]
    with caplog.at_level(logging.WARNING):
        task(**TASK.to_kwargs() | wrong)
    assert process.tasks == []
    assert "left out a task" in caplog.text
    task(**TASK.to_kwargs())
    assert process.tasks == [TASK]
