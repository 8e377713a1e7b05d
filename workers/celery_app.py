"""The application as Celery's own command line and Flower look for it: `celery -A workers.celery_app …`."""

from settings import Settings
from workers.worker import WorkerProcess, make_app

_settings = Settings.from_environment()
app = make_app(_settings, WorkerProcess(_settings))
