"""The gate that every request passes: the rule of its route, held against who calls."""

from flask import Flask, current_app, g, request

from web.access.principal import LOCAL, Principal
from web.access.rules import Rule, check_every_route, rule_of
from web.errors import RequestError


def install(app: Flask) -> None:
    """Guard every route of `app`. Call it when all are registered.

    Raises:
        ConfigurationError: a route has no rule.
    """
    check_every_route(app)
    app.before_request(_check)


def principal() -> Principal:
    """Who calls, in a view that is not public."""
    found = g.principal
    assert isinstance(found, Principal)
    return found


def _check() -> None:
    if request.endpoint is None:  # nothing is at this address, or not for this method
        return
    rule = rule_of(current_app, request.endpoint)
    g.principal = LOCAL
    _refuse_less(g.principal, rule)


def _refuse_less(caller: Principal, rule: Rule | None) -> None:
    if rule is None or (rule.role is not None and not caller.role.covers(rule.role)):
        needed = "nobody" if rule is None or rule.role is None else rule.role.value
        raise RequestError(403, f"this needs the role {needed}, {caller.name} is {caller.role.value}")
