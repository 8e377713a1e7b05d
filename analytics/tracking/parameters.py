"""The tracker's numbers. Lengths are in face widths, so that they hold near the camera and far from it."""

from dataclasses import dataclass, fields

from contracts.errors import ConfigurationError


@dataclass(frozen=True)
class TrackerParameters:
    """How people move, how the detector errs, and how long to wait for somebody.

    A match is accepted by its likelihood ratio (Blackman 2004, section on track scores): how much likelier a find is as
    the next position of a track than as a new face or a false one, whose densities are given per square face width.
    """

    steady_acceleration: float = 6.0
    """Spectral density of the random acceleration of somebody who keeps the pace, widths^2 / s^3."""

    sudden_acceleration: float = 60.0
    """The same of somebody who stops, starts or turns."""

    sudden_chance: float = 0.2
    """How often that happens between two finds."""

    settling_s: float = 0.7
    """How soon people return to their pace: beyond this time the random acceleration adds up no further."""

    measurement: float = 0.055
    """Standard deviation of a box's centre, in widths."""

    size: float = 0.055
    """Standard deviation of the logarithm of a box's size (the mean of its sides') from one frame to the next."""

    score: float = 0.15
    """Standard deviation of a face's confidence from one frame to the next."""

    detection_probability: float = 0.93
    """How often a face that is there is found."""

    miss_cost: float = 1.5
    """Added to the cost (in nats) of a match for each frame in which the track was not found."""

    birth_density: float = 0.001
    """New faces a frame and square width where somebody can have come in over an edge of the picture."""

    inner_birth_density: float = 0.0012
    """New, false and lost faces that appear anywhere, a frame and square width."""

    speed: float = 5.0
    """Standard deviation of the unknown velocity of a face that appears further inside, along each axis, widths/s."""

    entry_speed: float = 4.5
    """Expected speed away from the edge at which a face appears, in widths a second."""

    entry_haste: float = 0.3
    """How much more is expected of who is further from the edge: a part of the speed that it took to get there."""

    entry_spread: float = 2.2
    """Standard deviation of that speed, and of the one along the edge."""

    entry_slow: float = 5.0
    """Who is nearer to an edge than this speed brings in a frame may well have come in there, widths a second."""

    entry_fast: float = 10.0
    """Who is further from an edge than this speed brings in a frame did not come in there since the frame before."""

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

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 <= value < 1e6:
                raise ConfigurationError(f"tracker: {field.name} should be a number from 0, is {value}")
        for name in ("detection_probability", "sudden_chance"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigurationError(f"tracker: {name} should lie between 0 and 1, is {getattr(self, name)}")
        for name in (
            "steady_acceleration",
            "sudden_acceleration",
            "settling_s",
            "measurement",
            "size",
            "score",
            "birth_density",
            "inner_birth_density",
            "speed",
            "entry_spread",
            "entry_slow",
        ):
            if getattr(self, name) == 0:
                raise ConfigurationError(f"tracker: {name} should be above 0")
        if self.entry_fast <= self.entry_slow:
            raise ConfigurationError("tracker: entry_fast should be above entry_slow")
        if self.confirm_hits < 2:
            raise ConfigurationError(f"tracker: confirm_hits should be 2 or more, is {self.confirm_hits}")
