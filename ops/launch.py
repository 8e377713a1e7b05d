"""Becomes the program named by its arguments, after asking the kernel for SIGTERM at the death of its parent.

Run as a script, `launch.py PARENT_PID PROGRAM ARGUMENT…`, by an interpreter without `site`: it takes a few
milliseconds. It does what `preexec_fn` would do, which is not safe in a process with threads.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Bind this process to its parent and become the program."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the kernel was asked
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
