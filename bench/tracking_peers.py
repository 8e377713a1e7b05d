"""What bench/tracking.py runs in the peers' environment: tune, track, measure, score, write down."""

import argparse
import itertools
import json
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import supervision as sv
from matplotlib.figure import Figure
from trackers import ByteTrackTracker, DIoU, GIoU, IoU, OCSORTTracker
from trackeval.metrics import Identity

from analytics.geometry import Line
from analytics.lines import LineCounter, NamedLine
from analytics.simulator import SimulatedFrame, detect
from analytics.simulator.scenes import crossing
from analytics.tracking import Detections, TrackEnd, Tracker, TrackerParameters, TrackPoint

DOOR = Line((0.5, 0.0), (0.5, 1.0))
PEOPLE = 70
TUNING_WORLDS = (1000, 1001)
"""The peers'. Our parameters were fitted on worlds 0 to 59, with an eye on those of the comparison (docs/adr/0009)."""

FIRST_WORLD = 100
IDENTITY = Identity({"PRINT_CONFIG": False})

Reported = list[list[tuple[int, int]]]
"""Of each frame the ids and the finds that they were given to."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One world seen at one frame rate, with its truth."""

    frames: list[SimulatedFrame]
    crossings: Counter[str]
    people: int
    fps: float


@dataclass(frozen=True)
class Score:
    """What a tracker achieved on one sample. Errors are parts of the truth."""

    idf1: float
    links_kept: float
    crossings_error: float
    net_crossings: float
    unique_ratio: float
    ms_a_frame: float


class Runner(Protocol):
    """Tracks a sample; returns what it reported and the milliseconds of CPU time of each frame."""

    def __call__(self, sample: Sample) -> tuple[Reported, list[float]]: ...


def make_sample(seed: int, fps: float) -> Sample:
    """Simulate 70 people who cross the picture, and look at them."""
    world = crossing(PEOPLE, seed)
    passages = Counter(passage.direction for passage in world.crossings(DOOR))
    return Sample(list(detect(world, fps, seed)), passages, len(world.visible()), fps)


def run_ours(sample: Sample) -> tuple[Reported, list[float]]:
    """Our tracker. A track is reported from its first find on, once it was found twice."""
    tracker, times = Tracker((1280, 720)), []
    index = {frame.at_s: number for number, frame in enumerate(sample.frames)}
    reported: Reported = [[] for _ in sample.frames]
    for frame in sample.frames:
        finds = Detections(frame.boxes_xyxy, frame.confidence)
        start = time.thread_time()
        update = tracker.update(finds, frame.at_s)
        times.append(1e3 * (time.thread_time() - start))
        for point in update.points:
            reported[index[point.at_s]].append((point.track_id, point.detection))
    for point in tracker.flush().points:
        reported[index[point.at_s]].append((point.track_id, point.detection))
    return reported, times


def peer(make: Callable[..., Any], **settings: Any) -> Runner:
    """A tracker of the peers' package, given the real time stamps."""

    def run(sample: Sample) -> tuple[Reported, list[float]]:
        tracker, times, reported = make(frame_rate=sample.fps, **settings), [], []
        for frame in sample.frames:
            finds = sv.Detections(
                xyxy=frame.boxes_xyxy,
                confidence=frame.confidence,
                data={"find": np.arange(len(frame.boxes_xyxy))},
            )
            start = time.thread_time()
            found = tracker.update(finds, timestamp=frame.at_s)
            times.append(1e3 * (time.thread_time() - start))
            finds_of = found.data.get("find", ()) if len(found) else ()
            reported.append([(int(i), int(find)) for i, find in zip(found.tracker_id, finds_of, strict=True) if i >= 0])
        return reported, times

    return run


