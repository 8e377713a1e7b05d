"""Which alerts go where, and when not."""

import hmac
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from contracts.errors import ContractError
from contracts.events import Alert, Severity
from contracts.notifications import Notifications
from workers.notify import deliveries_of, pause_after, why_not_now
from workers.notify_channels import signature

NOW = datetime(2026, 11, 23, 23, 30, tzinfo=timezone.utc)  # a Monday
ALERT = Alert("intrusion", Severity.CRITICAL, "gate-1", "Somebody is there", "e1", NOW, zone="vault")
HOOK = {"kind": "webhook", "name": "hook", "url": "https://hooks.example/s3cret", "secret": "s3cret"}
MAIL = {"kind": "email", "name": "mail", "host": "mx", "user": "u", "password": "s3cret", "from": "a@b", "to": ["c@d"]}
CHAT = {"kind": "apprise", "name": "chat", "url": "slack://s3cret/token"}


def configured(*rules: dict) -> Notifications:
    return Notifications.model_validate({"channels": [HOOK, MAIL, CHAT], "rules": list(rules)})


def rule(name: str = "all", **fields: object) -> dict:
    return {"name": name, "channels": ["hook"], **fields}


def channels(alert: Alert, *rules: dict) -> list[tuple[str, str | None]]:
    return [(one.channel, one.rule) for one in deliveries_of(alert, configured(*rules), NOW)]


def test_rules_choose_by_rule_camera_and_severity() -> None:
    assert channels(ALERT, rule()) == [("hook", "all")]
    assert channels(ALERT, rule(enabled=False)) == []
    assert channels(ALERT, rule(alert_rules=["capacity"])) == []
    assert channels(ALERT, rule(alert_rules=["intrusion"], cameras=["gate-1"])) == [("hook", "all")]
    assert channels(ALERT, rule(cameras=["gate-2"])) == []
    assert channels(replace(ALERT, severity=Severity.INFO), rule()) == []
    assert channels(replace(ALERT, severity=Severity.INFO), rule(least_severity="info")) == [("hook", "all")]


def test_an_alert_goes_once_over_each_channel() -> None:
    two = channels(ALERT, rule(channels=["hook", "mail"]), rule("second", channels=["mail", "chat"]))
    assert two == [("hook", "all"), ("mail", "all"), ("chat", "second")]
    first, again = (deliveries_of(ALERT, configured(rule()), NOW)[0].delivery_id for _ in range(2))
    assert first == again


def test_what_is_over_or_old_is_not_sent() -> None:
    assert channels(replace(ALERT, cleared_at=NOW), rule()) == []
    assert channels(replace(ALERT, raised_at=NOW - timedelta(hours=7)), rule()) == []


def test_cool_down_and_quiet_hours() -> None:
    [plain] = configured(rule(cool_down_s=60)).rules
    assert why_not_now(plain, NOW, None) is None
    assert why_not_now(plain, NOW, NOW - timedelta(seconds=61)) is None
    assert "60 s" in (why_not_now(plain, NOW, NOW - timedelta(seconds=59)) or "")
    quiet = {"days": "tue", "from": "00:00", "to": "06:00", "time_zone": "Europe/Berlin"}
    [night] = configured(rule(quiet_hours=quiet)).rules
    assert why_not_now(night, NOW, None) == "quiet hours", "it is 00:30 on Tuesday in Berlin"
    assert why_not_now(night, NOW - timedelta(hours=1), None) is None
    assert why_not_now(night, NOW + timedelta(days=1), None) is None


def test_pauses_grow() -> None:
    assert [pause_after(number).total_seconds() for number in (1, 2, 3)] == [5, 20, 80]


def test_secrets_are_masked_and_come_back() -> None:
    stored = configured(rule())
    shown = stored.shown()
    assert "s3cret" not in str(shown)
    assert [channel.get("url") for channel in shown["channels"]] == ["https://hooks.example/***", None, "slack://***"]
    assert Notifications.model_validate(shown).with_secrets_of(stored) == stored
    elsewhere = [{**shown["channels"][1], "host": "evil"}]
    with pytest.raises(ContractError, match="give its password again"):
        Notifications.model_validate({"channels": elsewhere}).with_secrets_of(stored)
    with pytest.raises(ContractError, match="give its url again"):
        Notifications.model_validate({"channels": [shown["channels"][2]]}).with_secrets_of(Notifications())


@pytest.mark.parametrize(
    "wrong",
    [
        {"rules": [rule(channels=["none"])]},
        {"channels": [HOOK, HOOK]},
        {"channels": [{**HOOK, "url": "file:///etc/passwd"}]},
        {"channels": [{**MAIL, "to": ["a@b\r\nBcc: x@y"]}]},
        {"channels": [{**HOOK, "kind": "pigeon"}]},
        {"channels": [HOOK], "rules": [rule(quiet_hours={"from": "25:00", "to": "06:00"})]},
        {"channels": [HOOK], "rules": [rule(quiet_hours={"from": "22:00", "to": "06:00", "time_zone": "Moon/Base"})]},
    ],
)
def test_what_is_wrong_is_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        Notifications.model_validate(wrong)


def test_the_signature_is_an_hmac_of_time_and_body() -> None:
    digest = hmac.new(b"key", b"5.{}", "sha256").hexdigest()
    assert signature("key", 5, b"{}") == f"t=5,v1={digest}"
