"""Where to look in a picture: crops at a scale that is chosen for the faces, alone or four in one (mosaic)."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from training.labelled import Boxes
from training.picture_cache import PictureCache, Sample

GREY = 114
SMALLEST_FACE = 8.0
"""Shorter side in pixels that crops aim at; what comes out below `_TOO_SMALL` is neither face nor background."""

_TOO_SMALL = 6.0
_LARGEST_ZOOM = 3.0
_SMALLEST_PICTURE = 0.5
"""Scale of the smallest pictures, as a share of that which fits: below, a crop is mostly grey."""

_FACE_VISIBLE, _PART_VISIBLE = 0.5, 0.1
"""Share of a face's area inside the crop from which it counts as a face, and from which it is not background."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Mixture:
    """How often which view is taken: of four pictures, of a whole picture; otherwise a crop aimed at one face.

    Attributes:
        mosaic: share of views of four pictures.
        whole: share of whole pictures among the others, and in each part of a mosaic.
        largest_face: that crops aim at, as a share of their side; whole pictures may hold larger ones.
        effects: share of views that effects are tried on.
    """

    mosaic: float = 0.25
    whole: float = 0.4
    largest_face: float = 0.6
    effects: float = 1.0


def take_view(pictures: PictureCache, index: int, size: int, mixture: Mixture, random: np.random.Generator) -> Sample:
    """Take a square of `size` pixels out of picture `index`; a mosaic takes three more pictures by chance."""
    canvas = np.full((size, size, 3), GREY, np.uint8)
    if random.random() >= mixture.mosaic:
        faces, ignored = _paste(canvas, pictures[index], mixture, random)
        return Sample(canvas, faces, ignored)
    across, down = (int(size * random.uniform(0.3, 0.7)) for _ in range(2))
    all_faces, all_ignored = [], []
    for left, top, right, bottom in (
        (0, 0, across, down),
        (across, 0, size, down),
        (0, down, across, size),
        (across, down, size, size),
    ):
        faces, ignored = _paste(canvas[top:bottom, left:right], pictures[index], mixture, random)
        shift = np.array([left, top, left, top], np.float32)
        all_faces.append(faces + shift)
        all_ignored.append(ignored + shift)
        index = int(random.integers(len(pictures)))
    return Sample(canvas, np.concatenate(all_faces), np.concatenate(all_ignored))


def _paste(canvas: Pixels, sample: Sample, mixture: Mixture, random: np.random.Generator) -> tuple[Boxes, Boxes]:
    """Fill a canvas with a view of one picture; returns faces and ignored regions in pixels of the canvas."""
    height, width = canvas.shape[:2]
    picture_height, picture_width = sample.pixels.shape[:2]
    fitting = min(width / picture_width, height / picture_height)
    if not len(sample.faces) or random.random() < mixture.whole:
        scale = fitting * random.uniform(0.75, 1.05)
        x, y = picture_width / 2, picture_height / 2
        to_x, to_y = _anywhere(picture_width * scale, width, random), _anywhere(picture_height * scale, height, random)
    else:
        face = sample.faces[random.integers(len(sample.faces))]
        side = float(max(1.0, min(face[2] - face[0], face[3] - face[1])))
        aim = np.exp(random.uniform(np.log(SMALLEST_FACE), np.log(mixture.largest_face * min(width, height))))
        scale = float(np.clip(aim / side, _SMALLEST_PICTURE * fitting, max(_LARGEST_ZOOM, fitting)))
        x, y = (face[0] + face[2]) / 2, (face[1] + face[3]) / 2
        to_x, to_y = random.uniform(0.1, 0.9) * width, random.uniform(0.1, 0.9) * height
    stretch = np.exp(random.uniform(-0.1, 0.1))
    scales = np.array([scale * stretch, scale / stretch])
    origin = np.array([to_x, to_y]) - np.array([x, y]) * scales
    _draw(canvas, sample.pixels, scales, origin, random)
    mirrored = random.random() < 0.5
    if mirrored:
        canvas[:] = canvas[:, ::-1].copy()
    boxes = [_map(boxes, scales, origin, width if mirrored else None) for boxes in (sample.faces, sample.ignored)]
    return _sort_out(boxes[0], boxes[1], width, height)


def _anywhere(length: float, room: int, random: np.random.Generator) -> float:
    """Return a centre that keeps `length` pixels inside `room`, or `room` inside them."""
    return room / 2 + random.uniform(-0.5, 0.5) * abs(room - length)


def _draw(
    canvas: Pixels,
    pixels: Pixels,
    scales: npt.NDArray[np.float64],
    origin: npt.NDArray[np.float64],
    random: np.random.Generator,
) -> None:
    """Draw a picture with its left upper corner at `origin`, as far as it lies on the canvas."""
    height, width = canvas.shape[:2]
    size = np.array([pixels.shape[1], pixels.shape[0]])
    begin = np.maximum(0, np.floor(-origin / scales)).astype(int)
    end = np.minimum(size, np.ceil((np.array([width, height]) - origin) / scales)).astype(int)
    if (end <= begin).any():
        return
    part = pixels[begin[1] : end[1], begin[0] : end[0]]
    target = np.maximum(1, np.rint((end - begin) * scales).astype(int))
    shrinks = scales.min() < 0.5
    kind = cv2.INTER_AREA if shrinks or random.random() < 0.3 else cv2.INTER_LINEAR
    drawn = cv2.resize(part, (int(target[0]), int(target[1])), interpolation=kind)
    at = np.rint(origin + begin * scales).astype(int)
    skip, put = np.maximum(0, -at), np.maximum(0, at)
    room = np.minimum(target - skip, np.array([width, height]) - put)
    if (room > 0).all():
        canvas[put[1] : put[1] + room[1], put[0] : put[0] + room[0]] = drawn[
            skip[1] : skip[1] + room[1], skip[0] : skip[0] + room[0]
        ]


def _map(
    boxes: Boxes, scales: npt.NDArray[np.float64], origin: npt.NDArray[np.float64], mirror_width: int | None
) -> Boxes:
    mapped = boxes * np.tile(scales, 2) + np.tile(origin, 2)
    if mirror_width is not None:
        mapped = np.stack([mirror_width - mapped[:, 2], mapped[:, 1], mirror_width - mapped[:, 0], mapped[:, 3]], 1)
    return mapped.astype(np.float32)


def _sort_out(faces: Boxes, ignored: Boxes, width: int, height: int) -> tuple[Boxes, Boxes]:
    """Clip boxes to the canvas; faces that are cut off or too small to tell become ignored or drop out."""
    limits = np.array([width, height, width, height], np.float32)
    inside = np.clip(faces, 0, limits)
    visible = _area(inside) / np.maximum(_area(faces), 1e-6)
    large_enough = np.minimum(inside[:, 2] - inside[:, 0], inside[:, 3] - inside[:, 1]) >= _TOO_SMALL
    counted = (visible >= _FACE_VISIBLE) & large_enough
    unclear = ~counted & (visible >= _PART_VISIBLE)
    regions = np.concatenate([np.clip(ignored, 0, limits), inside[unclear]])
    return inside[counted], regions[_area(regions) > 0]


def _area(boxes: Boxes) -> npt.NDArray[np.float32]:
    area: npt.NDArray[np.float32] = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return area
