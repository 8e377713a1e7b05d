"""The table of settings, for the README and the site."""

from settings import Settings


def settings_table() -> str:
    """Return the settings as a table in Markdown."""
    fields = Settings.model_fields
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for variable, name in Settings.variables().items():
        field = fields[name]
        default = "the number of cores" if name == "worker_processes" else _show(field.default)
        lines.append(f"| `{variable}` | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


def _show(default: object) -> str:
    text = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
    return f"`{text}`"
