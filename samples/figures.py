"""Bodies below the heads: torso, arms and legs as shaded sprites, and where each of them stands in a picture."""

import math
import random
from dataclasses import dataclass

import cv2
import numpy as np

from samples import heads
from samples.heads import FloatImage, Head, Look, Points, make_back, make_head

PIXELS_PER_METRE = 400.0
_REFERENCE_HEIGHT_M = 1.7  # the outlines below are of a person of this height

_TORSO_M = [(0.0, 1.425), (0.062, 1.42), (0.075, 1.395), (0.12, 1.365), (0.17, 1.335), (0.208, 1.285), (0.212, 1.2)]
_TORSO_M += [(0.19, 1.1), (0.172, 1.0), (0.18, 0.9), (0.186, 0.8), (0.0, 0.79)]
_NECK_BASE_M = 1.415
_SHOULDER_M = (0.18, 1.268)
_HIP_M = (0.085, 0.86)

COATS: tuple[tuple[int, int, int], ...] = (
    *((52, 44, 40), (92, 66, 46), (48, 46, 104), (110, 104, 98), (66, 82, 58), (140, 134, 124), (58, 92, 132)),
    *((80, 58, 84), (148, 116, 78), (44, 50, 62), (74, 76, 142), (176, 174, 168), (38, 36, 36), (72, 98, 118)),
)
SHIRTS = ((230, 228, 224), (200, 170, 140), (60, 60, 66), (120, 150, 210), (150, 190, 160))
TROUSERS = ((50, 42, 38), (86, 60, 44), (70, 72, 76), (40, 54, 70), (108, 84, 62))


@dataclass(frozen=True)
class Part:
    """A sprite with the pixel that is pinned to a joint.

    Attributes:
        pixels: BGR and alpha, 0 to 1.
        outline: polygon in the sprite's pixels, N x 2.
        joint: the pinned pixel.
        pixels_per_metre: the sprite's resolution.
    """

    pixels: FloatImage
    outline: Points
    joint: tuple[float, float]
    pixels_per_metre: float


@dataclass(frozen=True)
class Placed:
    """A part and the 2 x 3 matrix that takes its pixels to the picture's."""

    part: Part
    matrix: FloatImage

    def outline(self) -> Points:
        """Return the part's outline in the picture's pixels."""
        return transform(self.part.outline, self.matrix)


@dataclass(frozen=True)
class Figure:
    """One person, ready to be placed. `face` is the face's outline in the head's pixels, empty from behind."""

    height_m: float
    head: Part
    face: Points
    torso: Part
    arm: Part
    leg: Part


@dataclass(frozen=True)
class Pose:
    """How a person stands: phase of the stride in radians, its size 0 to 1, lean and turn of the head in radians."""

    phase: float
    stride: float
    sideways: float
    lean: float
    turn: float


def make_figure(rng: random.Random, style: str, *, from_behind: bool) -> Figure:
    """Make up a person with the given hair style or headgear."""
    look = Look.draw(rng, style)
    head: Head = (make_back if from_behind else make_head)(look, rng)
    coat, trousers = rng.choice(COATS), rng.choice(TROUSERS)
    return Figure(
        height_m=rng.uniform(1.58, 1.84),
        head=Part(head.pixels, head.outline, head.neck, heads.PIXELS_PER_METRE),
        face=head.face,
        torso=_torso(rng, coat, look.skin, from_behind=from_behind),
        arm=_limb(rng, coat, look.skin, (0.052, 0.038), 0.53, end=0.05),
        leg=_limb(rng, trousers, (34, 34, 38), (0.092, 0.058), 0.82, end=0.06),
    )


