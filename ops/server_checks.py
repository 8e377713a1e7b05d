"""What `crowdwatch doctor` asks servers that are in use: whether the topics fit together, and whether clocks agree."""

from datetime import datetime, timezone
from typing import Literal

from contracts.errors import CrowdwatchError
from settings import Settings

_CLOCK_WARNING_S, _CLOCK_PROBLEM_S = 2.0, 60.0

Told = tuple[Literal["ok", "warning", "problem"], str]
"""How it is, and what is to be said of it."""


def topics_findings(settings: Settings) -> list[Told]:
    """Compare the topics with the settings: a finding for each topic that differs, or one that says all is well."""
    from messaging.admin import numbered_topics, uneven_partitions
    from messaging.topics import examine_topics

    try:
        states = {state.wanted.name: state for state in examine_topics(settings)}
    except CrowdwatchError as error:
        return [("problem", f"{error}; is Kafka running, and does KAFKA_BOOTSTRAP_SERVERS lead to it?")]
    names = numbered_topics(settings)
    found: list[Told] = []
    absent = [name for name, state in states.items() if not state.exists]
    if absent:
        found.append(("warning", f"{', '.join(absent)} will be made when a role starts"))
    problem = uneven_partitions({name: states[name].partitions for name in names if states[name].exists})
    if problem is not None:
        found.append(("problem", problem))
    for name, state in states.items():
        if state.differences:
            parts = [f"{key} is {is_}, the settings say {wanted}" for key, (is_, wanted) in state.differences.items()]
            found.append(("warning", f"{name}: {'; '.join(parts)}; `crowdwatch topics apply` sets it"))
    if not found:
        found.append(("ok", f"{', '.join(names)} have {states[names[0]].partitions} partitions each"))
    return found


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
