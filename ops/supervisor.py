"""Keeps processes running: starts them, restarts what dies, and ends all of them, whatever ends first."""

import contextlib
import math
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from enum import Enum
from pathlib import Path

import psutil

from contracts.errors import CrowdwatchError
from ops import guard, launch
from ops.process import ProcessLog, ProcessSpec

_TICK_S = 0.05
_PROBE_STARTING_S = 0.1
_PROBE_READY_S = 5.0
_PROBE_MISSED_S = 0.5
_MISSED_PROBES = 2
_QUICK_DEATH_S = 20.0
_QUICK_DEATHS = 3
BACKOFF_S = (0.2, 1.0, 3.0, 10.0, 30.0)
_STOP_S = 12.0


class State(str, Enum):
    """Where a process stands, as the status shows it."""

    STARTING = "starting"
    READY = "ready"
    STOPPED = "stopped"
    FAILED = "failed"


OnChange = Callable[["Supervised", str], None]
"""Told which process changed, and in a few words what happened; its state is the process' own."""


class Supervised:
    """One process of a supervisor, over all its lives."""

    def __init__(self, spec: ProcessSpec, log: ProcessLog) -> None:
        self.spec = spec
        self.log = log
        self.state = State.STARTING
        self.process: subprocess.Popen[bytes] | None = None
        self.create_time = 0.0
        self.started_at = 0.0
        self.start_due = math.inf
        self.deaths = 0
        self.quick_deaths = 0
        self.answer: Future[None] | None = None
        self.probe_due = 0.0
        self.missed_probes = 0

    @property
    def pid(self) -> int:
        """Its process id now; 0 when it does not run."""
        return self.process.pid if self.process else 0


