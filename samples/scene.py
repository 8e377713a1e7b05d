"""The place: a station concourse in one-point perspective, its light over time, and the camera that sees it.

Metres: x to the right of the camera, y up from the floor, z away from the camera.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from samples.heads import FloatImage, Points

WIDTH, HEIGHT = 1280, 720
FOCAL_PX = 1600.0
HORIZON_PX = 48.0
CAMERA_HEIGHT_M = 2.3
LEFT_WALL_M, BACK_WALL_M, RIGHT_M = -3.7, 11.5, 6.0
_TEXTURE = 90  # pixels a metre of the surfaces' textures

Colour = tuple[float, float, float]


def project(x: float, y: float, z: float) -> tuple[float, float]:
    """Return where the camera sees a point, in pixels."""
    return WIDTH / 2 + FOCAL_PX * x / z, HORIZON_PX + FOCAL_PX * (CAMERA_HEIGHT_M - y) / z


def scale_at(z: float) -> float:
    """Return pixels a metre at the depth `z`."""
    return FOCAL_PX / z


def brightness(time_s: float) -> float:
    """Return the light of the whole scene at a time: a cloud passes, later lamps go on."""
    cloud = 0.24 * math.exp(-(((time_s - 8.5) / 2.2) ** 2))
    lamps = 0.1 / (1 + math.exp(-(time_s - 17.0) / 0.25))
    return 1.0 - cloud + lamps + 0.01 * math.sin(time_s * 5)


def light_at(x: float, z: float) -> float:
    """Return how bright a person is at a place: the windows are on the left, the far end is a little hazier."""
    return 1.04 - 0.05 * x + 0.012 * (z - 4)


@dataclass(frozen=True)
class Obstacle:
    """Something that stands in the place and hides who is behind it: a flat picture at one depth."""

    z: float
    pixels: FloatImage
    corner: tuple[int, int]
    outline: Points


def background() -> FloatImage:
    """Return the empty place, HEIGHT x WIDTH x 3, BGR, 0 to 1."""
    picture = np.full((HEIGHT, WIDTH, 3), 0.75, np.float32)
    wall_height = 3.6
    _lay(
        picture,
        _back_wall(),
        [
            (LEFT_WALL_M, wall_height, BACK_WALL_M),
            (RIGHT_M, wall_height, BACK_WALL_M),
            (RIGHT_M, 0, BACK_WALL_M),
            (LEFT_WALL_M, 0, BACK_WALL_M),
        ],
    )
    near = 3.0
    _lay(
        picture,
        _floor(),
        [(LEFT_WALL_M, 0, BACK_WALL_M), (RIGHT_M, 0, BACK_WALL_M), (RIGHT_M, 0, near), (LEFT_WALL_M, 0, near)],
    )
    _reflect(picture)
    _lay(
        picture,
        _left_wall(),
        [
            (LEFT_WALL_M, wall_height, near),
            (LEFT_WALL_M, wall_height, BACK_WALL_M),
            (LEFT_WALL_M, 0, BACK_WALL_M),
            (LEFT_WALL_M, 0, near),
        ],
    )
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    daylight = (
        1.08 - 0.16 * columns / WIDTH + 0.05 * np.exp(-(((columns - 250) / 260) ** 2) - ((rows - 520) / 160) ** 2)
    )
    return np.asarray(np.clip(cv2.GaussianBlur(picture, (0, 0), 0.9) * daylight[..., None], 0, 1), np.float32)


def vignette() -> FloatImage:
    """Return the lens's fall-off towards the corners."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    radius2 = ((columns - WIDTH / 2) / WIDTH) ** 2 + ((rows - HEIGHT / 2) / WIDTH) ** 2
    return np.asarray(1 - 0.42 * radius2, np.float32)[..., None]


def obstacles() -> list[Obstacle]:
    """Return the pillars and the queue's barrier."""
    found = [_pillar(-1.9, 5.9, 0.42), _pillar(2.05, 6.4, 0.42)]
    return [*found, *(_stanchion(x, z) for x, z in ((1.32, 5.3), (1.32, 4.3), (1.32, 3.4)))]


