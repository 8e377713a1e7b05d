"""What is asked of any container, whichever file describes it."""

import importlib.util
import shlex
from collections.abc import Iterable

from ops.cli import COMMANDS
from settings import Settings
from workers.__main__ import ROLES

_OF_OTHERS = {"TMPDIR"}


def check_environment(names: Iterable[str]) -> None:
    """See that each variable given to a container of ours is a setting, by value or by file."""
    known = set(Settings.variables())
    for name in names:
        assert name in _OF_OTHERS or name in known or name.removesuffix("_FILE") in known, f"{name} is no setting"


def check_command(command: list[str]) -> None:
    """See that a container of ours runs something that is there."""
    if command[:2] == ["sh", "-c"]:
        words = shlex.split(command[2])
        command = words[words.index("exec") + 1 :]
    if command[0] == "crowdwatch":
        assert command[1] in COMMANDS, command
        return
    assert command[:2] == ["python", "-m"], command
    module = command[2]
    assert importlib.util.find_spec(f"{module}.__main__"), f"python -m {module} does not exist"
    if module == "workers":
        assert command[3] in ROLES, f"{command[3]} is no role"


def expected_roles() -> set[str]:
    """Every process that a whole site runs."""
    return {*ROLES, "web", "flower"}
