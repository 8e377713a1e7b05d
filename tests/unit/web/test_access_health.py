import pytest
from prometheus_client import CollectorRegistry

from settings import Settings
from web import create_app
from web.services import Services


@pytest.mark.parametrize(("host", "open_to_all"), [("127.0.0.1", True), ("0.0.0.0", False)])
def test_what_anybody_is_told_depends_on_who_is_served(host, open_to_all):
    settings = Settings(web_host=host)
    services = Services.build(settings, CollectorRegistry())
    services.readiness._checks = {"prepared": services._preparation.check}
    try:
        client = create_app(settings, services).test_client()
        assert client.get("/healthz").status_code == 200
        assert client.get("/metrics").status_code == (200 if open_to_all else 401)
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json["problems"] == {"prepared": "not started" if open_to_all else "it is not there"}
    finally:
        services.close()
