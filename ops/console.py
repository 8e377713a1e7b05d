"""What `up` and `demo` show while things start: progress on a terminal, plain lines anywhere else."""

import threading
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from ops.process import ProcessLog
from ops.supervisor import State, Supervised

_STYLES = {State.READY: "green", State.STARTING: "yellow", State.FAILED: "bold red", State.STOPPED: "dim"}
_TAIL_LINES = 12


class Reporter:
    """Prints what happens, one line an event, with the seconds since the beginning."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self._began = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._lock = threading.Lock()
        self._stopping = False
        self._to_be_killed: set[str] = set()

    def say(self, text: str, style: str | None = None) -> None:
        """Print a line."""
        elapsed_s = time.monotonic() - self._began
        self.console.print(f"{elapsed_s:6.1f} s  {text}", style=style, markup=False)

    def fetching(self, done: int, total: int) -> None:
        """Show how many of Kafka's jars are here. Called from other threads."""
        with self._lock:
            if done == 0:
                self.say(f"fetching Apache Kafka from Maven Central ({total} files, once)")
                if self.console.is_terminal:
                    columns = (TextColumn("          "), BarColumn(), MofNCompleteColumn())
                    self._bar = Progress(*columns, console=self.console, transient=True)
                    self._task = self._bar.add_task("", total=total)
                    self._bar.start()
            elif self._bar is not None and self._task is not None:
                self._bar.update(self._task, completed=done)
            elif done * 4 // total > (done - 1) * 4 // total:
                self.say(f"fetched {done} of {total}")
            if done == total and self._bar is not None:
                self._bar.stop()
                self._bar = None

    def stopping(self) -> None:
        """Processes that end from now on do so because they were told to."""
        self._stopping = True
        self.say("stopping")

    def about_to_kill(self, name: str) -> None:
        """The next death of that process is on purpose: its log has nothing to tell of it."""
        self._to_be_killed.add(name)

    def changed(self, process: Supervised, what: str) -> None:
        """Show what happened to a process; with the end of its log when it died."""
        if what == "started" and process.deaths == 0:
            return
        self.say(f"{process.spec.name:<10} {what}", _STYLES[process.state])
        if process.pid == 0 and process.spec.name in self._to_be_killed:
            self._to_be_killed.discard(process.spec.name)
        elif process.pid == 0 and not self._stopping:
            self.show_log(process.log)

    def show_log(self, log: ProcessLog) -> None:
        """Print the last lines of a log."""
        tail = log.tail(_TAIL_LINES)
        if tail:
            self.console.print(f"--- the end of {log.path}:\n{tail}\n---", style="dim", markup=False)
