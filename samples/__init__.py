"""The sample: a short crowd clip that the project owns, and what is true of each of its frames.

Both are made by `python -m samples.make_clip` from the public-domain portrait that scikit-image ships.
"""

from pathlib import Path

CLIP = Path(__file__).with_name("crowd.mp4")
"""1280x720, H.264: people enter a concourse, walk, stop, queue and leave."""

TRUTH = Path(__file__).with_name("crowd.truth.json")
"""Each frame's faces with identity, box and visible fraction; `samples.make_clip.Truth` describes the fields."""