def place(figure: Figure, feet: tuple[float, float], scale: float, pose: Pose) -> list[Placed]:
    """Return the figure's parts from back to front; the head is the last.

    Args:
        feet: the point between the feet, in pixels of the picture.
        scale: pixels a metre at the figure's depth.
        pose: how it stands.
    """
    size = figure.height_m / _REFERENCE_HEIGHT_M
    bob = 0.018 * pose.stride * abs(math.sin(pose.phase))
    swing = math.sin(pose.phase) * pose.stride

    def joint(x_m: float, y_m: float) -> tuple[float, float]:
        x, y = x_m * size, (y_m + bob) * size
        return feet[0] + (x + math.sin(pose.lean) * y) * scale, feet[1] - y * scale

    def pin(part: Part, at: tuple[float, float], *, angle: float, wide: float = 1.0, long: float = 1.0) -> Placed:
        return Placed(part, _matrix(part, at, scale * size, angle=angle, wide=wide, long=long))

    parts = []
    for side in (-1, 1):
        step = swing * side
        hip = joint(side * _HIP_M[0], _HIP_M[1])
        angle = 0.42 * step * pose.sideways + side * 0.02
        parts.append(pin(figure.leg, hip, angle=angle, long=1 - 0.07 * max(step, 0) * (1 - abs(pose.sideways))))
    for side in (-1, 1):
        step = -swing * side
        shoulder = joint(side * _SHOULDER_M[0], _SHOULDER_M[1])
        angle = 0.35 * step * pose.sideways - side * 0.13
        parts.append(
            pin(figure.arm, shoulder, angle=angle, wide=-side, long=1 - 0.08 * step * (1 - abs(pose.sideways)))
        )
    parts.append(pin(figure.torso, joint(0, _NECK_BASE_M), angle=pose.lean, wide=1 - 0.12 * abs(pose.sideways)))
    tilt = pose.lean + 0.03 * math.sin(pose.phase) * pose.stride + 0.25 * pose.turn
    parts.append(pin(figure.head, joint(0.02 * pose.turn, _NECK_BASE_M), angle=tilt, wide=1 - 0.35 * abs(pose.turn)))
    return parts


