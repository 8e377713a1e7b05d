"""The sample clip and its truth agree with each other and with the program that makes them."""

import json
from typing import Any

import av
import pytest

from samples import CLIP, TRUTH
from samples.make_clip import DURATION_S, FPS, SEED, Crowd


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(TRUTH.read_text())
    return loaded


def test_the_clip_has_the_frames_that_the_truth_describes(truth: dict[str, Any]) -> None:
    meta = truth["meta"]
    with av.open(str(CLIP)) as container:
        stream = container.streams.video[0]
        sizes = {(frame.width, frame.height) for frame in container.decode(stream)}
        assert (stream.frames, stream.average_rate) == (meta["frames"], meta["fps"]) == (FPS * DURATION_S, FPS)
    assert sizes == {(meta["width"], meta["height"])}
    assert [frame["frame"] for frame in truth["frames"]] == list(range(meta["frames"]))
    assert CLIP.stat().st_size <= 1_500_000


def test_boxes_lie_within_the_picture(truth: dict[str, Any]) -> None:
    width, height = truth["meta"]["width"], truth["meta"]["height"]
    for frame in truth["frames"]:
        for face in frame["faces"]:
            assert face["x"] >= 0 and face["x"] + face["width"] <= width, (frame["frame"], face)
            assert face["y"] >= 0 and face["y"] + face["height"] <= height, (frame["frame"], face)
            assert face["width"] > 0 and face["height"] > 0 and 0 <= face["visible"] <= 1


def test_a_person_comes_once_and_moves_without_jumps(truth: dict[str, Any]) -> None:
    seen: dict[int, tuple[int, dict[str, Any]]] = {}
    for frame in truth["frames"]:
        identities = [face["identity"] for face in frame["faces"]]
        assert len(set(identities)) == len(identities)
        for face in frame["faces"]:
            if face["identity"] in seen:
                last_frame, last = seen[face["identity"]]
                assert frame["frame"] == last_frame + 1, f"{face['identity']} vanished after frame {last_frame}"
                for middle in (("x", "width"), ("y", "height")):
                    step = sum(face[name] / (1 + i) - last[name] / (1 + i) for i, name in enumerate(middle))
                    assert abs(step) < 60, (frame["frame"], face, last)
            seen[face["identity"]] = (frame["frame"], face)
    assert sorted(seen) == list(range(truth["meta"]["identities"]))


def test_it_shows_what_a_crowd_does(truth: dict[str, Any]) -> None:
    visible = [sum(face["visible"] > 0.5 for face in frame["faces"]) for frame in truth["frames"]]
    assert min(visible) >= 3 and max(visible) <= 12
    hidden = [face for frame in truth["frames"] for face in frame["faces"] if face["visible"] < 0.5]
    assert len(hidden) > 10, "people pass in front of others"
    assert truth["meta"]["identities"] > 2 * max(visible), "people come and go"


def test_the_same_seed_gives_the_same_truth() -> None:
    assert Crowd(SEED).truth().encode() == TRUTH.read_text()
