"""Heads of different people, made from one public-domain portrait (NASA's, shipped by scikit-image).

A head is a sprite of 600 px a metre: colour, alpha, and the outlines of head and face. What makes them differ: mirror,
skin, hair colour, hair style or headgear, glasses, beard, mouth, and a mild warp of the face.
"""

import random
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.floating[Any]]
Points = NDArray[np.floating[Any]]

PIXELS_PER_METRE = 600.0
_LEFT, _TOP = 110, -25  # the sprite's window in the portrait; above it there is room for hats
_WIDTH, _HEIGHT = 236, 270

Polygon = tuple[tuple[int, int], ...]


def _polygon(text: str) -> Polygon:
    """Read corners, `x,y` each, in the portrait's pixels."""
    return tuple((int(x), int(y)) for x, y in (corner.split(",") for corner in text.split()))


_FACE = _polygon(
    "182,132 184,147 188,157 198,167 210,174 222,178 232,178 243,173 252,166 258,158 265,146 268,130 "
    "270,100 269,88 258,87 240,83 220,80 200,79 188,77 187,84 182,105"
)
_NECK = _polygon("184,140 186,160 188,178 195,184 210,187 228,189 240,189 254,182 256,168 264,140")
_LEFT_EAR = _polygon("182,118 172,120 174,127 179,131 183,130")
_RIGHT_EAR = _polygon("268,122 280,127 275,133 267,136")
_FULL_HAIR = _polygon(
    "183,130 178,120 172,122 168,115 160,107 155,95 153,78 153,70 157,58 165,48 180,39 190,33 197,26 "
    "210,20 222,17 232,16 248,18 262,24 275,31 285,40 294,56 298,68 300,84 299,97 295,108 287,118 280,127 "
    "272,126 268,132"
)
_SHORT_HAIR = _polygon(
    "182,118 177,112 174,95 172,78 174,62 182,46 196,34 214,27 232,25 250,29 266,39 276,54 280,72 279,92 "
    "276,110 269,118"
)
_LONG_HAIR = _polygon(
    "166,100 157,120 154,150 152,180 158,214 178,226 228,222 276,226 298,212 302,178 300,148 296,120 286,100 228,60"
)
_SCARF = _polygon(
    "168,196 164,150 166,100 172,66 188,42 210,29 230,26 252,30 270,44 282,68 288,102 290,150 288,196 "
    "262,222 228,230 194,222"
)
_HAT = _polygon("170,82 168,62 176,38 196,20 226,12 256,19 276,38 284,62 282,84 228,74")
_EYES = ((203, 101), (246, 103))
_MOUTH = (226, 146)

SKINS = (
    (150, 178, 222),
    (120, 155, 205),
    (148, 170, 212),
    (84, 118, 172),
    (58, 84, 134),
    (44, 62, 100),
    (104, 142, 190),
)
HAIRS = ((22, 23, 27), (26, 34, 48), (34, 52, 76), (84, 128, 158), (34, 52, 92), (112, 114, 118), (24, 30, 40))
CLOTHS = ((150, 60, 40), (50, 60, 160), (70, 110, 60), (60, 60, 66), (190, 190, 184), (92, 136, 164), (120, 84, 116))


@dataclass(frozen=True)
class Look:
    """What one person looks like from the neck up; colours are BGR, 0 to 255."""

    skin: tuple[int, int, int]
    hair: tuple[int, int, int]
    cloth: tuple[int, int, int]
    style: str
    mirrored: bool
    glasses: bool
    beard: bool
    closed_mouth: bool
    jaw: float
    aspect: float

    @classmethod
    def draw(cls, rng: random.Random, style: str) -> "Look":
        """Make up a person with the given hair style or headgear, one of STYLES."""
        return cls(
            skin=rng.choice(SKINS),
            hair=rng.choice(HAIRS),
            cloth=rng.choice(CLOTHS),
            style=style,
            mirrored=rng.random() < 0.5,
            glasses=rng.random() < 0.28,
            beard=style in ("short", "bald", "hat") and rng.random() < 0.5,
            closed_mouth=rng.random() < 0.55,
            jaw=rng.uniform(0.9, 1.12),
            aspect=rng.uniform(0.94, 1.06),
        )