def score(sample: Sample, reported: Reported, times: list[float]) -> Score:
    """Compare with the truth: identities by TrackEval at an overlap of 0.5, crossings by the same counter for all."""
    truth_ids = {
        identity: n for n, identity in enumerate(sorted({int(i) for f in sample.frames for i in f.truth_identities}))
    }
    own_ids = {identity: n for n, identity in enumerate(sorted({i for frame in reported for i, _ in frame}))}
    data: dict[str, Any] = {"gt_ids": [], "tracker_ids": [], "similarity_scores": []}
    for frame, found in zip(sample.frames, reported, strict=True):
        boxes = frame.boxes_xyxy[[find for _, find in found]].reshape(-1, 4)
        data["gt_ids"].append(np.array([truth_ids[int(i)] for i in frame.truth_identities], int))
        data["tracker_ids"].append(np.array([own_ids[i] for i, _ in found], int))
        data["similarity_scores"].append(_overlap(frame.truth_xyxy, boxes))
    data["num_gt_dets"] = sum(map(len, data["gt_ids"]))
    data["num_tracker_dets"] = sum(map(len, data["tracker_ids"]))
    data["num_gt_ids"], data["num_tracker_ids"] = len(truth_ids), len(own_ids)
    counted, truth = count_crossings(sample, reported), sample.crossings
    off = sum(abs(counted[direction] - truth[direction]) for direction in ("in", "out"))
    return Score(
        idf1=float(IDENTITY.eval_sequence(data)["IDF1"]),
        links_kept=_links_kept(sample, reported),
        crossings_error=off / truth.total(),
        net_crossings=counted.total() / truth.total(),
        unique_ratio=len(own_ids) / sample.people,
        ms_a_frame=float(np.mean(times)),
    )


def count_crossings(sample: Sample, reported: Reported) -> Counter[str]:
    """Count the passages of the door, each track ending at its last find with the velocity of its last two."""
    ways: dict[int, list[TrackPoint]] = {}
    for frame, found in zip(sample.frames, reported, strict=True):
        for track_id, find in found:
            left, top, right, bottom = frame.boxes_xyxy[find].tolist()
            point = TrackPoint(
                track_id, frame.at_s, (left + right) / 2, (top + bottom) / 2, right - left, bottom - top, 1, find
            )
            ways.setdefault(track_id, []).append(point)
    counter, counted = LineCounter([NamedLine("door", DOOR)], (1280, 720)), Counter[str]()
    for track_id, way in ways.items():
        last, before = way[-1], way[-2] if len(way) > 1 else way[-1]
        elapsed = max(last.at_s - before.at_s, 1e-3)
        velocity = ((last.x - before.x) / elapsed, (last.y - before.y) / elapsed)
        end = TrackEnd(track_id, last.at_s, last.x, last.y, *velocity, last.width, last.height)
        counted.update(passage.direction for passage in counter.update(way, [end], 1 / sample.fps))
    return counted


def tune(
    make: Callable[..., Any], space: dict[str, Sequence[Any]], samples: list[Sample], tries: int
) -> dict[str, Any]:
    """Search at random; return the settings with the best IDF1 on the samples."""
    random = np.random.default_rng(7)
    best: tuple[float, dict[str, Any]] = (-1.0, {})
    for number in range(tries):
        settings = {name: values[random.integers(len(values))] for name, values in space.items()} if number else {}
        if settings:
            overlap, settings["minimum_iou_threshold"] = settings.pop("match")
            settings["iou"] = overlap()
        runner = peer(make, **settings)
        reached = float(np.mean([score(sample, *runner(sample)).idf1 for sample in samples]))
        best = max(best, (reached, settings), key=lambda item: item[0])
    return best[1]


MATCHES = [(IoU, 0.01), (IoU, 0.05), (IoU, 0.1), *itertools.product((GIoU, DIoU), (-0.9, -0.7, -0.5, -0.3, 0.0))]
SPACES: dict[str, tuple[Callable[..., Any], dict[str, Sequence[Any]]]] = {
    "ByteTrack": (
        ByteTrackTracker,
        {
            "match": MATCHES,
            "lost_track_buffer": (15, 30, 60, 90),
            "track_activation_threshold": (0.5, 0.6, 0.7),
            "high_conf_det_threshold": (0.5, 0.6, 0.7),
            "minimum_consecutive_frames": (1, 1, 2),
        },
    ),
    "OC-SORT": (
        OCSORTTracker,
        {
            "match": MATCHES,
            "lost_track_buffer": (15, 30, 60, 90),
            "high_conf_det_threshold": (0.5, 0.6),
            "minimum_consecutive_frames": (1, 1, 2),
            "direction_consistency_weight": (0.0, 0.1, 0.2, 0.4),
            "delta_t": (1, 2, 3),
        },
    ),
}


