"""Crops are aimed at faces of the sizes that are asked for."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from training.picture_cache import PictureCache, open_cache
from training.views import Mixture, take_view

SIDE = 160


@pytest.fixture
def pictures(tmp_path: Path) -> PictureCache:
    """One picture of 300 pixels with one face of 120 in its middle."""
    for folder in ("images", "labels"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "data/images/0.png"), np.full((300, 300, 3), 90, np.uint8))
    (tmp_path / "data/labels/0.txt").write_text("0 0.5 0.5 0.4 0.4\n")
    return open_cache([tmp_path / "data"], tmp_path / "cache", lambda _: None)


@pytest.mark.parametrize("largest_face", [0.4, 0.8])
def test_faces_come_up_to_the_largest_share_of_the_crop_that_is_asked_for(
    pictures: PictureCache, largest_face: float
) -> None:
    mixture = Mixture(mosaic=0, whole=0, largest_face=largest_face)
    sides = []
    for seed in range(400):
        view = take_view(pictures, 0, SIDE, mixture, np.random.default_rng(seed))
        widths, heights = (view.faces[:, 2:] - view.faces[:, :2]).T
        sides += np.sqrt(widths * heights).tolist()

    assert 0.9 * largest_face * SIDE < max(sides) < largest_face * SIDE + 1