def transform(points: Points, matrix: FloatImage) -> Points:
    """Return `points` (N x 2) through a 2 x 3 matrix."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float32)


def _matrix(part: Part, at: tuple[float, float], scale: float, *, angle: float, wide: float, long: float) -> FloatImage:
    factor = scale / part.pixels_per_metre
    cos, sin = math.cos(angle), math.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag([factor * wide, factor * long])
    offset = np.array(at) - linear @ np.array(part.joint)
    return np.column_stack([linear, offset]).astype(np.float32)


def _torso(rng: random.Random, coat: tuple[int, int, int], skin: tuple[int, int, int], *, from_behind: bool) -> Part:
    width, height = round(0.5 * PIXELS_PER_METRE), round(0.72 * PIXELS_PER_METRE)
    top_m = 1.46

    def pixel(x_m: float, y_m: float) -> tuple[float, float]:
        return width / 2 + x_m * PIXELS_PER_METRE, (top_m - y_m) * PIXELS_PER_METRE

    right = [pixel(x, y) for x, y in _TORSO_M]
    left = [pixel(-x, y) for x, y in reversed(_TORSO_M)]
    mask = _fill((height, width), right + left)
    colour = np.broadcast_to(_tone(coat), (height, width, 3)).astype(np.float32)
    if rng.random() < 0.3:
        rows = np.arange(height, dtype=np.float32)[:, None]
        stripes = (np.sin(rows * rng.uniform(0.2, 0.34)) > 0.3).astype(np.float32) * np.ones((1, width), np.float32)
        colour = _over(colour, _tone(rng.choice(SHIRTS)), stripes * 0.75)
    if not from_behind:
        if rng.random() < 0.6:
            open_m = rng.uniform(0.9, 1.2)
            front = [pixel(-0.07, 1.42), pixel(0.07, 1.42), pixel(0.015, open_m), pixel(-0.015, open_m)]
            colour = _over(colour, _tone(rng.choice(SHIRTS)), _fill((height, width), front))
            for side in (-1, 1):
                lapel = [pixel(side * x, y) for x, y in ((0.07, 1.41), (0.11, 1.36), (0.035, open_m + 0.12))]
                colour = _over(colour, _tone(coat) * 0.72, _fill((height, width), lapel))
    if rng.random() < 0.4:
        strap = [pixel(-0.12, 1.385), pixel(-0.07, 1.385), pixel(0.19, 0.95), pixel(0.16, 0.93)]
        colour = _over(colour, _tone(rng.choice(TROUSERS)) * 0.8, _fill((height, width), strap))
    weave = np.random.default_rng(rng.getrandbits(32)).standard_normal(mask.shape).astype(np.float32)
    shaded = colour * (_shade(rng, mask, 0.13) * (1 + rng.uniform(0.01, 0.07) * weave))[..., None]
    if not from_behind:
        neck = [pixel(-0.056, 1.43), pixel(0.056, 1.43), pixel(0.052, 1.395), pixel(0, 1.35), pixel(-0.052, 1.395)]
        shaded = _over(shaded, _tone(skin) * 0.74, _fill((height, width), neck))
    chin_shadow = _fill((height, width), [pixel(-0.06, 1.44), pixel(0.06, 1.44), pixel(0.04, 1.39), pixel(-0.04, 1.39)])
    shaded = shaded * (1 - 0.3 * cv2.GaussianBlur(chin_shadow, (0, 0), 5))[..., None]
    return _part(shaded, mask, pixel(0, _NECK_BASE_M))


def _limb(
    rng: random.Random,
    colour: tuple[int, int, int],
    end_colour: tuple[int, int, int],
    half_widths_m: tuple[float, float],
    length_m: float,
    *,
    end: float,
) -> Part:
    """Return a tapered limb that hangs from its joint, with a hand or shoe of the length `end` in metres."""
    margin = 0.12
    width, height = round(2 * margin * PIXELS_PER_METRE), round((length_m + margin + end) * PIXELS_PER_METRE)
    middle, top = width / 2, 0.08 * PIXELS_PER_METRE
    upper, lower = (half * PIXELS_PER_METRE for half in half_widths_m)
    bottom = top + length_m * PIXELS_PER_METRE
    mask = _fill(
        (height, width),
        [(middle - upper, top), (middle + upper, top), (middle + lower, bottom), (middle - lower, bottom)],
    )
    cv2.circle(mask, (round(middle), round(top)), round(upper), 1.0, -1, cv2.LINE_AA)
    hand = np.zeros_like(mask)
    cv2.ellipse(
        hand,
        (round(middle), round(bottom)),
        (round(lower * 0.9), round(end * PIXELS_PER_METRE)),
        0,
        0,
        360,
        1.0,
        -1,
        cv2.LINE_AA,
    )
    sleeve = np.zeros_like(mask)
    sleeve[: round(bottom)] = 1
    pixels = np.broadcast_to(_tone(colour), (height, width, 3)).astype(np.float32)
    pixels = _over(pixels, _tone(end_colour), hand * (1 - sleeve))
    mask = np.maximum(mask, hand)
    return _part(pixels * _shade(rng, mask, 0.06)[..., None], mask, (middle, top))


def _part(colour: FloatImage, mask: FloatImage, joint: tuple[float, float]) -> Part:
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), 1.0), np.float32)
    contours, _ = cv2.findContours((mask > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    outline = max(contours, key=cv2.contourArea)[:, 0].astype(np.float32)
    return Part(np.dstack([np.clip(colour, 0, 1), mask]).astype(np.float32), outline, joint, PIXELS_PER_METRE)


def _shade(rng: random.Random, mask: FloatImage, radius_m: float) -> FloatImage:
    """Return the brightness of a round, creased body lit from the left."""
    distance = cv2.distanceTransform((mask > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    round_ = np.sqrt(np.clip(distance / (radius_m * PIXELS_PER_METRE), 0, 1))
    noise = np.random.default_rng(rng.getrandbits(32)).standard_normal(mask.shape).astype(np.float32)
    creases = cv2.GaussianBlur(noise, (0, 0), sigmaX=14, sigmaY=5)
    creases = creases / creases.std()
    side = np.linspace(1.08, 0.84, mask.shape[1], dtype=np.float32)
    return np.asarray((0.58 + 0.42 * cv2.GaussianBlur(round_, (0, 0), 4) + 0.045 * creases) * side, np.float32)


def _fill(shape: tuple[int, int], polygon: list[tuple[float, float]]) -> FloatImage:
    mask = np.zeros(shape, np.uint8)  # OpenCV smooths edges in bytes only
    cv2.fillPoly(mask, [(np.array(polygon) * 16).round().astype(np.int32)], 255, cv2.LINE_AA, 4)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.8), np.float32) / 255


def _tone(colour: tuple[int, int, int]) -> FloatImage:
    return np.array(colour, np.float32) / 255


def _over(under: FloatImage, colour: FloatImage, alpha: FloatImage) -> FloatImage:
    return np.asarray(under + (colour - under) * alpha[..., None], np.float32)
