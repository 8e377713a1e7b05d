"""The status as a table."""

from rich.console import Console
from rich.table import Table

from ops.datadir import SystemState
from ops.status import without_password

_STYLES = {"ready": "green", "starting": "yellow", "failed": "bold red", "stopped": "dim"}


def print_status(state: SystemState) -> None:
    """Print roles and servers with their state and address; passwords are not shown."""
    addresses = {
        "web": state.web_url,
        "kafka": state.kafka_bootstrap_servers,
        "redis": without_password(state.redis_url),
        "mongo": without_password(state.mongodb_uri),
        "flower": state.flower_url,
    }
    table = Table("name", "state", "pid", "address", box=None)
    for process in (*state.roles, *state.servers):
        address = addresses.get(process.name, process.metrics_url or "")
        pid = "external" if process.external else str(process.pid or "-")
        table.add_row(process.name, f"[{_STYLES[process.state]}]{process.state}[/]", pid, address)
    Console(soft_wrap=True).print(table)
