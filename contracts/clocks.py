"""How far a camera's clock is from the log's."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class CameraClock:
    """What was measured of a live camera's clock.

    Attributes:
        camera_id: the camera.
        skew_s: by how much the time that its frames claim is ahead of when the log received them; negative for behind.
        measured_at: when the log received the newest of those frames.
    """

    camera_id: str
    skew_s: float
    measured_at: datetime
