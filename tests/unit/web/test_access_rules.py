import pytest
from flask import Flask

from contracts.access import Role
from contracts.errors import ConfigurationError
from web.access import public, requires
from web.access.rules import check_every_route, rule_of


def test_each_role_covers_those_before_it():
    assert [[role.covers(needed) for needed in Role] for role in Role] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


def test_an_application_with_a_route_without_a_rule_does_not_start():
    app = Flask("web")
    app.add_url_rule("/open", "open", public()(lambda: "open"))
    app.add_url_rule("/forgotten", "forgotten", lambda: "forgotten")
    with pytest.raises(ConfigurationError, match="nobody said who may call /forgotten:"):
        check_every_route(app)


def test_every_route_has_a_rule(app):
    for route in app.url_map.iter_rules():
        assert rule_of(app, route.endpoint) is not None


def test_a_rule_names_the_argument_that_limits_it_to_a_camera(app):
    assert rule_of(app, "frames.newest").camera == "camera"
    assert rule_of(app, "frames.newest").role is Role.VIEWER
    assert rule_of(app, "frames.result").camera is None


def test_the_rule_is_found_below_other_decorators():
    app = Flask("web")
    view = requires(Role.OPERATOR)(lambda: "")
    app.add_url_rule("/", "view", view)
    assert rule_of(app, "view").role is Role.OPERATOR
