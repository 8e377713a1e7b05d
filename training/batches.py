"""Batches by their number: which pictures, which crops and which effects depend on the seed, the step and the number of
steps alone, so that a run that goes on after a kill sees what it would have seen."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from training.effects import apply_effects
from training.picture_cache import PictureCache
from training.views import Mixture, take_view

STRIDE = 32
"""Sides of crops are multiples of this, the largest stride of a YOLOv3."""

_WHOLE_AT_LEAST, _EFFECTS_AT_MOST = 0.85, 0.4
"""Shares of views at the end of a run."""


@dataclass(frozen=True)
class Batch:
    """Pictures (n, 3, side, side) uint8 RGB, and boxes (m, 5): number of the picture, left, top, right, bottom."""

    pictures: torch.Tensor
    faces: torch.Tensor
    ignored: torch.Tensor


@dataclass(frozen=True)
class BatchPlan:
    """What decides the content of every batch, besides the pictures.

    Attributes:
        seed: of all chance.
        batch: pictures in each.
        smallest: side of the smallest crops in pixels.
        largest: side of the largest ones.
        mixture: which views are taken how often.
        closing: share of the run, at its end, that sees pictures as cameras send them: no mosaics, mostly whole, most
            without effects (Ge et al., "YOLOX", 2021, end their training likewise).
    """

    seed: int
    batch: int
    smallest: int
    largest: int
    mixture: Mixture
    closing: float = 0.0

    def mixture_at(self, step: int, steps: int) -> Mixture:
        """Return which views are taken at one of the steps of a run."""
        if step < steps * (1 - self.closing):
            return self.mixture
        most_whole, few_effects = max(self.mixture.whole, _WHOLE_AT_LEAST), min(self.mixture.effects, _EFFECTS_AT_MOST)
        return replace(self.mixture, mosaic=0.0, whole=most_whole, effects=few_effects)

    def side(self, step: int) -> int:
        """Return the side of the crops of one step."""
        sides = range(self.smallest, self.largest + 1, STRIDE)
        return int(np.random.default_rng([self.seed, 0, step]).choice(sides))

    def picture(self, number: int, count: int) -> int:
        """Return which of `count` pictures is seen as the `number`-th: each once an epoch, in an order of its own."""
        epoch, place = divmod(number, count)
        return int(np.random.default_rng([self.seed, 1, epoch]).permutation(count)[place])


class _Batches(Dataset[Batch]):
    def __init__(self, pictures: PictureCache, plan: BatchPlan, steps: int) -> None:
        self._pictures, self._plan, self._steps = pictures, plan, steps

    def __getitem__(self, step: int) -> Batch:
        plan = self._plan
        side, mixture = plan.side(step), plan.mixture_at(step, self._steps)
        planes, faces, ignored = [], [], []
        for place in range(plan.batch):
            number = step * plan.batch + place
            random = np.random.default_rng([plan.seed, 2, number])
            index = plan.picture(number, len(self._pictures))
            sample = take_view(self._pictures, index, side, mixture, random)
            if random.random() < mixture.effects:
                sample = apply_effects(sample, random)
            planes.append(np.ascontiguousarray(sample.pixels[:, :, ::-1].transpose(2, 0, 1)))
            faces.append(np.insert(sample.faces, 0, place, axis=1))
            ignored.append(np.insert(sample.ignored, 0, place, axis=1))
        arrays = (np.stack(planes), np.concatenate(faces), np.concatenate(ignored))
        return Batch(*map(torch.from_numpy, arrays))


def batches(pictures: PictureCache, plan: BatchPlan, start: int, steps: int, workers: int) -> Iterator[Batch]:
    """Return the batches of a run of `steps` from step `start` on, made by processes of their own where `workers` is
    not 0."""
    return iter(
        DataLoader(
            _Batches(pictures, plan, steps),
            batch_size=None,
            sampler=range(start, steps),
            num_workers=workers,
            prefetch_factor=4 if workers else None,
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=_start_worker,
        )
    )


def _start_worker(_: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