STYLES = ("own", "short", "long", "hat", "scarf", "bald")


@dataclass(frozen=True)
class Head:
    """A head as a sprite.

    Attributes:
        pixels: BGR and alpha, height x width x 4, 0 to 1, colour not multiplied by alpha.
        outline, face: polygons in the sprite's pixels, N x 2; the face's is empty for a head seen from behind.
        neck: the sprite's pixel that sits on the base of the neck.
    """

    pixels: FloatImage
    outline: Points
    face: Points
    neck: tuple[float, float]


def make_head(look: Look, rng: random.Random) -> Head:
    """Return the head of a person who looks at the camera."""
    picture, face, neck, ears = _portrait(), _mask(_FACE), _mask(_NECK), np.maximum(_mask(_LEFT_EAR), _mask(_RIGHT_EAR))
    hair_outline = _mask(_FULL_HAIR if look.style in ("own", "long") else _SHORT_HAIR)
    hair = np.clip(hair_outline - face, 0, 1)
    skin = np.clip(np.maximum(np.maximum(face, neck), ears) - hair * (1 - face), 0, 1)
    picture = _recolour(picture, skin, look.skin, keep_highlights=True)
    picture = _recolour(picture, hair, look.hair, keep_highlights=False)
    if look.closed_mouth:
        picture = _close_mouth(picture)
    if look.beard:
        picture = _beard(picture, face, look.hair, rng)
    if look.style == "bald":
        brow = picture[86 - _TOP : 92 - _TOP, 205 - _LEFT : 250 - _LEFT].mean((0, 1))
        scalp = np.asarray(brow * (0.66 + 0.34 * _roundness(hair_outline))[..., None], np.float32)
        picture = _blend(picture, scalp, np.clip(_soften(hair, 4) * 1.6, 0, 1))
    if look.glasses:
        picture = _glasses(picture)
    alpha = np.maximum(np.maximum(face, neck), np.maximum(ears, hair_outline))
    if look.style == "long":
        back = _mask(_LONG_HAIR)
        picture = _blend(_strands(look.hair, back, rng), picture, alpha)
        alpha = np.maximum(alpha, back)
    if look.style in ("scarf", "hat"):
        gear = _mask(_HAT) if look.style == "hat" else np.clip(_mask(_SCARF) - _soften(face, 0.8), 0, 1)
        picture = _blend(picture, _cloth(look.cloth, gear, rng), gear)
        alpha = np.maximum(alpha, gear)
    shaded = picture * 0.95 * _side_light()[..., None]
    return _finish(np.dstack([shaded, alpha]), face, look)


def make_back(look: Look, rng: random.Random) -> Head:
    """Return the head of a person who looks away from the camera: no face."""
    outline = _mask(_LONG_HAIR if look.style == "long" else _SHORT_HAIR)
    outline = np.maximum(outline, _mask(_SHORT_HAIR))
    neck = np.maximum(_mask(_NECK), _mask(_FACE))
    skin = _tone(look.skin) * (0.55 + 0.3 * _roundness(neck))[..., None]
    nape = np.zeros_like(outline)
    nape[: 165 - _TOP] = 1
    hair_mask = np.maximum(outline, neck * _soften(nape, 3))
    picture = _blend(skin, _strands(look.hair, hair_mask, rng), hair_mask)
    return _finish(np.dstack([picture, np.maximum(hair_mask, neck)]), np.zeros_like(outline), look)


@cache
def _portrait() -> FloatImage:
    from skimage.data import astronaut

    portrait: NDArray[np.uint8] = astronaut()  # type: ignore[no-untyped-call]
    bgr = np.ascontiguousarray(portrait[..., ::-1]).astype(np.float32) / 255
    window = bgr[0 : _TOP + _HEIGHT, _LEFT : _LEFT + _WIDTH]
    return np.pad(window, ((-_TOP, 0), (0, 0), (0, 0)), mode="edge").astype(np.float32)


@cache
def _mask(polygon: Polygon) -> FloatImage:
    """Return 1 inside `polygon`, 0 outside, with a soft edge. Not to be written to."""
    mask = np.zeros((_HEIGHT, _WIDTH), np.uint8)  # OpenCV smooths edges in bytes only
    points = (np.array(polygon, np.float32) - (_LEFT, _TOP)) * 16
    cv2.fillPoly(mask, [points.round().astype(np.int32)], 255, cv2.LINE_AA, 4)
    return _soften(mask.astype(np.float32) / 255, 1.0)


