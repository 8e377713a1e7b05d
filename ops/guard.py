"""The watchdog beside a supervisor: when the supervisor dies, by whatever means, it ends what the supervisor started.

Run as a script, `guard.py MARK`. Standard input is a pipe from the supervisor, which writes `add PID` and
`remove PID` lines. Its end means that the supervisor is gone. Every process that the supervisor starts leads a
process group of its own and has `SUPERVISED_BY=MARK` in its environment: the group finds children that changed their
environment, the mark finds those that left the group.
"""

import contextlib
import os
import signal
import sys
import time

MARK_VARIABLE = "SUPERVISED_BY"
GRACE_S = 4.0


def main() -> None:
    """Follow the supervisor's lines; at their end, stop whatever is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    leaders: set[int] = set()
    for line in sys.stdin:
        action, _, pid = line.partition(" ")
        if action == "add":
            leaders.add(int(pid))
        else:
            leaders.discard(int(pid))
    end_processes(leaders, sys.argv[1])


def end_processes(leaders: set[int], mark: str, grace_s: float = GRACE_S) -> None:
    """Ask the leaders to stop; after `grace_s` kill their groups and everything that carries the mark."""
    leaders = leaders | marked(mark)
    for pid in leaders:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline and any(is_alive(pid) for pid in leaders):
        time.sleep(0.05)
    for pid in leaders:
        kill_group(pid)
    for pid in marked(mark):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def kill_group(leader: int) -> None:
    """Kill what is left of the process group that this process leads or led."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] != b"Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def marked(mark: str) -> set[int]:
    """Return the processes that carry the mark in the environment they were started with, but for this one."""
    wanted = f"{MARK_VARIABLE}={mark}".encode()
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/environ", "rb") as file:
                if wanted in file.read().split(b"\0"):
                    found.add(int(entry))
    return found


if __name__ == "__main__":
    main()