def _lay(picture: FloatImage, texture: FloatImage, corners_m: list[tuple[float, float, float]]) -> None:
    """Lay a texture over the quadrilateral of `corners_m`, its corners clockwise from the top left."""
    height, width = texture.shape[:2]
    source = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    matrix = cv2.getPerspectiveTransform(source, np.array([project(*corner) for corner in corners_m], np.float32))
    warped = cv2.warpPerspective(texture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_AREA)
    inside = cv2.warpPerspective(np.ones((height, width), np.float32), matrix, (WIDTH, HEIGHT))
    picture[:] = picture + (warped - picture) * inside[..., None]


def _surface(width_m: float, height_m: float, colour: Colour, grain: float, seed: int) -> FloatImage:
    shape = (round(height_m * _TEXTURE), round(width_m * _TEXTURE))
    noise = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    clouds = cv2.GaussianBlur(noise, (0, 0), 40)
    return np.asarray(
        np.array(colour, np.float32) * (1 + grain * noise * 0.3 + grain * clouds / clouds.std())[..., None], np.float32
    )


def _box(
    texture: FloatImage, left: float, top: float, right: float, bottom: float, colour: Colour, outline: bool = False
) -> None:
    """Draw a rectangle; metres from the texture's top left corner."""
    start, stop = (round(left * _TEXTURE), round(top * _TEXTURE)), (round(right * _TEXTURE), round(bottom * _TEXTURE))
    cv2.rectangle(texture, start, stop, colour, 4 if outline else -1, cv2.LINE_AA)


def _write(texture: FloatImage, text: str, left: float, bottom: float, size: float, colour: Colour) -> None:
    at = (round(left * _TEXTURE), round(bottom * _TEXTURE))
    cv2.putText(texture, text, at, cv2.FONT_HERSHEY_DUPLEX, size * _TEXTURE / 22, colour, 1, cv2.LINE_AA)


def _back_wall() -> FloatImage:
    width = RIGHT_M - LEFT_WALL_M
    wall = _surface(width, 3.6, (0.72, 0.76, 0.79), 0.012, 1)
    for column in np.arange(0, width, 1.2):
        _box(wall, column, 0, column + 0.015, 3.6, (0.6, 0.64, 0.67))
    _box(wall, 0, 3.42, width, 3.6, (0.42, 0.44, 0.46))
    _box(wall, 0, 0.95, width, 1.2, (0.36, 0.27, 0.16))
    _write(wall, "PLATFORMS 1 - 6", 1.2, 1.14, 0.14, (0.95, 0.95, 0.95))
    _write(wall, "WAY OUT", 5.9, 1.14, 0.14, (0.35, 0.85, 0.95))
    for left in (1.0, 2.35, 5.1, 6.45):
        _box(wall, left, 1.35, left + 1.2, 3.55, (0.5, 0.5, 0.5))
        _box(wall, left + 0.06, 1.42, left + 0.58, 3.5, (0.88, 0.86, 0.8))
        _box(wall, left + 0.62, 1.42, left + 1.14, 3.5, (0.84, 0.83, 0.78))
        _box(wall, left + 0.06, 2.9, left + 1.14, 3.5, (0.66, 0.68, 0.66))
        _box(wall, left + 0.54, 2.3, left + 0.57, 2.75, (0.25, 0.25, 0.25))
    _box(wall, 4.0, 1.5, 4.75, 2.6, (0.55, 0.45, 0.2))
    _box(wall, 4.06, 1.56, 4.69, 2.0, (0.75, 0.6, 0.35))
    _box(wall, 4.12, 2.1, 4.6, 2.16, (0.9, 0.9, 0.9))
    _box(wall, 4.12, 2.26, 4.5, 2.3, (0.9, 0.9, 0.9))
    _box(wall, 8.2, 1.5, 9.2, 2.9, (0.2, 0.22, 0.25))
    for row in range(6):
        _box(wall, 8.3, 1.62 + row * 0.2, 8.9 + 0.04 * (row * 7 % 5), 1.7 + row * 0.2, (0.25, 0.65, 0.8))
    return wall


def _left_wall() -> FloatImage:
    depth = BACK_WALL_M - 3.0
    wall = _surface(depth, 3.6, (0.66, 0.69, 0.71), 0.012, 2)
    for left in np.arange(0.3, depth - 1.0, 1.7):
        _box(wall, left, 0.3, left + 1.3, 2.7, (0.97, 0.95, 0.9))
        for bar in (0.43, 0.87):
            _box(wall, left + bar, 0.3, left + bar + 0.03, 2.7, (0.6, 0.62, 0.64))
        _box(wall, left, 0.3, left + 1.3, 2.7, (0.45, 0.47, 0.5), outline=True)
    _box(wall, 0, 3.42, depth, 3.6, (0.4, 0.42, 0.44))
    return wall


