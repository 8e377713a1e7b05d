"""The tracker's numbers. Lengths are in face widths, so that they hold near the camera and far from it."""

from dataclasses import dataclass, fields

from contracts.errors import ConfigurationError


@dataclass(frozen=True)
class TrackerParameters:
    """How people move, how the detector errs, and how long to wait for somebody.

    A match is accepted by its likelihood ratio (Blackman 2004, section on track scores): how much likelier a find is as
    the next position of a track than as a new face or a false one, whose densities are given per square face width.
    """

    speed: float = 5.0
    """Standard deviation of a new face's unknown velocity, along each axis, in widths a second."""

    acceleration: float = 12.0
    """Spectral density of the random acceleration, widths^2 / s^3."""

    settling_s: float = 0.55
    """How soon people return to their pace: beyond this time the random acceleration adds up no further."""

    measurement: float = 0.085
    """Standard deviation of a box's centre, in widths."""

    size: float = 0.09
    """Standard deviation of the logarithm of a box's width from one frame to the next."""

    score: float = 0.12
    """Standard deviation of a face's confidence from one frame to the next."""

    detection_probability: float = 0.9
    """How often a face that is there is found."""

    miss_cost: float = 1.0
    """Added to the cost (in nats) of a match for each frame in which the track was not found."""

    birth_density: float = 0.002
    """New faces a frame and square width near the edge of the picture."""

    inner_birth_density: float = 0.003
    """New, false and lost faces that appear further inside, a frame and square width."""

    entry_speed: float = 6.5
    """Expected speed, in widths a second, away from the edge at which a face appears."""

    gate: float = 4.5
    """No match is further than this many standard deviations from the predicted position."""

    second_pass_confidence: float = 0.5
    """Finds below this only continue tracks that found nothing better; they begin none."""

    confirm_hits: int = 2
    """Finds after which a track is reported, from its first one on."""

    tentative_s: float = 0.75
    """How long a track that was never confirmed is kept without a find; at least one frame."""

    lost_s: float = 2.0
    """How long a confirmed track is kept without a find; at least two frames."""

    look_ahead_s: float = 0.35
    """Where frames are further apart than this, each one is decided only when the next one has come."""

    def entry_reach(self, interval_s: float) -> float:
        """How far from the edge, in widths, somebody can be who was not in the picture a frame ago."""
        return max(1.5 * self.speed * interval_s, 1.0)

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 <= value < 1e6:
                raise ConfigurationError(f"tracker: {field.name} should be a number from 0, is {value}")
        if not 0 < self.detection_probability < 1:
            raise ConfigurationError(
                f"tracker: detection_probability should lie between 0 and 1, is {self.detection_probability}"
            )
        for name in (
            "speed",
            "measurement",
            "settling_s",
            "size",
            "score",
            "birth_density",
            "inner_birth_density",
            "gate",
        ):
            if getattr(self, name) == 0:
                raise ConfigurationError(f"tracker: {name} should be above 0")
        if self.confirm_hits < 2:
            raise ConfigurationError(f"tracker: confirm_hits should be 2 or more, is {self.confirm_hits}")
