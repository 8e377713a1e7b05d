import pytest
from prometheus_client import CollectorRegistry

from web.errors import RequestError
from web.metrics import WebMetrics
from web.services.viewers import Viewers


@pytest.fixture
def registry():
    return CollectorRegistry()


def test_a_viewer_sees_what_comes_after_it_joined(registry, make_record):
    viewers = Viewers(2, WebMetrics(registry))
    viewers.publish(make_record(0))
    viewer = viewers.join()
    viewers.publish(make_record(1))
    assert viewer.next(0.01) == make_record(1)
    assert viewer.next(0.01) is None


def test_a_viewer_of_one_camera_sees_that_one(registry, make_record):
    viewers = Viewers(2, WebMetrics(registry))
    viewer = viewers.join("gate-2")
    viewers.publish(make_record(0, camera_id="gate-1"))
    viewers.publish(make_record(1, camera_id="gate-2"))
    assert viewer.next(0.01) == make_record(1, camera_id="gate-2")


def test_the_limit_holds_until_one_leaves(registry):
    viewers = Viewers(1, WebMetrics(registry))
    viewer = viewers.join()
    with pytest.raises(RequestError, match="1 viewers are connected") as refused:
        viewers.join()
    assert (refused.value.status, refused.value.code) == (503, "too_many_viewers")
    assert refused.value.retry_after_s
    viewer.leave()
    viewer.leave()
    viewers.join()
    assert registry.get_sample_value("crowdwatch_web_viewers") == 1


def test_a_slow_viewer_misses_the_oldest(registry, make_record):
    viewers = Viewers(1, WebMetrics(registry))
    viewer = viewers.join()
    for offset in range(300):
        viewers.publish(make_record(offset))
    assert viewer.next(0.01) == make_record(44)
    assert registry.get_sample_value("crowdwatch_web_results_dropped_total") == 44