def _soften(mask: FloatImage, sigma: float) -> FloatImage:
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma), np.float32)


def _blend(under: FloatImage, over: FloatImage, alpha: FloatImage) -> FloatImage:
    return np.asarray(under + (over - under) * alpha[..., None], np.float32)


def _tone(colour: tuple[int, int, int]) -> FloatImage:
    return np.array(colour, np.float32) / 255


def _recolour(
    picture: FloatImage, mask: FloatImage, colour: tuple[int, int, int], *, keep_highlights: bool
) -> FloatImage:
    """Bring the mean colour under `mask` to `colour`; eyes and teeth (bright, grey) stay when asked."""
    weight = mask[..., None]
    mean = (picture * weight).sum((0, 1)) / weight.sum()
    scaled = _roll_off(picture * (_tone(colour) / mean), _tone(colour))
    if keep_highlights:
        grey = 1 - (picture.max(2) - picture.min(2)) / (picture.max(2) + 1e-3)
        bright_grey = np.clip((grey - 0.78) * 6, 0, 1) * np.clip((picture.mean(2) - 0.45) * 4, 0, 1)
        mask = mask * (1 - 0.8 * bright_grey)
    else:
        luminance = picture.mean(2, keepdims=True)
        scaled = _roll_off(luminance / float(mean.mean()) * _tone(colour), _tone(colour))
    return _blend(picture, scaled.astype(np.float32), np.asarray(mask, np.float32))


def _roll_off(picture: FloatImage, middle: FloatImage) -> FloatImage:
    """Press what is brighter than `middle` together, as film does, so that highlights do not burn out."""
    above = np.maximum(picture - middle, 0)
    room = 1 - middle
    return np.asarray(np.minimum(picture, middle) + above / (1 + 1.6 * above / room), np.float32)


def _close_mouth(picture: FloatImage) -> FloatImage:
    """Draw the lips over the teeth: the mouth's rows are pressed together, the teeth take the lips' colour."""
    x, y = _MOUTH[0] - _LEFT, _MOUTH[1] - _TOP
    rows, columns = np.mgrid[0:_HEIGHT, 0:_WIDTH].astype(np.float32)
    inside = np.exp(-(((columns - x) / 26) ** 2) - ((rows - y) / 9) ** 2).astype(np.float32)
    lip = picture[y + 6 : y + 9, x - 8 : x + 8].mean((0, 1)) * 0.8
    pressed = cv2.remap(picture, columns, rows + (rows - y) * 0.5 * inside, cv2.INTER_LINEAR)
    teeth = np.exp(-(((columns - x) / 17) ** 2) - ((rows - y + 1) / 4) ** 2).astype(np.float32)
    return _blend(np.asarray(pressed, np.float32), np.broadcast_to(lip, picture.shape).astype(np.float32), teeth * 0.9)


def _beard(picture: FloatImage, face: FloatImage, hair: tuple[int, int, int], rng: random.Random) -> FloatImage:
    lower = np.zeros_like(face)
    lower[136 - _TOP :] = 1
    mouth = np.zeros_like(face)
    cv2.ellipse(mouth, (_MOUTH[0] - _LEFT, _MOUTH[1] - _TOP), (19, 7), 0, 0, 360, 1.0, -1)
    cheeks = np.zeros_like(face)
    cv2.ellipse(cheeks, (226 - _LEFT, 118 - _TOP), (36, 30), 0, 0, 360, 1.0, -1)
    grain = _noise(rng, (_HEIGHT, _WIDTH), 1.0) * 0.05
    below = np.clip(face * _soften(lower, 4) - _soften(mouth, 2) - _soften(cheeks, 4), 0, 1)
    weight = _soften(below, 1.5) * rng.uniform(0.55, 0.9)
    return _blend(picture, np.clip(_tone(hair) * 0.9 + grain[..., None], 0, 1).astype(np.float32), weight)


