"""How fast a network learns as a run goes on, and the average of its weights that is kept."""

import copy
import math

import torch

from training.network import LearningNetwork

_LAST_SHARE = 0.01


def learning_rate_share(step: int, steps: int) -> float:
    """Return the share of the highest learning rate at a step: linear warm-up over a twentieth of the run, at most 500
    steps, then a cosine down to a hundredth."""
    warm_up = max(1, min(500, steps // 20))
    if step < warm_up:
        return (step + 1) / warm_up
    progress = min(1.0, (step - warm_up) / max(1, steps - warm_up))
    return _LAST_SHARE + (1 - _LAST_SHARE) * (1 + math.cos(math.pi * progress)) / 2


class MovingAverage:
    """Exponential moving average of a network's weights; `model` is the averaged network.

    Args:
        model: that learns.
        decay: share of the old average that a step keeps; early in a run it keeps less.
    """

    def __init__(self, model: LearningNetwork, decay: float = 0.998) -> None:
        self.model = copy.deepcopy(model).eval()
        self._decay = decay

    def update(self, model: LearningNetwork, step: int) -> None:
        """Take in the weights after a step."""
        share = 1 - min(self._decay, (1 + step) / (10 + step))
        with torch.no_grad():
            for average, value in zip(self.model.state_dict().values(), model.state_dict().values(), strict=True):
                if average.is_floating_point():
                    average.lerp_(value, share)
                else:
                    average.copy_(value)
