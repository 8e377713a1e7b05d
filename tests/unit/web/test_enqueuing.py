from contracts.offsets import SourceOffset
from web.services.enqueuing import tasks_of


def _ranges(*places, batch=16):
    tasks = tasks_of([SourceOffset(topic, partition, offset) for topic, partition, offset in places], batch)
    return [(task.topic, task.partition, task.start, task.stop) for task in tasks]


def test_a_picture_alone_has_a_task_of_its_own():
    assert _ranges(("uploads", 2, 7)) == [("uploads", 2, 7, 8)]


def test_pictures_side_by_side_share_a_task_and_no_other_frame_is_in_it():
    places = [("uploads", 1, 4), ("uploads", 0, 3), ("uploads", 0, 5), ("uploads", 0, 4), ("uploads", 1, 6)]
    assert _ranges(*places) == [("uploads", 0, 3, 6), ("uploads", 1, 4, 5), ("uploads", 1, 6, 7)]


def test_a_task_holds_a_batch_at_most():
    assert _ranges(*(("uploads", 0, offset) for offset in range(5)), batch=2) == [
        ("uploads", 0, 0, 2),
        ("uploads", 0, 2, 4),
        ("uploads", 0, 4, 5),
    ]