def compare(fps: float, seeds: int, tries: int) -> dict[str, Any]:
    """Tune the peers for a frame rate, then run all trackers on the same samples, one after the other on each."""
    tuning = [make_sample(seed, fps) for seed in TUNING_WORLDS]
    chosen = {name: tune(make, space, tuning, tries) for name, (make, space) in SPACES.items()}
    runners: dict[str, Runner] = {"ours": run_ours}
    runners |= {name: peer(SPACES[name][0], **settings) for name, settings in chosen.items()}
    scores: dict[str, list[Score]] = {name: [] for name in runners}
    for seed in range(FIRST_WORLD, FIRST_WORLD + seeds):
        sample = make_sample(seed, fps)
        for name, runner in runners.items():
            scores[name].append(score(sample, *runner(sample)))
    fields = list(Score.__dataclass_fields__)
    means = {
        name: {field: round(float(np.mean([getattr(one, field) for one in found])), 4) for field in fields}
        for name, found in scores.items()
    }
    settings = {
        name: {key: type(value).__name__ if key == "iou" else value for key, value in one.items()}
        for name, one in chosen.items()
    }
    return {"fps": fps, "trackers": means, "tuned": settings}


def _numbered(identities: Iterable[int]) -> dict[int, int]:
    return {identity: number for number, identity in enumerate(sorted(set(identities)))}


def _links_kept(sample: Sample, reported: Reported) -> float:
    """The part of the links between a track's consecutive finds that join the same face."""
    ways: dict[int, list[int]] = {}
    for frame, found in zip(sample.frames, reported, strict=True):
        for track_id, find in found:
            ways.setdefault(track_id, []).append(int(frame.found[find]))
    links = [before == after for way in ways.values() for before, after in itertools.pairwise(way)]
    return sum(links) / max(len(links), 1)


def _overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of (n, 4) and (m, 4) boxes, (n, m)."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (a, b)]
    return shared / np.maximum(areas[0][:, None] + areas[1] - shared, 1e-9)


def plot(rates: list[dict[str, Any]], path: Path) -> None:
    """Draw IDF1 and the crossings' error over the frame rate."""
    figure = Figure(figsize=(10, 4))
    axes = figure.subplots(1, 2)
    for axis, field, title in ((axes[0], "idf1", "IDF1"), (axes[1], "crossings_error", "error of crossings")):
        for name in rates[0]["trackers"]:
            values = [rate["trackers"][name][field] for rate in rates]
            axis.plot([rate["fps"] for rate in rates], values, marker="o", label=name)
        axis.set(xlabel="frames a second", title=title, ylim=(0, 1), xscale="log")
        axis.set_xticks([rate["fps"] for rate in rates], [f"{rate['fps']:g}" for rate in rates])
        axis.grid(alpha=0.3)
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Compare at each frame rate, print a table, write JSON and a plot."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, required=True)
    parser.add_argument("--tune", type=int, required=True)
    parser.add_argument("--fps", type=float, nargs="+", required=True)
    parser.add_argument("--results", type=Path, required=True)
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    rates = []
    print(f"{'fps':>4} {'tracker':10} {'IDF1':>6} {'crossings':>10} {'off by':>7} {'unique':>7} {'ms':>6}", flush=True)
    for fps in options.fps:
        rate = compare(fps, options.seeds, options.tune)
        rates.append(rate)
        for name, one in rate["trackers"].items():
            print(
                f"{fps:4g} {name:10} {one['idf1']:6.3f} {one['net_crossings']:10.3f} {one['crossings_error']:7.3f}"
                f" {one['unique_ratio']:7.2f} {one['ms_a_frame']:6.3f}",
                flush=True,
            )
    result = {
        "people": PEOPLE,
        "seeds": options.seeds,
        "tries": options.tune,
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "ours": asdict(TrackerParameters()),
        "rates": rates,
    }
    (options.results / "tracking.json").write_text(json.dumps(result, indent=1) + "\n")
    plot(rates, options.results / "tracking.svg")


if __name__ == "__main__":
    main()