class Supervisor:
    """Runs processes in stages: a stage starts once everything before it answers, and stops once all after it are gone.

    `start`, `step` and `stop` are called from one thread, which must live as long as the processes: the kernel ends
    them with it.
    """

    def __init__(
        self,
        stages: Sequence[Sequence[ProcessSpec]],
        log_dir: Path,
        on_change: OnChange,
        lock_fd: int | None = None,
        backoff_s: Sequence[float] = BACKOFF_S,
    ) -> None:
        """Prepare to run the stages.

        Args:
            stages: what to run, in the order of starting.
            log_dir: where each process has its log, under its name.
            on_change: called whenever something happened to a process.
            lock_fd: an open file that is to stay open until the last process is gone, whatever ends the supervisor.
            backoff_s: how long a process that dies soon after its start waits for the next one, death by death.
        """
        self.stages = [[Supervised(spec, ProcessLog(log_dir, spec.name)) for spec in stage] for stage in stages]
        self._on_change = on_change
        self._backoff_s = backoff_s
        self._lock_fds = () if lock_fd is None else (lock_fd,)
        self._mark = uuid.uuid4().hex
        self._guard: subprocess.Popen[bytes] | None = None
        self._probes = ThreadPoolExecutor(max(1, len(self.all)), thread_name_prefix="probe")
        self._stages_started = 0
        self._forced = False

    @property
    def all(self) -> list[Supervised]:
        """Every process, in the order of starting."""
        return [one for stage in self.stages for one in stage]

    @property
    def ready(self) -> bool:
        """Whether every process answers."""
        return all(one.state is State.READY for one in self.all)

    def start(self) -> None:
        """Start the guard; the first `step` starts the first stage."""
        self._start_guard()

    def step(self) -> None:
        """Look after every process once."""
        self._keep_guard()
        self._start_stage()
        now = time.monotonic()
        for one in self.all:
            if one.process is not None:
                if one.process.poll() is not None:
                    self._died(one, one.process.returncode, now)
                else:
                    self._probe(one, now)
            elif one.state is not State.STOPPED and now >= one.start_due:
                self._spawn(one)

    def _start_stage(self) -> None:
        before = [one for stage in self.stages[: self._stages_started] for one in stage]
        if self._stages_started < len(self.stages) and all(one.state is State.READY for one in before):
            for one in self.stages[self._stages_started]:
                one.start_due = 0.0
            self._stages_started += 1

    def run(self, until: Callable[[], bool]) -> None:
        """Look after the processes until `until` says so."""
        next_rotation = 0.0
        while not until():
            self.step()
            if time.monotonic() >= next_rotation:
                next_rotation = time.monotonic() + 5
                for one in self.all:
                    one.log.rotate()
            time.sleep(_TICK_S)

    def wait_ready(self, timeout_s: float) -> None:
        """Look after the processes until every one answers.

        Raises:
            CrowdwatchError: one failed, or the time is over; the message ends with the last lines of its log.
        """
        deadline = time.monotonic() + timeout_s
        self.run(
            lambda: self.ready or any(one.state is State.FAILED for one in self.all) or time.monotonic() > deadline
        )
        for one in self.all:
            if one.state is not State.READY and one.start_due < math.inf:
                raise CrowdwatchError(f"{one.spec.name} does not answer. The end of {one.log.path}:\n{one.log.tail()}")

    def stop(self) -> None:
        """Stop the stages, the last one first; kill what has not gone after some seconds."""
        for stage in reversed(self.stages):
            self._stop_all(stage)
        self._probes.shutdown(wait=True, cancel_futures=True)
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
            self._guard.wait()
            self._guard = None

    def force(self) -> None:
        """Make a `stop` that is under way (or the next one) kill instead of wait. Safe in a signal handler."""
        self._forced = True

    def _stop_all(self, stage: list[Supervised]) -> None:
        running = {one: one.process for one in stage if one.process is not None}
        for one in stage:
            one.state = State.STOPPED
        for process in running.values():
            process.terminate()
        deadline = time.monotonic() + _STOP_S
        while running:
            self._keep_guard()
            for one, process in list(running.items()):
                if process.poll() is None and (self._forced or time.monotonic() > deadline):
                    guard.kill_group(process.pid)
                    process.wait()
                if process.poll() is not None:
                    self._bury(one, process)
                    del running[one]
                    self._on_change(one, "stopped")
            time.sleep(_TICK_S)

    def _spawn(self, one: Supervised) -> None:
        one.log.rotate()
        launcher = (sys.executable, "-I", "-S", launch.__file__, str(os.getpid()))
        with one.log.open() as log:
            one.process = subprocess.Popen(
                [*launcher, *one.spec.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**one.spec.environment, guard.MARK_VARIABLE: self._mark},
                start_new_session=True,
            )
        self._tell_guard("add", one.process.pid)
        with contextlib.suppress(psutil.NoSuchProcess):
            one.create_time = psutil.Process(one.process.pid).create_time()
        one.started_at = one.probe_due = time.monotonic()
        one.missed_probes = 0
        if one.state is not State.FAILED:
            one.state = State.STARTING
        self._on_change(one, "started")

    def _died(self, one: Supervised, code: int, now: float) -> None:
        assert one.process is not None
        lived_s = now - one.started_at
        self._bury(one, one.process)
        one.deaths += 1
        one.quick_deaths = one.quick_deaths + 1 if lived_s < _QUICK_DEATH_S else 1
        one.start_due = now + self._backoff_s[min(one.quick_deaths, len(self._backoff_s)) - 1]
        one.state = State.FAILED if one.quick_deaths >= _QUICK_DEATHS else State.STARTING
        reason = f"killed by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        self._on_change(one, f"{reason} after {lived_s:.0f} s; starts again in {one.start_due - now:.1f} s")

    def _bury(self, one: Supervised, process: "subprocess.Popen[bytes]") -> None:
        """End what is left of a dead process' group, and forget the process."""
        guard.kill_group(process.pid)
        self._tell_guard("remove", process.pid)
        one.process = None
        one.answer = None

    def _probe(self, one: Supervised, now: float) -> None:
        if one.answer is None:
            if now >= one.probe_due:
                one.answer = self._probes.submit(one.spec.probe)
            return
        if not one.answer.done():
            return
        try:
            one.answer.result()
        except Exception:  # whatever a probe throws, the process did not answer it
            one.missed_probes += 1
            if one.state is State.READY and one.missed_probes >= _MISSED_PROBES:
                one.state = State.STARTING
                self._on_change(one, "does not answer")
        else:
            one.missed_probes = 0
            if one.state is not State.READY:
                one.state = State.READY
                self._on_change(one, f"ready after {now - one.started_at:.1f} s")
        one.answer = None
        if one.state is not State.READY:
            one.probe_due = now + _PROBE_STARTING_S
        else:
            one.probe_due = now + (_PROBE_MISSED_S if one.missed_probes else _PROBE_READY_S)

    def _start_guard(self) -> None:
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", guard.__file__, self._mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            start_new_session=True,
            pass_fds=self._lock_fds,
        )
        for one in self.all:
            if one.process is not None:
                self._tell_guard("add", one.process.pid)

    def _keep_guard(self) -> None:
        if self._guard is None or self._guard.poll() is None:
            return
        if self._guard.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._guard.stdin.close()
        self._start_guard()

    def _tell_guard(self, action: str, pid: int) -> None:
        """Tell the guard; if it has just died, the next one is told of everything anyway."""
        if self._guard is not None and self._guard.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._guard.stdin.write(f"{action} {pid}\n".encode())
                self._guard.stdin.flush()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # the real-time signals have no names
        return f"signal {number}"
