"""The ids of topics, asked of a real broker."""

import threading
import time

import pytest
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.admin import NewTopic

from contracts.errors import UnavailableError
from messaging.client import common_config, consumer_config
from messaging.consumer import Follower, GroupConsumer
from messaging.log_ids import CurrentLogs, ask_log_ids
from messaging.producer import Producer


@pytest.fixture
def admin(settings):
    admin = KafkaAdminClient(**common_config(settings, "test"))
    yield admin
    admin.close()


def make_anew(admin, topic, partitions=1):
    """Delete a topic if it is there, and make it."""
    if topic in admin.list_topics():
        admin.delete_topics([topic])
        deadline = time.monotonic() + 20
        while topic in admin.list_topics():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    admin.create_topics([NewTopic(topic, partitions, 1)])


def test_a_topic_that_is_made_again_has_another_id_at_once(settings, admin):
    topics = (settings.topic_frames, settings.topic_uploads)
    logs = CurrentLogs(settings, topics)
    assert logs.last() == {}
    assert logs.ask() == {}, "neither exists"
    seen = []
    for _ in range(3):
        make_anew(admin, settings.topic_frames)
        seen.append(logs.ask())
        assert logs.last() == seen[-1]
    assert all(set(ids) == {settings.topic_frames} for ids in seen)
    assert len({ids[settings.topic_frames] for ids in seen}) == 3
    make_anew(admin, settings.topic_uploads)
    assert set(logs.ask()) == set(topics)
    logs.close()


def test_an_answer_serves_those_who_asked_before_it(settings, admin):
    make_anew(admin, settings.topic_frames)
    logs = CurrentLogs(settings, [settings.topic_frames])
    since_s = time.monotonic()
    first = logs.ask(since_s)
    make_anew(admin, settings.topic_frames)
    assert logs.ask(since_s) == first
    assert logs.ask() != first
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(logs.ask())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == 8 * [logs.last()]
    logs.close()


def test_a_consumer_at_work_can_be_asked(settings, admin):
    make_anew(admin, settings.topic_frames)
    consumer = KafkaConsumer(**consumer_config(settings, "test") | {"group_id": None})
    started = time.monotonic()
    for _ in range(50):
        assert set(ask_log_ids(consumer, [settings.topic_frames])) == {settings.topic_frames}
    assert time.monotonic() - started < 5, "an answer takes milliseconds"
    consumer.close()


def test_brokers_that_do_not_answer_are_told_of(settings):
    nowhere = settings.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:9"})
    logs = CurrentLogs(nowhere, [settings.topic_frames])
    with pytest.raises(UnavailableError):
        logs.ask()
    assert logs.last() == {}
    logs.close()


@pytest.mark.parametrize("new", [2, 9], ids=["shorter", "longer"])
def test_a_member_at_work_begins_anew_in_a_topic_that_is_made_again(settings, admin, new):
    """Whether the new log is shorter than what was read of the old one, or longer."""
    topic, seen = settings.topic_frames, []
    make_anew(admin, topic)
    producer = Producer(settings)
    producer.start()

    def commit_what_was_read(places):
        member.commit({place: (5, "") for place in places})

    member = GroupConsumer(
        settings,
        f"{settings.group_prefix}-anew",
        [topic],
        on_revoked=commit_what_was_read,
    )
    member.start()

    def read_until(expected):
        deadline = time.monotonic() + 60
        while seen[-len(expected) :] != expected:
            assert time.monotonic() < deadline, seen
            seen.extend((record.source.offset, record.value) for record in member.poll(200))

    try:
        for number in range(5):
            producer.send(topic, b"old %d" % number).result(20)
        read_until([(number, b"old %d" % number) for number in range(5)])
        make_anew(admin, topic)
        for number in range(new):
            producer.send(topic, b"new %d" % number).result(60)
        seen.clear()  # what lies behind the old position may come once before the member has noticed
        read_until([(number, b"new %d" % number) for number in range(new)])
    finally:
        member.close()
        producer.close()


def test_a_follower_says_that_its_topic_was_made_again(settings, admin):
    make_anew(admin, settings.topic_faces)
    follower = Follower(settings, settings.topic_faces)
    follower.start()
    assert follower.poll(100) == []
    make_anew(admin, settings.topic_faces)
    deadline = time.monotonic() + 60
    with pytest.raises(UnavailableError, match="made again"):
        while time.monotonic() < deadline:
            follower.poll(200)
    follower.close()
