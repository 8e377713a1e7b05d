"""What a face detector makes of a simulated scene: boxes that tremble, faces missed, faces that are none."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.simulator.world import Floats, Trajectory, World


@dataclass(frozen=True)
class DetectorNoise:
    """How a detector errs.

    `missed` is the part of the faces not found, `false` the number of finds that are none for each face in the picture;
    `jitter` the standard deviation of a box's centre and, in logarithm, of its size, in face widths; `time_jitter` that
    of the time stamps, in frame intervals.
    """

    missed: float = 0.10
    false: float = 0.02
    jitter: float = 0.05
    time_jitter: float = 0.05


@dataclass(frozen=True, eq=False)
class SimulatedFrame:
    """One frame: what was found, and what is. Boxes are left, top, right, bottom in pixels, clipped to the picture."""

    frame_id: int
    at_s: float
    boxes_xyxy: Floats
    confidence: Floats
    found: NDArray[np.int64]
    """Of each box whose face it is, -1 for none."""

    truth_xyxy: Floats
    truth_identities: NDArray[np.int64]


def detect(
    world: World, fps: float, seed: int, noise: DetectorNoise | None = None, start_s: float = 0.0
) -> Iterator[SimulatedFrame]:
    """Look at a world `fps` times a second; the same seed gives the same finds. Times begin at `start_s`."""
    random, noise = np.random.default_rng(seed), noise or DetectorNoise()
    ability = random.normal(0, 0.05, max((t.identity for t in world.trajectories), default=0) + 1)
    waiting = sorted(world.trajectories, key=lambda trajectory: -trajectory.start_s)
    present: list[Trajectory] = []
    for frame_id in range(int(world.duration_s * fps) + 1):
        time_s = max(frame_id + float(np.clip(random.normal(0, noise.time_jitter), -0.4, 0.4)), 0.0) / fps
        while waiting and waiting[-1].start_s <= time_s:
            present.append(waiting.pop())
        present = [trajectory for trajectory in present if trajectory.end_s >= time_s]
        yield _look(world, present, frame_id, time_s, start_s, random, noise, ability)


def _look(
    world: World,
    present: list[Trajectory],
    frame_id: int,
    time_s: float,
    start_s: float,
    random: np.random.Generator,
    noise: DetectorNoise,
    ability: Floats,
) -> SimulatedFrame:
    scene = world.scene
    identities, boxes = [], []
    for trajectory in present:
        seen = trajectory.at(time_s)
        if seen is None or not seen[1]:
            continue
        (x_m, y_m), _ = seen
        if 0 <= x_m < scene.width_m and 0 <= y_m < scene.height_m:
            width = trajectory.face_m * scene.px_per_m
            identities.append(trajectory.identity)
            boxes.append((x_m * scene.px_per_m, y_m * scene.px_per_m, width, 1.25 * width))
    truth = np.array(boxes).reshape(-1, 4)
    owners = np.array(identities, np.int64)
    count = len(truth)
    kept = random.random(count) >= noise.missed
    widths = truth[kept, 2:3]
    found = truth[kept].copy()
    found[:, :2] += random.normal(0, noise.jitter, (len(found), 2)) * widths
    found[:, 2:] *= np.exp(random.normal(0, noise.jitter, (len(found), 2)))
    confidence = np.clip(0.5 + 0.5 * random.beta(6, 2, len(found)) + ability[owners[kept]], 0.5, 0.999)
    wrong = int(random.poisson(noise.false * count))
    sizes = 0.15 * scene.px_per_m * np.exp(random.normal(0, 0.2, wrong))
    ghosts = np.column_stack(
        [random.random(wrong) * scene.width_px, random.random(wrong) * scene.height_px, sizes, 1.25 * sizes]
    )
    order = random.permutation(len(found) + wrong)
    scores = np.concatenate([confidence, 0.5 + 0.4 * random.beta(1.5, 3, wrong)])
    return SimulatedFrame(
        frame_id=frame_id,
        at_s=start_s + time_s,
        boxes_xyxy=_to_xyxy(np.concatenate([found, ghosts]), scene.width_px, scene.height_px)[order],
        confidence=scores[order],
        found=np.concatenate([owners[kept], np.full(wrong, -1, np.int64)])[order],
        truth_xyxy=_to_xyxy(truth, scene.width_px, scene.height_px),
        truth_identities=owners,
    )


def _to_xyxy(boxes: Floats, width: int, height: int) -> Floats:
    """Centre and size to corners, clipped to the picture."""
    half = boxes[:, 2:] / 2
    corners = np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)
    clipped: Floats = np.clip(corners, 0, [width, height, width, height])
    return clipped
