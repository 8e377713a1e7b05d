"""Root's rights, given up."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.errors import ConfigurationError
from ops.privileges import drop_to

_SCRIPT = """
import os, sys
from pathlib import Path
from contracts.errors import ConfigurationError
from ops.privileges import drop_to
folder = Path(sys.argv[1])
try:
    drop_to("nobody", folder)
except ConfigurationError as error:
    assert "cannot run" in str(error), error
(folder / "new").write_text("mine")
try:
    os.setuid(0)
except PermissionError:
    print(os.getuid(), os.geteuid(), (folder / "old").stat().st_uid == os.getuid(), os.environ["USER"])
"""


def test_somebody_else_cannot_be_undone(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        with pytest.raises(ConfigurationError, match="needs root"):
            drop_to("nobody", tmp_path)
        return
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "old").write_text("root's")
    for parent in (tmp_path, *tmp_path.parents[:3]):
        parent.chmod(parent.stat().st_mode | 0o011)
    done = subprocess.run([sys.executable, "-c", _SCRIPT, str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    uid, effective, owns, name = done.stdout.split()
    assert uid == effective != "0"
    assert (owns, name) == ("True", "nobody")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_user_that_is_unknown_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no user nemo"):
        drop_to("nemo", tmp_path)
