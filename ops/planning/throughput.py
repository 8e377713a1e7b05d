"""Frames a second that worker processes on some cores manage. Pure, so that a benchmark can be held against it."""

from dataclasses import dataclass

from ops.planning.costs import Costs


@dataclass(frozen=True)
class Throughput:
    """A rate, and what holds it there."""

    frames_a_second: float
    bottleneck: str


def throughput(
    processes: int, cores: float, detect_ms: float, costs: Costs, bridges: int = 1, sinks: int = 1
) -> Throughput:
    """Return the rate at which frames become documents when there is no lack of frames.

    A worker process does one thing at a time, as a bridge and a sink do; and all that runs on the machine, the servers
    and the sender too, shares its cores. The least of these limits holds.

    Args:
        processes: worker processes of one thread each.
        cores: of the machine that everything runs on.
        detect_ms: decoding and detection of a frame.
        costs: of the plumbing.
        bridges, sinks: processes of these roles.

    Raises:
        ValueError: there is no process, no core, or less than no time.
    """
    if min(processes, cores, bridges, sinks) <= 0 or detect_ms < 0:
        raise ValueError(f"expected processes and cores above 0, got {processes}, {cores}, {bridges}, {sinks}")
    idle_ms = costs.wait_ms if processes <= cores else 0.0  # where each process has a core, that waits with it
    limits = {
        "worker processes": processes / (detect_ms + costs.worker_ms + costs.wait_ms),
        "cores": cores / (detect_ms + costs.plumbing_ms + costs.sender_ms + idle_ms),
        "bridge": bridges / costs.bridge_ms,
        "sink": sinks / costs.sink_ms,
    }
    bottleneck = min(limits, key=lambda name: limits[name])
    return Throughput(1000 * limits[bottleneck], bottleneck)
