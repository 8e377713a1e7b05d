"""Which values each kind of alert can be tuned by, in a camera's `rules`."""

from collections.abc import Mapping
from typing import Any

from contracts.cameras import Camera, RuleSettings
from contracts.errors import ContractError

TUNABLES: Mapping[str, tuple[str, ...]] = {
    "density": (),
    "capacity": (),
    "intrusion": ("minimum_s",),
    "gathering": ("people", "minimum_s"),
    "dispersal": ("people", "minimum_s"),
    "distance": ("minimum_s",),
    "bottleneck": ("people", "minimum_s"),
    "camera_offline": ("minimum_s",),
    "clock_skew": ("minimum_s",),
}
"""`people` is from how many people on, `minimum_s` after how many seconds; of `clock_skew` it is from how many seconds
that the clock is wrong. A zone's own limit decides about `density`, a venue's about `capacity`."""


def rule_of(camera: Camera, name: str) -> RuleSettings:
    """Return a camera's settings of one kind of alert."""
    rules: Mapping[Any, RuleSettings] = camera.rules
    return rules.get(name) or RuleSettings()


def check_rule(name: str, rule: RuleSettings, what: str) -> None:
    """Check that a rule sets only what its kind is tuned by.

    Raises:
        ContractError: it sets another value; the message lists what can be set.
    """
    for key in ("people", "minimum_s"):
        if getattr(rule, key) is not None and key not in TUNABLES[name]:
            known = ", ".join(("enabled", "schedule", *TUNABLES[name]))
            raise ContractError(f"{what}: {key} has no effect; known are {known}")
