"""The training run: batches in, weights out, from checkpoint to checkpoint."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from contracts.errors import ConfigurationError
from detection.cache import write_atomically
from detection.darknet.cfg import read_network
from detection.darknet.layers import Network
from detection.machine import has_bfloat16
from training.batches import STRIDE, Batch, BatchPlan, batches
from training.checkpoint import Checkpoint, load_checkpoint
from training.labelled import Labelled
from training.loss import Loss, detection_loss
from training.network import LearningNetwork
from training.picture_cache import PictureCache
from training.run_log import RunLog
from training.schedule import MovingAverage, learning_rate_share
from training.validation import average_precisions, find_with_weights

_LOG_EVERY = 20
_LARGEST_GRADIENT = 10.0


@dataclass(frozen=True)
class Plan:
    """A training run.

    Attributes:
        cfg: the network.
        out: folder that its weights, checkpoint and log go to; a run that finds a checkpoint there goes on.
        weights: Darknet weights to start from, None for random ones.
        fold: leave batch normalisation out (see `LearningNetwork`); needs `weights`.
        batches: what decides the content of every batch.
        steps: of the whole run; each takes one batch.
        learning_rate: the highest.
        weight_decay: of the convolutions.
        device: `auto`, `cpu` or `cuda`.
        threads: of the arithmetic on a CPU.
        workers: processes that make batches; 0 makes them in between.
        validate_every: steps between validations.
        checkpoint_s: seconds between checkpoints.
    """

    cfg: Path
    out: Path
    weights: Path | None
    fold: bool
    batches: BatchPlan
    steps: int
    learning_rate: float
    weight_decay: float
    device: str
    threads: int
    workers: int
    validate_every: int
    checkpoint_s: float

    def __post_init__(self) -> None:
        if self.fold and self.weights is None:
            raise ConfigurationError("folded batch normalisation needs weights to start from")
        if not 0 <= self.batches.closing <= 1:
            raise ConfigurationError(
                f"expected a share of the run from 0 to 1 as its closing, got {self.batches.closing}"
            )
        if self.batches.smallest % STRIDE or not 0 < self.batches.smallest <= self.batches.largest:
            raise ConfigurationError(
                f"expected sides of crops as multiples of {STRIDE}, the smaller first, "
                f"got {self.batches.smallest} and {self.batches.largest}"
            )


class Watcher(Protocol):
    """Who is told how a run goes."""

    def stepped(self, step: int, loss: float, pictures_per_s: float) -> None:
        """Hear of the mean loss of the last steps."""

    def validated(self, step: int, scores: dict[str, float]) -> None:
        """Hear of the average precision by size of face."""


def train(plan: Plan, pictures: PictureCache, validation: list[Labelled], watcher: Watcher) -> Path:
    """Train until `plan.steps`; returns the path of the .cfg beside which the .weights lie.

    Raises:
        ModelError: cfg or weights cannot be used.
        ConfigurationError: the device is not there.
        DatasetError: the folder holds the checkpoint of another run.
    """
    return _Run(plan, pictures, validation, watcher).run()


class _Run:
    def __init__(self, plan: Plan, pictures: PictureCache, validation: list[Labelled], watcher: Watcher) -> None:
        self._plan, self._pictures, self._validation, self._watcher = plan, pictures, validation, watcher
        self._device = pick_device(plan.device)
        torch.set_num_threads(plan.threads)
        self._text = plan.cfg.read_text()
        network = read_network(self._text.encode(), plan.cfg.name)
        self._model = _start(network, plan).to(self._device, memory_format=torch.channels_last)
        self._optimiser = _optimiser(self._model, plan)
        self._average = MovingAverage(self._model)
        self._step = self._go_on()
        self._log = RunLog(plan.out / "log.jsonl", self._step)

    def run(self) -> Path:
        plan, last_save, last_log, losses = self._plan, time.monotonic(), time.monotonic(), []
        source = batches(self._pictures, plan.batches, self._step, plan.steps, plan.workers)
        for batch in source:
            losses.append(self._learn(batch).total.detach())
            self._step += 1
            ends = self._step == plan.steps
            reports = ends or self._step % _LOG_EVERY == 0
            if reports:
                spent, last_log = time.monotonic() - last_log, time.monotonic()
                self._report(torch.stack(losses).mean().item(), len(losses) * plan.batches.batch / spent)
                losses = []
            if ends or self._step % plan.validate_every == 0:
                self._validate()
                last_log = time.monotonic()
            if ends or (reports and time.monotonic() - last_save > plan.checkpoint_s):
                self._save()
                last_save = time.monotonic()
        return self._export()

    def _learn(self, batch: Batch) -> Loss:
        plan, device = self._plan, self._device
        share = learning_rate_share(self._step, plan.steps)
        for group in self._optimiser.param_groups:
            group["lr"] = plan.learning_rate * share
        self._model.train()
        planes = batch.pictures.to(device, non_blocking=True).to(memory_format=torch.channels_last).float() / 255
        with _mixed_precision(device):
            heads = self._model(planes)
        faces, ignored = batch.faces.to(device, non_blocking=True), batch.ignored.to(device, non_blocking=True)
        loss = detection_loss(self._model.network, heads, planes.shape[3], faces, ignored)
        self._optimiser.zero_grad()
        loss.total.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), _LARGEST_GRADIENT)
        self._optimiser.step()
        self._average.update(self._model, self._step)
        return loss

    def _report(self, loss: float, pictures_per_s: float) -> None:
        self._log.write(self._step, loss=round(loss, 5), pictures_per_s=round(pictures_per_s, 1))
        self._watcher.stepped(self._step, loss, pictures_per_s)

    def _validate(self) -> None:
        self._export()
        if not self._validation:
            return
        scored = find_with_weights(self._text, self._weights(), self._validation, self._plan.threads)
        scores = average_precisions(scored)
        self._log.write(self._step, average_precision=scores)
        self._watcher.validated(self._step, scores)

    def _weights(self) -> bytes:
        seen = self._step * self._plan.batches.batch
        weights: bytes = self._average.model.weights_file(seen)
        return weights

    def _export(self) -> Path:
        target = self._plan.out / self._plan.cfg.name
        write_atomically(target.with_suffix(".weights"), self._weights())
        write_atomically(target, self._text.encode())
        return target

    def _save(self) -> None:
        checkpoint = Checkpoint(
            self._step,
            self._order,
            self._model.state_dict(),
            self._average.model.state_dict(),
            self._optimiser.state_dict(),
        )
        checkpoint.save(self._checkpoint_file)

    def _go_on(self) -> int:
        checkpoint = load_checkpoint(self._checkpoint_file, self._order, self._device)
        if checkpoint is None:
            return 0
        self._model.load_state_dict(checkpoint.model)
        self._average.model.load_state_dict(checkpoint.average)
        self._optimiser.load_state_dict(checkpoint.optimiser)
        return checkpoint.step

    @property
    def _checkpoint_file(self) -> Path:
        return self._plan.out / "checkpoint.pt"

    @property
    def _order(self) -> str:
        return f"{self._plan.batches}, {len(self._pictures)} pictures"


def pick_device(name: str) -> torch.device:
    """Return the device of a name; `auto` is a GPU where there is one.

    Raises:
        ConfigurationError: it is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError("device cuda: PyTorch sees no GPU")
    return torch.device(name)


def _start(network: Network, plan: Plan) -> LearningNetwork:
    torch.manual_seed(plan.batches.seed)
    model = LearningNetwork(network, fold=plan.fold)
    if plan.weights is None:
        model.start_heads()
    else:
        model.load_weights(plan.weights)
    return model


def _optimiser(model: LearningNetwork, plan: Plan) -> torch.optim.Optimizer:
    kernels = [value for value in model.parameters() if value.ndim == 4]
    others = [value for value in model.parameters() if value.ndim != 4]
    groups = [{"params": kernels, "weight_decay": plan.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=plan.learning_rate)


@contextmanager
def _mixed_precision(device: torch.device) -> Iterator[None]:
    """Compute in bfloat16 where the device is fast in it; weights and loss stay in float32."""
    enabled = device.type == "cuda" or has_bfloat16()
    with torch.autocast(device.type, torch.bfloat16, enabled=enabled):
        yield


def default_workers(device: torch.device) -> int:
    """Return how many processes should make batches: a GPU is fed by all cores, a CPU is busy itself."""
    return max(1, (os.cpu_count() or 2) - 1) if device.type == "cuda" else 0