def _floor() -> FloatImage:
    width, depth = RIGHT_M - LEFT_WALL_M, BACK_WALL_M - 3.0
    floor = _surface(width, depth, (0.56, 0.6, 0.63), 0.03, 3)
    rng = np.random.default_rng(4)
    tile = 0.6
    for row in np.arange(0, depth, tile):
        for column in np.arange(0, width, tile):
            tint = float(rng.normal(1, 0.035))
            _box(floor, column, row, column + tile, row + tile, (0.56 * tint, 0.6 * tint, 0.63 * tint))
    for row in np.arange(0, depth, tile):
        _box(floor, 0, row, width, row + 0.012, (0.42, 0.45, 0.47))
    for column in np.arange(0, width, tile):
        _box(floor, column, 0, column + 0.012, depth, (0.42, 0.45, 0.47))
    _box(floor, 4.9, 0, 5.02, depth, (0.25, 0.62, 0.75))
    return floor


def _reflect(picture: FloatImage) -> None:
    """Mirror the back wall in the polished floor, fading towards the camera."""
    edge = round(project(0, 0, BACK_WALL_M)[1])
    rows = min(edge, HEIGHT - edge)
    mirror = cv2.GaussianBlur(picture[edge - rows : edge][::-1], (0, 0), sigmaX=5, sigmaY=16)
    fade = np.linspace(0.34, 0.0, rows, dtype=np.float32)[:, None, None]
    picture[edge : edge + rows] = picture[edge : edge + rows] * (1 - fade) + mirror * fade


def _pillar(x: float, z: float, width_m: float) -> Obstacle:
    left, _ = project(x - width_m / 2, 0, z)
    right, bottom = project(x + width_m / 2, 0, z)
    shape = (min(round(bottom), HEIGHT), round(right - left))
    across = np.linspace(-1, 1, shape[1], dtype=np.float32)
    shade = 0.86 * np.sqrt(np.clip(1 - 0.72 * (across + 0.25) ** 2, 0.1, 1))
    colour = np.broadcast_to(np.array((0.76, 0.79, 0.81), np.float32) * shade[:, None], (*shape, 3)).copy()
    plinth = round(bottom - 0.18 * scale_at(z))
    colour[plinth:] *= 0.55
    band = round(project(x, 1.25, z)[1])
    colour[band : band + 14] *= np.array((0.5, 0.42, 0.3), np.float32)
    return _obstacle(z, colour, np.ones(shape, np.float32), (round(left), 0))


def _stanchion(x: float, z: float) -> Obstacle:
    scale = scale_at(z)
    left, top = project(x - 0.16, 0.98, z)
    shape = (round(scale * 1.0), round(scale * 0.32))
    mask = np.zeros(shape, np.float32)
    middle = shape[1] // 2
    cv2.rectangle(mask, (middle - round(0.025 * scale), 0), (middle + round(0.025 * scale), shape[0]), 1.0, -1)
    cv2.ellipse(
        mask, (middle, shape[0] - round(0.02 * scale)), (round(0.15 * scale), round(0.03 * scale)), 0, 0, 360, 1.0, -1
    )
    cv2.circle(mask, (middle, round(0.04 * scale)), round(0.04 * scale), 1.0, -1, cv2.LINE_AA)
    across = np.linspace(-1, 1, shape[1], dtype=np.float32)
    tone = 0.34 + 0.3 * np.exp(-(((across + 0.03) / 0.05) ** 2))
    colour = np.broadcast_to(tone[:, None] * np.array((0.9, 0.95, 1.0), np.float32), (*shape, 3)).astype(np.float32)
    return _obstacle(z, colour, cv2.GaussianBlur(mask, (0, 0), 0.7).astype(np.float32), (round(left), round(top)))


def _obstacle(z: float, colour: FloatImage, mask: FloatImage, corner: tuple[int, int]) -> Obstacle:
    contours, _ = cv2.findContours((mask > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    outline = max(contours, key=cv2.contourArea)[:, 0].astype(np.float32) + np.array(corner, np.float32)
    return Obstacle(z, np.dstack([colour, mask]).astype(np.float32), corner, outline)
