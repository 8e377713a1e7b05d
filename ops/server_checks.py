"""What `crowdwatch doctor` asks servers that are in use: whether the topics fit together, and whether clocks agree."""

from datetime import datetime, timezone
from typing import Literal

from contracts.errors import CrowdwatchError
from settings import Settings

_CLOCK_WARNING_S, _CLOCK_PROBLEM_S = 2.0, 60.0

Told = tuple[Literal["ok", "warning", "problem"], str]
"""How it is, and what is to be said of it."""


def topics_finding(settings: Settings) -> Told:
    """Compare the topics with the settings."""
    from messaging.admin import partition_counts

    names = (settings.topic_frames, settings.topic_uploads, settings.topic_faces)
    try:
        counts = partition_counts(settings)
    except CrowdwatchError as error:
        return "problem", f"{error}; is Kafka running, and does KAFKA_BOOTSTRAP_SERVERS lead to it?"
    absent = [name for name in names if name not in counts]
    if absent:
        return "warning", f"{', '.join(absent)} will be made when a role starts"
    found = {name: counts[name] for name in names}
    if len(set(found.values())) > 1:
        return "problem", f"need the same number of partitions, have {found}: add partitions to the smaller ones"
    there = found[settings.topic_frames]
    if there != settings.partitions:
        return "warning", f"have {there} partitions, the settings say {settings.partitions}: topics keep what they have"
    return "ok", f"{', '.join(names)} have {there} partitions each"


def clock_finding(settings: Settings) -> Told:
    """Compare this machine's clock with that of MongoDB: sign-in, leases and time lines rest on it."""
    from storage.client import server_time

    before = datetime.now(timezone.utc)
    try:
        there = server_time(settings)
    except CrowdwatchError as error:
        return "problem", f"{error}; is MongoDB running, and does MONGODB_URI lead to it?"
    after = datetime.now(timezone.utc)
    apart_s = max((before - there).total_seconds(), (there - after).total_seconds(), 0.0)
    if apart_s > _CLOCK_WARNING_S:
        level: Literal["warning", "problem"] = "problem" if apart_s > _CLOCK_PROBLEM_S else "warning"
        return level, f"{apart_s:.0f} s apart from MongoDB's: let both follow an NTP server"
    return "ok", "agrees with MongoDB's"
