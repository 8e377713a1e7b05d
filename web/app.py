"""The Flask application, made from settings and services."""

from flask import Flask

from settings import Settings
from web import errors, metrics, routing, security
from web.access import gate
from web.api import (
    alerts,
    analytics,
    audit,
    camera_clocks,
    cameras,
    dead,
    events,
    frames,
    health,
    jobs,
    keys,
    live,
    messages,
    models,
    notifications,
    openapi_pages,
    uploads,
    users,
    venues,
)
from web.json_answers import JsonAnswers
from web.pages import frame, overview, sections, sign_in
from web.services import Services

_BODY_BYTES = 256 * 1024


def create_app(settings: Settings, services: Services) -> Flask:
    """Return the application. It holds no state of its own: several may share one process.

    Raises:
        ConfigurationError: a route does not say who may call it.
    """
    app = Flask(__name__, static_url_path=frame.static_path())
    app.config.update(MAX_CONTENT_LENGTH=_BODY_BYTES)
    app.json = JsonAnswers(app)
    routing.install(app)
    metrics.install(app, services.metrics)
    security.install(app, settings)
    errors.install(app)
    app.register_blueprint(messages.blueprint(settings, services))
    app.register_blueprint(frames.blueprint(settings, services))
    app.register_blueprint(live.blueprint(services))
    app.register_blueprint(health.blueprint(settings, services))
    app.register_blueprint(analytics.blueprint(services))
    app.register_blueprint(events.blueprint(services))
    app.register_blueprint(alerts.blueprint(services))
    app.register_blueprint(venues.blueprint(services))
    app.register_blueprint(camera_clocks.blueprint(services))
    app.register_blueprint(cameras.blueprint(services))
    app.register_blueprint(models.blueprint(services))
    app.register_blueprint(uploads.blueprint(settings, services))
    app.register_blueprint(jobs.blueprint(services))
    app.register_blueprint(notifications.blueprint(services))
    app.register_blueprint(dead.blueprint(settings, services))
    app.register_blueprint(users.blueprint(services))
    app.register_blueprint(keys.blueprint(services))
    app.register_blueprint(audit.blueprint(services))
    app.register_blueprint(openapi_pages.blueprint())
    app.register_blueprint(sign_in.blueprint(settings, services))
    app.register_blueprint(overview.blueprint(settings, services))
    app.register_blueprint(sections.blueprint(settings, services))
    frame.install(app, settings)
    gate.install(app, settings, services.access)
    return app
