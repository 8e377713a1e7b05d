"""Where alerts are sent: channels, and rules that say which alerts go over which of them."""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from contracts.cameras import Schedule
from contracts.errors import ContractError
from contracts.events import Alert, Severity

MASK = "***"
_SECRETS = {"webhook": ("url", "secret"), "email": ("password",), "apprise": ("url",)}


def _http(url: str) -> str:
    parts = urlsplit(url)
    if MASK not in url and (parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable()):
        raise ValueError("should be an address that begins with http:// or https://")
    return url


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("should be a time zone such as Europe/Berlin") from error
    return name


def _days(days: str) -> str:
    try:
        Schedule(days).weekdays()
    except ValueError as error:
        raise ValueError("should be days such as mon-fri or sat,sun") from error
    return days


Name = Annotated[str, Field(min_length=1, max_length=100)]
Time = Annotated[str, Field(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Webhook(_Part):
    """JSON to an address, signed when there is a secret. `url` and `secret` are never shown again."""

    kind: Literal["webhook"]
    name: Name
    url: Annotated[str, Field(max_length=2000), AfterValidator(_http)]
    secret: Annotated[str, Field(max_length=500)] | None = None


class Email(_Part):
    """A mail over SMTP. `password` is never shown again."""

    kind: Literal["email"]
    name: Name
    host: Annotated[str, Field(min_length=1, max_length=255)]
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: Annotated[str, Field(max_length=255)] | None = None
    password: Annotated[str, Field(max_length=500)] | None = None
    sender: Annotated[str, Field(alias="from", min_length=3, max_length=255, pattern=r"^[^\r\n]+@[^\r\n]+$")]
    to: Annotated[list[Annotated[str, Field(pattern=r"^[^\r\n]+@[^\r\n]+$", max_length=255)]], Field(min_length=1)]


class AppriseChannel(_Part):
    """One of the many services of apprise, by its address. `url` is never shown again."""

    kind: Literal["apprise"]
    name: Name
    url: Annotated[str, Field(min_length=4, max_length=2000, pattern=r"^[a-z0-9]+://")]


Channel = Annotated[Webhook | Email | AppriseChannel, Field(discriminator="kind")]


class QuietHours(_Part):
    """When nothing is sent: days and times of day in a time zone; past midnight where `to` is earlier."""

    days: Annotated[str, AfterValidator(_days)] = "mon-sun"
    start: Time = Field(alias="from")
    to: Time
    time_zone: Annotated[str, AfterValidator(_zone)] = "UTC"


class NotificationRule(_Part):
    """Which alerts go over which channels. An empty list of alert rules or cameras means all of them.

    `cool_down_s` counts from the last notification of this rule that was sent.
    """

    name: Name
    channels: Annotated[list[Name], Field(min_length=1, max_length=50)]
    enabled: bool = True
    alert_rules: list[Name] = Field([])
    cameras: list[Annotated[str, Field(max_length=200)]] = Field([])
    least_severity: Severity = Severity.WARNING
    cool_down_s: Annotated[float, Field(ge=0, le=7 * 86400)] = 300
    quiet_hours: QuietHours | None = None

    def wants(self, alert: Alert) -> bool:
        """Whether this alert is one for this rule."""
        order = list(Severity)
        return (
            self.enabled
            and (not self.alert_rules or alert.rule in self.alert_rules)
            and (not self.cameras or alert.camera_id in self.cameras)
            and order.index(alert.severity) >= order.index(self.least_severity)
        )


class Notifications(_Part):
    """Every channel and rule."""

    channels: Annotated[list[Channel], Field(max_length=50)] = Field([])
    rules: Annotated[list[NotificationRule], Field(max_length=200)] = Field([])

    @model_validator(mode="after")
    def _names_fit(self) -> "Notifications":
        known = [channel.name for channel in self.channels]
        names = [rule.name for rule in self.rules]
        if len(set(known)) < len(known) or len(set(names)) < len(names):
            raise ValueError("channels should have different names, and so should rules")
        for rule in self.rules:
            unknown = set(rule.channels) - set(known)
            if unknown:
                raise ValueError(f"rule {rule.name}: there is no channel {', '.join(sorted(unknown))}")
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return all as JSON types, secrets included."""
        return self.model_dump(mode="json", by_alias=True)

    def shown(self) -> dict[str, Any]:
        """Return all as JSON types, secrets masked."""
        document = self.to_dict()
        for channel in document["channels"]:
            for name in _SECRETS[channel["kind"]]:
                channel[name] = masked_secret(channel[name])
        return document

    def with_secrets_of(self, stored: "Notifications") -> "Notifications":
        """Return this with each mask replaced by the secret that it stands for.

        Raises:
            ContractError: a mask stands for nothing: the channel is new, or has another kind or host.
        """
        document, before = self.to_dict(), {channel.name: channel for channel in stored.channels}
        for channel in document["channels"]:
            known = before.get(channel["name"])
            for name in _SECRETS[channel["kind"]]:
                if channel[name] is None or MASK not in channel[name]:
                    continue
                same = known is not None and known.kind == channel["kind"]
                same = same and getattr(known, "host", None) == channel.get("host")
                secret = getattr(known, name) if same else None
                if secret is None or masked_secret(secret) != channel[name]:
                    raise ContractError(f"channel {channel['name']}: give its {name} again")
                channel[name] = secret
        return Notifications.model_validate(document)


def masked_secret(secret: str | None) -> str | None:
    """Return what is shown of a secret: of an address its scheme and, of a web address, its host."""
    if secret is None or "://" not in secret:
        return None if secret is None else MASK
    scheme, _, rest = secret.partition("://")
    if scheme in ("http", "https"):
        host = rest.partition("/")[0].rpartition("@")[2]
        return f"{scheme}://{host}/{MASK}"
    return f"{scheme}://{MASK}"
