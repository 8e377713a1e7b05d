"""What a storm breaks."""

import random
import time
from collections.abc import Callable

import psutil
import redis
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from bench.fleet import Fleet
from settings import Settings

MONGODB_STOPPED_S = 4.0


class Faults:
    """The faults, each by its name. One that finds its victim absent does nothing and says so."""

    def __init__(self, fleet: Fleet, rng: random.Random) -> None:
        self._fleet = fleet
        self._rng = rng
        self._deck: list[str] = []
        self.kinds: dict[str, Callable[[], bool]] = {
            "kill bridge": lambda: self._kill("bridge"),
            "kill worker": lambda: self._kill("worker"),
            "kill worker child": self._kill_child,
            "kill sink": lambda: self._kill("sink"),
            "kill redis": lambda: self._kill("redis"),
            "empty redis": self._empty_redis,
            "kill broker": self._kill_broker,
            "stop mongodb": self._stop_mongodb,
            "kill mongodb": lambda: self._kill("mongo"),
        }

    def next(self) -> tuple[float, str]:
        """Let the next fault happen, as soon as one of those that are due can; return when it began, and its name.

        All kinds come in an order of chance, then all of them again in another.
        """
        while True:
            if not self._deck:
                self._deck = self._rng.sample(list(self.kinds), len(self.kinds))
            for name in self._deck:
                at = time.monotonic()
                if self.kinds[name]():
                    self._deck.remove(name)
                    return at, name
            time.sleep(0.5)

    def _kill(self, name: str) -> bool:
        tree = self._fleet.tree(name)
        for member in tree:
            with _gone_is_fine():
                member.kill()
        return bool(tree)

    def _kill_broker(self) -> bool:
        """Kill one; of several, only while every copy of every partition is in step."""
        brokers = [name for name in self._fleet.names if name.startswith("kafka")]
        if len(brokers) > 1 and not _all_in_step(self._fleet.settings):
            return False
        return self._kill(self._rng.choice(brokers))

    def _kill_child(self) -> bool:
        children = self._fleet.tree("worker")[1:]
        if not children:
            return False
        with _gone_is_fine():
            self._rng.choice(children).kill()
        return True

    def _empty_redis(self) -> bool:
        try:
            with redis.Redis.from_url(self._fleet.settings.redis_url, socket_timeout=2) as client:
                client.flushall()
        except redis.RedisError:
            return False
        return True

    def _stop_mongodb(self) -> bool:
        process = self._fleet.process("mongo")
        if process is None:
            return False
        process.suspend()
        time.sleep(MONGODB_STOPPED_S)
        process.resume()
        return True


def _all_in_step(settings: Settings) -> bool:
    """Whether every broker has a copy of what the others have acknowledged."""
    try:
        admin = KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers.split(","))
        try:
            topics = admin.describe_topics(admin.list_topics())
        finally:
            admin.close()
    except KafkaError:
        return False
    partitions = [partition for topic in topics for partition in topic["partitions"]]
    return all(len(one["isr_nodes"]) == len(one["replica_nodes"]) for one in partitions)


class _gone_is_fine:
    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, psutil.NoSuchProcess)
