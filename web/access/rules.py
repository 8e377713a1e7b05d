"""The rule of each route: declared beside the view, looked up when a request comes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from flask import Flask

from contracts.access import Role
from contracts.errors import ConfigurationError

View = TypeVar("View", bound=Callable[..., object])

_KEY = "access_rule"


@dataclass(frozen=True)
class Rule:
    """Who may call a route: `role` or more, anybody where it is None.

    `camera` names the argument that limits the call to one camera. `audited` is False where calls that change something
    are too many, and too small, to be written down.
    """

    role: Role | None
    camera: str | None = None
    audited: bool = True


STATIC_FILES = Rule(None)


def requires(role: Role, *, camera: str | None = None, audited: bool = True) -> Callable[[View], View]:
    """Let those call a view who have `role`, or one that covers it."""
    return _declare(Rule(role, camera, audited))


def public() -> Callable[[View], View]:
    """Let anybody call a view. It writes down by itself what is to be known of it."""
    return _declare(Rule(None, audited=False))


def rule_of(app: Flask, endpoint: str) -> Rule | None:
    """Return the rule of an endpoint, None when none was declared."""
    if endpoint == "static":
        return STATIC_FILES
    found = vars(app.view_functions[endpoint]).get(_KEY)
    return found if isinstance(found, Rule) else None


def check_every_route(app: Flask) -> None:
    """Refuse an application that has a route without a rule.

    Raises:
        ConfigurationError: such routes are there; the message names them.
    """
    bare = sorted(route.rule for route in app.url_map.iter_rules() if rule_of(app, route.endpoint) is None)
    if bare:
        raise ConfigurationError(f"nobody said who may call {', '.join(bare)}: see the documentation of web.access")


def _declare(rule: Rule) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        vars(view)[_KEY] = rule
        return view

    return decorate
