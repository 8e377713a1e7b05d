"""`python -m web`: the web role, from the settings in the environment."""

import logging
import sys

from contracts.errors import ConfigurationError
from settings import Settings
from settings.logs import configure_logging
from web.server import WebServer

log = logging.getLogger(__name__)


def main() -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    try:
        settings = Settings.from_environment()
    except ConfigurationError as error:
        configure_logging(Settings(), "web")
        log.error("web: %s", error)
        return 1
    configure_logging(settings, "web")
    WebServer(settings).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
