"""Root's rights, given up before anything is started."""

import os
import pwd
import sys
from pathlib import Path

from contracts.errors import ConfigurationError


def is_root() -> bool:
    """Whether this process may do everything on this machine."""
    return os.geteuid() == 0


def drop_to(user: str, data_dir: Path) -> None:
    """Become `user` for good, with `data_dir` as their own.

    Raises:
        ConfigurationError: this process is not root, there is no such user, or they cannot run this program.
    """
    if not is_root():
        raise ConfigurationError("--user needs root: only root can become somebody else")
    try:
        account = pwd.getpwnam(user)
    except KeyError as error:
        raise ConfigurationError(f"--user: there is no user {user} on this machine") from error
    data_dir.mkdir(parents=True, exist_ok=True)
    for parent, folders, files in os.walk(data_dir):
        for path in (parent, *(os.path.join(parent, name) for name in (*folders, *files))):
            os.lchown(path, account.pw_uid, account.pw_gid)
    os.initgroups(account.pw_name, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.environ |= {"HOME": account.pw_dir, "USER": account.pw_name, "LOGNAME": account.pw_name}
    program = Path(sys.executable)
    if not os.access(program, os.X_OK) or not os.access(Path(__file__), os.R_OK):
        raise ConfigurationError(f"--user: {user} cannot run {program}: install Crowdwatch where {user} can read it")
