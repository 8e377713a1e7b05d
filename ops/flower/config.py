"""Flower's options, as Flower reads them: it runs this file, and takes each name that is an option's.

Flower's own defaults keep 100,000 tasks in memory and let any visitor end tasks and processes.
"""

from ops.flower.tasks import describe
from settings import Settings

_sign_in = Settings.from_environment().flower_sign_in
if _sign_in is None:
    raise SystemExit("Flower needs CROWDWATCH_FLOWER_SIGN_IN, name:password")

basic_auth = [_sign_in]
read_only = True
max_tasks = 2000
max_workers = 500
purge_offline_workers = 600
tasks_columns = "name,kwargs,state,received,runtime,worker,uuid"


def format_task(task):  # type: ignore[no-untyped-def]  # Flower wants a plain function
    """Show a task's range as one reads it."""
    task.kwargs = describe(task.kwargs)
    return task
