"""Make the sample clip and its truth: `python -m samples.make_clip [--out DIR] [--seed N]`.

The same seed gives the same truth, byte for byte.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import av
import click
import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from samples import CLIP, TRUTH, figures, scene
from samples.figures import Figure, Placed
from samples.heads import FloatImage, Points
from samples.walkers import Walker, draw_walkers

FPS = 10
DURATION_S = 24
SEED = 20
_MOST_FACES = 11
_NOISE = 0.007  # the sensor's, of full scale
_CRF = 29
_FRINGE = 0.1  # of the outline's height: forehead under the hair, which belongs to the box


@dataclass(frozen=True)
class TrueFace:
    """One face in one frame.

    Attributes:
        identity: the person, the same in every frame.
        x, y, width, height: the box from forehead to chin and cheek to cheek, in pixels, cut at the picture's edge.
        visible: the part of the whole face that is seen, 0 (hidden behind others) to 1.
    """

    identity: int
    x: int
    y: int
    width: int
    height: int
    visible: float


@dataclass(frozen=True)
class TrueFrame:
    """What is true of one frame; `faces` holds everyone whose face is within the picture, hidden or not."""

    frame: int
    time_s: float
    faces: list[TrueFace]


@dataclass(frozen=True)
class Truth:
    """What is true of the clip."""

    seed: int
    fps: int
    width: int
    height: int
    identities: int
    frames: list[TrueFrame]

    def encode(self) -> str:
        """Return the truth as compact JSON: `meta` and `frames`."""
        fields = asdict(self)
        frames = fields.pop("frames")
        meta = {**fields, "frames": len(frames)}
        return json.dumps({"meta": meta, "frames": frames}, separators=(",", ":")) + "\n"


@dataclass(frozen=True)
class _Person:
    walker: Walker
    figure: Figure


class Crowd:
    """The people of one clip: who is where in each frame. Nothing is drawn until `render` is called."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self._seed = seed
        self._people = [
            _Person(
                walker,
                figures.make_figure(
                    random.Random(seed * 1000 + walker.identity), walker.style, from_behind=walker.from_behind
                ),
            )
            for walker in draw_walkers(rng, DURATION_S, most=_MOST_FACES)
        ]
        self._obstacles = scene.obstacles()

    def truth(self) -> Truth:
        """Work out every frame's faces from the geometry alone."""
        frames = [
            TrueFrame(frame, round(frame / FPS, 3), self._faces(frame / FPS)) for frame in range(FPS * DURATION_S)
        ]
        names: dict[int, int] = {}  # identities are numbered as they appear
        for true in frames:
            for face in true.faces:
                names.setdefault(face.identity, len(names))
        renamed = [
            TrueFrame(
                true.frame,
                true.time_s,
                [TrueFace(**{**asdict(face), "identity": names[face.identity]}) for face in true.faces],
            )
            for true in frames
        ]
        return Truth(self._seed, FPS, scene.WIDTH, scene.HEIGHT, len(names), renamed)

    def render(self) -> Iterator[NDArray[np.uint8]]:
        """Draw the frames, HEIGHT x WIDTH x 3, BGR."""
        empty, vignette = scene.background(), scene.vignette()
        noise = np.random.default_rng(self._seed)
        grains = [noise.normal(0, _NOISE, empty.shape).astype(np.float32) for _ in range(4)]
        for frame in range(FPS * DURATION_S):
            time_s = frame / FPS
            picture = empty * self._shadows(time_s)
            for z, thing in self._by_depth(time_s):
                if isinstance(thing, scene.Obstacle):
                    _paste(picture, thing.pixels, thing.corner)
                else:
                    person, placed = thing
                    light = scene.light_at(person.walker.position(time_s)[0], z)
                    for part in placed:
                        _warp(picture, part, light)
            grain = np.roll(grains[frame % 4], (frame * 37 % 720, frame * 91 % 1280), (0, 1))
            lit = cv2.GaussianBlur(picture, (0, 0), 0.6) * vignette * scene.brightness(time_s) + grain
            yield (np.clip(lit, 0, 1) * 255).round().astype(np.uint8)

    def _by_depth(self, time_s: float) -> list[tuple[float, "scene.Obstacle | tuple[_Person, list[Placed]]"]]:
        """Return people and obstacles, the farthest first."""
        things: list[tuple[float, scene.Obstacle | tuple[_Person, list[Placed]]]] = [(o.z, o) for o in self._obstacles]
        for person in self._people:
            if person.walker.present(time_s):
                x, z = person.walker.position(time_s)
                placed = figures.place(
                    person.figure, scene.project(x, 0, z), scene.scale_at(z), person.walker.pose(time_s)
                )
                things.append((z, (person, placed)))
        return sorted(things, key=lambda thing: -thing[0])

    def _faces(self, time_s: float) -> list[TrueFace]:
        owner = np.zeros((scene.HEIGHT, scene.WIDTH), np.uint8)  # who is seen at each pixel: 1 + index, 0 for the place
        outlines: dict[int, Points] = {}
        for _, thing in self._by_depth(time_s):
            if isinstance(thing, scene.Obstacle):
                _fill(owner, thing.outline, 0)
                continue
            person, placed = thing
            number = person.walker.identity + 1
            for part in placed:
                _fill(owner, part.outline(), number)
            if len(person.figure.face):
                outlines[number] = figures.transform(person.figure.face, placed[-1].matrix)
        found = [_true_face(owner, number, outline) for number, outline in sorted(outlines.items())]
        return [face for face in found if face is not None]

    def _shadows(self, time_s: float) -> FloatImage:
        quarter = np.ones((scene.HEIGHT // 4, scene.WIDTH // 4), np.float32)
        for person in self._people:
            if person.walker.present(time_s):
                x, z = person.walker.position(time_s)
                column, row = scene.project(x + 0.12, 0, z)
                axes = (round(0.36 * scene.scale_at(z) / 4), round(0.1 * scene.scale_at(z) / 4))
                cv2.ellipse(quarter, (round(column / 4), round(row / 4)), axes, 0, 0, 360, 0.5, -1)
        soft = cv2.resize(cv2.GaussianBlur(quarter, (0, 0), 2.5), (scene.WIDTH, scene.HEIGHT))
        return np.asarray(soft, np.float32)[..., None]


def _true_face(owner: NDArray[np.uint8], number: int, outline: Points) -> TrueFace | None:
    """Return the face if its middle is within the picture."""
    (left, top), (right, bottom) = _corners(outline)
    if not (0 <= (left + right) / 2 < scene.WIDTH and 0 <= (top + bottom) / 2 < scene.HEIGHT):
        return None
    whole = np.zeros((bottom - top + 1, right - left + 1), np.uint8)
    _fill(whole, outline - (left, top), 1)
    x, y = max(left, 0), max(top, 0)
    seen = owner[y : bottom + 1, x : right + 1] == number
    seen &= whole[y - top :, x - left :][: seen.shape[0], : seen.shape[1]] == 1
    visible = np.count_nonzero(seen) / np.count_nonzero(whole)
    y = max(top - round(_FRINGE * (bottom - top)), 0)
    width, height = min(right, scene.WIDTH) - x, min(bottom, scene.HEIGHT) - y
    return TrueFace(number - 1, x, y, width, height, round(visible, 2))


def _corners(points: Points) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the whole pixels that hold all points: left and top, right and bottom."""
    (left, top), (right, bottom) = np.floor(points.min(0)), np.ceil(points.max(0))
    return (int(left), int(top)), (int(right), int(bottom))


def _fill(mask: NDArray[np.uint8], outline: Points, value: int) -> None:
    cv2.fillPoly(mask, [outline.round().astype(np.int32)], value)


def _paste(picture: FloatImage, pixels: FloatImage, corner: tuple[int, int]) -> None:
    """Lay `pixels` (BGR, alpha) over the picture, cut at its edges."""
    x, y = max(corner[0], 0), max(corner[1], 0)
    cut = pixels[y - corner[1] :, x - corner[0] :][: scene.HEIGHT - y, : scene.WIDTH - x]
    under = picture[y : y + cut.shape[0], x : x + cut.shape[1]]
    under += (cut[..., :3] - under) * cut[..., 3:]


def _warp(picture: FloatImage, placed: Placed, light: float) -> None:
    """Draw a part: only the rectangle that it covers is touched."""
    height, width = placed.part.pixels.shape[:2]
    corners = figures.transform(np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32), placed.matrix)
    (left, top), (right, bottom) = _corners(corners)
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, scene.WIDTH), min(bottom, scene.HEIGHT)
    if left >= right or top >= bottom:
        return
    matrix, pixels = placed.matrix.copy(), placed.part.pixels
    shrink = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if shrink < 0.6:  # warping alone would skip pixels
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), 0.4 / shrink), np.float32)
    matrix[:, 2] -= (left, top)
    warped = cv2.warpAffine(pixels, matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
    _paste(picture, np.asarray(warped * (light, light, light, 1), np.float32), (left, top))


def write_clip(frames: Iterator[NDArray[np.uint8]], path: Path) -> None:
    """Encode BGR frames as H.264 in MP4."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = scene.WIDTH, scene.HEIGHT, "yuv420p"
        stream.time_base = Fraction(1, FPS)
        stream.options = {"crf": str(_CRF), "preset": "slow", "g": str(FPS * 4)}
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())


@click.command(help="Make the sample crowd clip and its truth.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=CLIP.parent, help="Folder to write to."
)
@click.option("--seed", type=int, default=SEED, show_default=True, help="Another seed gives another crowd.")
def main(out: Path, seed: int) -> None:
    """Write the clip and its truth."""
    out.mkdir(parents=True, exist_ok=True)
    crowd = Crowd(seed)
    truth = crowd.truth()
    (out / TRUTH.name).write_text(truth.encode())
    write_clip(iter(track(crowd.render(), "Drawing the crowd", total=len(truth.frames))), out / CLIP.name)
    click.echo(f"{out / CLIP.name}: {len(truth.frames)} frames, {truth.identities} people")


if __name__ == "__main__":
    main()