def _glasses(picture: FloatImage) -> FloatImage:
    frame = np.zeros((_HEIGHT, _WIDTH), np.uint8)
    for x, y in _EYES:
        cv2.ellipse(frame, (x - _LEFT, y - _TOP), (16, 12), 0, 0, 360, 255, 2, cv2.LINE_AA)
    (x1, y1), (x2, y2) = _EYES
    cv2.line(frame, (x1 + 16 - _LEFT, y1 - _TOP), (x2 - 16 - _LEFT, y2 - _TOP), 255, 2, cv2.LINE_AA)
    cv2.line(frame, (x1 - 16 - _LEFT, y1 - _TOP), (178 - _LEFT, 98 - _TOP), 255, 2, cv2.LINE_AA)
    cv2.line(frame, (x2 + 16 - _LEFT, y2 - _TOP), (273 - _LEFT, 101 - _TOP), 255, 2, cv2.LINE_AA)
    dark = np.full_like(picture, 0.09)
    return _blend(picture, dark, _soften(frame.astype(np.float32) / 255, 0.6) * 0.9)


def _cloth(colour: tuple[int, int, int], mask: FloatImage, rng: random.Random) -> FloatImage:
    folds = _noise(rng, (_HEIGHT, _WIDTH), 9.0) * 0.1
    return np.asarray(_tone(colour) * (0.6 + 0.42 * _roundness(mask) + folds)[..., None], np.float32)


def _strands(colour: tuple[int, int, int], mask: FloatImage, rng: random.Random) -> FloatImage:
    noise = cv2.GaussianBlur(_noise(rng, (_HEIGHT, _WIDTH), 0.0), (0, 0), sigmaX=1.2, sigmaY=14)
    tones = 0.62 + 0.45 * _roundness(mask) + 0.3 * noise / float(np.abs(noise).max())
    return np.asarray(np.clip(_tone(colour) * tones[..., None], 0, 1), np.float32)


def _roundness(mask: FloatImage) -> FloatImage:
    """Return 0 at the mask's edge rising to 1 inside: the shading of a round body."""
    distance = cv2.distanceTransform((mask > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    return _soften(np.sqrt(np.clip(distance / 36, 0, 1)).astype(np.float32), 3)


def _side_light() -> FloatImage:
    columns = np.linspace(-1, 1, _WIDTH, dtype=np.float32)
    return np.broadcast_to(1.0 - 0.1 * columns, (_HEIGHT, _WIDTH)).astype(np.float32)


def _noise(rng: random.Random, shape: tuple[int, int], sigma: float) -> FloatImage:
    """Return noise of unit deviation, blurred by `sigma` pixels."""
    noise = np.random.default_rng(rng.getrandbits(32)).standard_normal(shape).astype(np.float32)
    if sigma:
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), sigma), np.float32)
    return np.asarray(noise / noise.std(), np.float32)


def _finish(sprite: FloatImage, face: FloatImage, look: Look) -> Head:
    """Warp the head to the person's proportions, mirror it, and trace its outlines."""
    centre = 226.0 - _LEFT
    rows, columns = np.mgrid[0:_HEIGHT, 0:_WIDTH].astype(np.float32)
    low = 1 / (1 + np.exp(-(rows + _TOP - 140) / 12))  # 0 above the mouth, 1 below
    map_x = centre + (columns - centre) / (1 + (look.jaw - 1) * low * np.clip(2.2 - (rows + _TOP) / 150, 0, 1))
    neck_row = 184.0 - _TOP
    map_y = neck_row + (rows - neck_row) / look.aspect

    def bend(layer: FloatImage) -> FloatImage:
        bent = cv2.remap(layer, map_x.astype(np.float32), map_y.astype(np.float32), cv2.INTER_LINEAR)
        return np.ascontiguousarray(bent[:, ::-1] if look.mirrored else bent, dtype=np.float32)

    pixels, face = bend(sprite), bend(face)
    neck_x = _WIDTH - 1 - centre if look.mirrored else centre
    return Head(pixels, _outline(pixels[..., 3]), _outline(face), (neck_x, neck_row))


def _outline(mask: FloatImage) -> Points:
    contours, _ = cv2.findContours((mask > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not contours:
        return np.zeros((0, 2), np.float32)
    return max(contours, key=cv2.contourArea)[:, 0].astype(np.float32)
