"""The local servers: they answer, listen on loopback alone, and find their data again."""

from typing import Any

import pymongo
from kafka import KafkaAdminClient

from messaging.admin import ensure_topics, ping_kafka
from messaging.tasks import ping_redis
from settings import Settings
from storage.client import ping_mongodb


def test_all_three_answer(settings: Settings) -> None:
    ping_kafka(settings)
    ping_redis(settings)
    ping_mongodb(settings)
    ensure_topics(settings)
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    assert settings.topic_frames in set(admin.list_topics())
    admin.close()
    client: pymongo.MongoClient[dict[str, Any]]
    with pymongo.MongoClient(settings.mongodb_uri) as client:
        assert client[settings.mongodb_database].x.insert_one({"_id": 1}).acknowledged
