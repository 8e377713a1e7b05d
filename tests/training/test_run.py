"""Whole runs of the training command on a toy."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from detection import load_detector
from tests.training.toy import toy_cfg, write_pictures
from training.__main__ import main
from training.batches import BatchPlan, batches
from training.datasets import read_dataset
from training.effects import _noise
from training.picture_cache import open_cache
from training.scoring import find_all, precision_recall
from training.views import Mixture, take_view


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("data") / "train", 50, seed=1)


@pytest.fixture
def cfg(tmp_path: Path) -> Path:
    file = tmp_path / "toy.cfg"
    file.write_text(toy_cfg())
    return file


def command(data: Path, cfg: Path, out: Path, *more: str) -> list[str]:
    return [
        *("--data", str(data), "--cfg", str(cfg), "--out", str(out), "--cache", str(out.parent / "cache")),
        *("--sides", "64", "96", "--threads", "1", "--device", "cpu", *more),
    ]


@pytest.mark.slow
def test_a_toy_network_learns_from_fifty_pictures_and_its_files_serve_the_detector(
    data: Path, cfg: Path, tmp_path: Path
) -> None:
    held_back = write_pictures(tmp_path / "val", 40, seed=2)
    out = tmp_path / "out"

    code = main(command(data, cfg, out, "--val", str(held_back), "--steps", "150", "--batch", "8"))

    assert code == 0
    detector = load_detector(str(out / "toy.cfg"), runtime="onnxruntime", cache_dir=tmp_path)
    scored = list(find_all(detector, read_dataset(held_back)))
    assert precision_recall(scored, "all").average_precision > 0.9
    logged = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert logged[-1]["average_precision"]["all"] == pytest.approx(
        precision_recall(scored, "all").average_precision, abs=1e-3
    )
    peer = cv2.dnn.readNetFromDarknet(str(out / "toy.cfg"), str(out / "toy.weights"))
    peer.setInput(np.zeros((1, 3, 96, 96), np.float32))
    assert [len(found) for found in peer.forward(peer.getUnconnectedOutLayersNames())] == [2 * 6 * 6, 2 * 12 * 12]


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_with_the_same_pictures_and_the_same_loss(
    data: Path, cfg: Path, tmp_path: Path
) -> None:
    steps = ("--steps", "80", "--batch", "4", "--checkpoint-every", "0")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert main(command(data, cfg, whole, *steps)) == 0

    process = subprocess.Popen([sys.executable, "-m", "training", *command(data, cfg, broken, *steps)])
    while not (broken / "checkpoint.pt").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert main(command(data, cfg, broken, *steps)) == 0

    losses = [
        {line["step"]: line["loss"] for line in map(json.loads, (out / "log.jsonl").read_text().splitlines())}
        for out in (whole, broken)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


def test_batches_depend_on_seed_step_and_steps_alone(data: Path, tmp_path: Path) -> None:
    pictures = open_cache([data], tmp_path, lambda _: None)
    plan = BatchPlan(seed=3, batch=4, smallest=64, largest=96, mixture=Mixture())

    straight = list(batches(pictures, plan, 0, 6, workers=0))
    resumed = list(batches(pictures, plan, 4, 6, workers=1))

    for one, other in zip(straight[4:], resumed, strict=True):
        assert torch.equal(one.pictures, other.pictures)
        assert torch.equal(one.faces, other.faces)
        assert torch.equal(one.ignored, other.ignored)
    seen = sorted(plan.picture(number, len(pictures)) for number in range(len(pictures)))
    assert seen == list(range(50)), "an epoch sees each picture once"


def test_the_end_of_a_run_sees_pictures_as_cameras_send_them(data: Path, tmp_path: Path) -> None:
    pictures = open_cache([data], tmp_path, lambda _: None)
    plan = BatchPlan(seed=3, batch=4, smallest=96, largest=96, mixture=Mixture(mosaic=1), closing=0.5)

    shares = [plan.mixture_at(step, 6) for step in range(6)]
    first, *_, last = batches(pictures, plan, 0, 6, workers=0)

    assert [share.mosaic for share in shares] == [1, 1, 1, 0, 0, 0]
    assert shares[3].effects < 1
    assert shares[3].whole > shares[0].whole
    assert shares[3].largest_face == shares[0].largest_face
    assert len(first.faces) > len(last.faces), "four pictures in one have more faces than one"


def test_effects_are_tried_on_the_share_of_views_that_is_asked_for(data: Path, tmp_path: Path) -> None:
    pictures = open_cache([data], tmp_path, lambda _: None)
    none, all_ = (
        next(batches(pictures, BatchPlan(3, 8, 96, 96, Mixture(mosaic=0, effects=share)), 0, 1, workers=0)).pictures
        for share in (0.0, 1.0)
    )
    random = np.random.default_rng([3, 2, 0])
    plan = BatchPlan(3, 8, 96, 96, Mixture(mosaic=0))

    view = take_view(pictures, plan.picture(0, len(pictures)), 96, plan.mixture, random)

    assert np.array_equal(none[0].numpy(), view.pixels[:, :, ::-1].transpose(2, 0, 1))
    assert sum(not torch.equal(one, other) for one, other in zip(none, all_, strict=True)) >= 6


def test_noise_is_as_strong_as_it_says_and_saturates() -> None:
    grey = np.full((200, 201, 3), 128, np.uint8)
    spreads = [_noise(grey, np.random.default_rng(seed)).std() for seed in range(30)]

    noisy = _noise(grey, np.random.default_rng(1))

    assert 2 <= min(spreads) < max(spreads) <= 16.5
    assert abs(noisy.mean() - 128) < 0.5
    assert np.array_equal(noisy, _noise(grey, np.random.default_rng(1)))
    assert _noise(np.full_like(grey, 255), np.random.default_rng(2)).max() == 255
    assert _noise(np.full_like(grey, 255), np.random.default_rng(2)).min() > 128, "no value runs over"


def test_another_order_of_pictures_is_refused(
    data: Path, cfg: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(command(data, cfg, out, "--steps", "2")) == 0

    assert main(command(data, cfg, out, "--steps", "4", "--seed", "7")) == 1

    assert "another --out" in " ".join(capsys.readouterr().err.split())
